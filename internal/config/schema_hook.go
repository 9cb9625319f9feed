package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/config/acmebot"
)

// Events lists the events that hooks can be given for.
func Events() []string {
	return []string{
		"renewing", "challenge-setup", "challenge-cleanup", "dns-updated", "issued", "file-installed", EventInstalled,
		"reloaded", "verified", "verify-failed", "rolled-back", "key-rollover", "expiring", "errored", "revoked", "tlsa-updated", "ocsp-updated", "sct-updated",
	}
}

// hooksKey is the key `hooks`.
func hooksKey() key[Config] {
	return field("hooks", hooks(func(*reader) string { return "" }), func(c *Config) *map[string]Hook { return &c.Hooks }, about{
		doc: "Programs that are run at events, by the event's name. They get JSON on stdin. One that fails is run again until it succeeds.",
	})
}

// AcmebotEvents lists acmebot's names of events. A hook of one of them is run
// once for each thing that it speaks of, with acmebot's fields as variables.
func AcmebotEvents() []string { return acmebot.Hooks() }

// ownHooksKey is the key `hooks` of a certificate.
func ownHooksKey() key[Certificate] {
	where := func(r *reader) string { return "certificates." + r.certs.name() + "." }
	return field("hooks", hooks(where), func(c *Certificate) *map[string]Hook { return &c.Hooks }, about{
		doc: "Programs that are run at events of this certificate, instead of those that the general `hooks` name for the same events.", standard: "the general ones", example: "{installed: {command: [/etc/certkeep/on-mail]}}", off: true,
	})
}

// HookOf is the hook of an event of a certificate: its own, or else the general one.
func (c *Config) HookOf(cert, event string) (Hook, bool) {
	if found := c.Certificate(cert); found != nil {
		if h, own := found.Hooks[event]; own {
			return h, true
		}
	}
	h, ok := c.Hooks[event]
	return h, ok
}

// hooks are hooks by event. Where says how the place is called in front of them.
func hooks(where func(*reader) string) shape[map[string]Hook] {
	return mapOf("EVENT", hook(where), "a table of hooks by event",
		func(r *reader, at place, event string) bool {
			known := slices.Contains(Events(), event) || slices.Contains(AcmebotEvents(), event)
			if !known {
				r.out.add(at, fmt.Sprintf("unknown event %q", event), hintAmong(event, Events()))
			}
			return known
		},
		func(h *Hook, event string) { h.Event = event })
}

func hook(where func(*reader) string) shape[Hook] {
	s := object("hook", "A program that is run at an event. Events: "+eventWords(Events())+". Also acmebot's: "+eventWords(AcmebotEvents())+"; their hooks are run once for each file, record or answer, with acmebot's fields as variables: `$certificate_file`.", []key[Hook]{
		field("command", command("/etc/certkeep/on-install"), func(h *Hook) *Command { return &h.Command }, about{
			doc: "What to run. Required, unless there is a `directory`.", example: "[/etc/certkeep/on-install]",
		}),
		field("directory", absolute("/etc/letsencrypt/renewal-hooks/deploy"), func(h *Hook) *string { return &h.Directory }, about{
			doc: "Folder whose programs are run in the order of their names, before the `command`, as certbot does: every executable file whose name does not end in `~`. One that fails keeps none of the others from running; all of them are run again then.", standard: "none", example: "/etc/letsencrypt/renewal-hooks/deploy", off: true,
		}),
		field("user", userName(), func(h *Hook) *string { return &h.User }, about{
			doc: "User to run it as.", standard: "the running user", example: "nobody", off: true,
		}),
		fieldOr("timeout", duration(time.Millisecond), func(h *Hook) *time.Duration { return &h.Timeout }, 2*time.Minute, about{
			doc: "How long it may run before it is ended.",
		}),
		fieldOr("arguments", truth(), func(h *Hook) *bool { return &h.Arguments }, false, about{
			doc: "Whether it is run as mod_md runs its MDMessageCmd: with the reason and the certificate's name as last arguments, such as `renewing www` or `challenge-setup:http-01:www.example.com www`.",
		}),
	}, func(r *reader, n *node, h *Hook) {
		r.mark(where(r)+"hooks."+h.Event, n)
		if !n.has("command") && !n.has("directory") {
			r.out.add(n.at, fmt.Sprintf("the hook of %q has no command", h.Event), "for example {command: [/etc/certkeep/on-install]}")
		}
	})
	s.such = "{command: [/etc/certkeep/on-install]}"
	return s
}

func eventWords(events []string) string { return "`" + strings.Join(events, "`, `") + "`" }
