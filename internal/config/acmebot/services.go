package acmebot

import (
	"regexp"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/service"
)

// standardServices are acmebot's built-in services. What they do for those
// that Certkeep knows by the same name is Certkeep's own affair.
func standardServices() map[string]string {
	return map[string]string{
		"apache":     "systemctl reload-or-restart apache2",
		"coturn":     "systemctl reload-or-restart coturn",
		"crowdsec":   "systemctl reload-or-restart crowdsec",
		"dovecot":    "systemctl reload-or-restart dovecot",
		"etherpad":   "systemctl reload-or-restart etherpad",
		"mysql":      "systemctl reload-or-restart mysql",
		"nginx":      "systemctl reload-or-restart nginx",
		"postfix":    "systemctl reload-or-restart postfix",
		"postgresql": "systemctl reload-or-restart postgresql",
		"prosody":    "systemctl reload-or-restart prosody",
		"slapd":      "systemctl reload-or-restart slapd",
		"synapse":    "systemctl reload-or-restart matrix-synapse",
		"znc":        "systemctl reload-or-restart znc",
	}
}

// earlierServices are the commands that acmebot had for services before, which
// configurations repeat.
func earlierServices() map[string]string {
	return map[string]string{
		"apache":     "systemctl reload apache2",
		"dovecot":    "systemctl restart dovecot",
		"nginx":      "systemctl reload nginx",
		"postfix":    "systemctl reload postfix",
		"postgresql": "systemctl reload postgresql",
	}
}

// servicesTo says how services are told of new files: by a shell text, as
// acmebot has it. Where a service is told in acmebot's standard way and
// Certkeep knows it, it is Certkeep's own.
func (t *translator) servicesTo(out object, in table) {
	var entries object
	for _, k := range t.keys {
		for _, c := range k.certs {
			for _, item := range c.option("services").items() {
				name := item.text("")
				if name == "" || t.services[name] {
					continue
				}
				t.services[name] = true
				command := in.option(name)
				text := command.text(standardServices()[name])
				switch _, builtin := service.Builtin(name); {
				case !command.given() && text == "":
					known := append(keysOf(standardServices()), pairKeys(in)...)
					t.fail(item.Origin, "unknown service "+quoted(name), t.didYouMean(name, known))
				case text == "", builtin && slices.Contains([]string{standardServices()[name], earlierServices()[name]}, text):
				default:
					if entries.v == nil {
						entries = out.child("services", command.source())
					}
					t.serviceTo(entries, name, command, text, builtin)
				}
			}
		}
	}
}

// serviceTo adds a service with a shell text.
func (t *translator) serviceTo(entries object, name string, command option, text string, builtin bool) {
	s := command.source()
	entry := entries.child(name, s)
	if words := strings.Fields(text); systemctl.MatchString(text) {
		entry.set("reload", s.texts(words...)) // such a command is known well enough to tell a stopped unit from a refusal
	} else {
		entry.child("reload", s).set("shell", s.text(text))
	}
	if builtin { // its test belongs to a service on this machine
		entry.set("check", s.truth(false))
	}
}

// systemctl is a command that needs no shell.
var systemctl = regexp.MustCompile(`^systemctl [a-z-]+ [A-Za-z0-9@._-]+$`)

// servicesOf lists the services of a certificate that are told of anything.
func (t *translator) servicesOf(c *certificate, in table) *Value {
	o := c.option("services")
	s := o.source()
	list := &Value{Kind: List, At: s.place()}
	var seen []string
	for _, item := range o.items() {
		name := item.text("")
		if command := in.option(name); name == "" || slices.Contains(seen, name) || command.given() && command.text("") == "" {
			continue // acmebot's way to turn a built-in service off
		}
		seen = append(seen, name)
		list.Items = append(list.Items, t.sourceOf(item.Origin).text(name))
	}
	if len(list.Items) == 0 {
		return nil
	}
	return list
}

func keysOf(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func pairKeys(in table) []string {
	var names []string
	for _, p := range in.pairs() {
		names = append(names, p.Key)
	}
	return names
}
