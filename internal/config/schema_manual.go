package config

import (
	"strings"
	"time"
)

// manualTimeout is long: programs written for certbot sleep until their DNS
// provider has published a record.
const manualTimeout = 10 * time.Minute

// manualKey is the key `manual` of http-01 and dns-01.
func manualKey() key[Method] {
	return field("manual", pointer(manual()), func(m *Method) **Manual { return &m.Manual }, about{
		doc: "Programs that make the answer visible and take it away, written for certbot's `--manual-auth-hook` and `--manual-cleanup-hook`.", example: "{auth_hook: /etc/certkeep/auth, cleanup_hook: /etc/certkeep/cleanup}", off: true,
	})
}

func manual() shape[Manual] {
	s := object("manual", "Programs in the manner of certbot's manual plug-in. They get `CERTBOT_IDENTIFIER` (without `*.`), `CERTBOT_VALIDATION`, with http-01 `CERTBOT_TOKEN`, `CERTBOT_ALL_IDENTIFIERS` and `CERTBOT_REMAINING_CHALLENGES`, and under their older names `CERTBOT_DOMAIN` and `CERTBOT_ALL_DOMAINS`; the second one also `CERTBOT_AUTH_OUTPUT`, the first 16 KiB that the first one wrote to stdout, which is kept with the certificate's record in between: let it write no secret. They run one at a time, whatever certificate they are for.", []key[Manual]{
		field("auth_hook", command("[/etc/certkeep/auth]"), func(m *Manual) *Command { return &m.Auth }, about{
			doc: "Makes the answer visible. It has to exit with 0, and not before the CA can see it. Required.", example: "[/etc/certkeep/auth]",
		}),
		field("cleanup_hook", command("[/etc/certkeep/cleanup]"), func(m *Manual) *Command { return &m.CleanUp }, about{
			doc: "Takes it away again, also where the first one failed, and after a crash. After an order all of them together have 20 seconds; what is left is taken away next, in a step of its own.", standard: "nothing is taken away", example: "[/etc/certkeep/cleanup]",
		}),
		field("user", userName(), func(m *Manual) *string { return &m.User }, about{
			doc: "User to run them as.", standard: "the running user", example: "nobody", off: true,
		}),
		fieldOr("timeout", duration(time.Millisecond), func(m *Manual) *time.Duration { return &m.Timeout }, manualTimeout, about{
			doc: "How long one of them may run before it is ended.",
		}),
	}, func(r *reader, n *node, m *Manual) {
		if !n.has("auth_hook") {
			r.out.add(n.at, "manual has no auth_hook", "for example {auth_hook: /etc/certkeep/auth, cleanup_hook: /etc/certkeep/cleanup}")
		}
		r.mark(m.String(), n)
	})
	s.such = "{auth_hook: /etc/certkeep/auth}"
	return s
}

// manual covers who answers in place of us.
func (d *digester) manual(m Manual) {
	d.put("manual", m.Auth.Shell, m.CleanUp.Shell, m.User, m.Timeout.String())
	for _, list := range [][]string{m.Auth.Args, m.CleanUp.Args} {
		d.count(len(list))
		d.put(list...)
	}
}

// String says whose programs they are, for messages.
func (m Manual) String() string {
	if m.Auth.Shell != "" {
		return "manual " + shorten(m.Auth.Shell)
	}
	return "manual " + strings.Join(m.Auth.Args, " ")
}

// manual reports programs of rules that others may write.
func (k *checker) manual(rules []Rule) {
	for _, rule := range rules {
		for _, m := range rule.Methods {
			if m.Manual != nil {
				k.program(m.Manual.String(), m.Manual.Auth.Args, m.Manual.User)
				k.program(m.Manual.String(), m.Manual.CleanUp.Args, m.Manual.User)
			}
		}
	}
}
