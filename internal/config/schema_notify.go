package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// defaultLimit is how many messages a channel gets in an hour.
const defaultLimit = 6

// told are the events that a channel can be told of, and toldUnasked those
// that it is told of where nothing is said: what a person has to act upon.
func told() []string { return append(Events(), plan.NoticeProblem, plan.NoticeSolved) }

func toldUnasked() []string {
	return []string{"errored", "expiring", "verify-failed", "rolled-back", "revoked", plan.NoticeProblem, plan.NoticeSolved}
}

// notifyKey is the key `notify`.
func notifyKey() key[Config] {
	return field("notify", object("notify", "How people are told what they must know. A flood becomes one message: notices are grouped by problem, with their number, the first certificates, and what to do. A failing certificate is told hourly at most, an ending one daily; what could not be delivered is tried again within an hour. `certkeep notify test` tries every channel.", []key[Notify]{
		field("email", email(), func(n *Notify) **Email { return &n.Email }, about{doc: "E-mail.", standard: "none", off: true}),
		field("webhook", webhook(), func(n *Notify) **Webhook { return &n.Webhook }, about{doc: "A URL that messages are posted to as JSON, see docs/json.md.", standard: "none", off: true}),
		field("command", teller(), func(n *Notify) **Teller { return &n.Command }, about{doc: "A program that gets messages as JSON on stdin: a command, or a table with more.", standard: "none", off: true}),
	}, nil), func(c *Config) *Notify { return &c.Notify }, about{doc: "How people are told what they must know."})
}

// hearingKeys are the keys that all channels have.
func hearingKeys[T any](at func(*T) *Hearing) []key[T] {
	shown := &node{kind: list}
	for _, e := range toldUnasked() {
		shown.items = append(shown.items, showText(e))
	}
	events := field("events", filled(distinct(listOf(oneOf("event", told()...), "a list of events", "[errored, expiring]"))), func(t *T) *[]string { return &at(t).Events }, about{
		doc: "What is told: events, `problem` for conditions that are none of them, and `solved` when one of these is no more.",
	})
	events.reset = func(t *T) { at(t).Events = toldUnasked() }
	events.standardNode = shown
	return []key[T]{
		events,
		fieldOr("limit", whole("a number of messages", 1, 1000), func(t *T) *int { return &at(t).Limit }, defaultLimit, about{
			doc: "Messages in an hour. What is more waits, and becomes one.",
		}),
	}
}

// secretKeys are the keys that say where a secret is.
func secretKeys[T any](name, doc, example string, at func(*T) *SecretRef) []key[T] {
	dashed := strings.ReplaceAll(name, "_", "-")
	return []key[T]{
		field(name+"_file", checked("an absolute path", example, checkSecretFile), func(t *T) *string { return &at(t).File }, about{doc: "File that holds " + doc + ".", standard: "none", example: example}),
		field(name+"_env", checked("the name of an environment variable", "SECRET", checkEnv), func(t *T) *string { return &at(t).Env }, about{
			doc: "Environment variable that holds it.", standard: "none", example: "CERTKEEP_" + strings.ToUpper(name), off: true,
		}),
		field(name+"_credential", identifier("credential", dashed), func(t *T) *string { return &at(t).Credential }, about{
			doc: "systemd credential (LoadCredential=) that holds it.", standard: "none", example: dashed, off: true,
		}),
	}
}

// oneSecret reports a secret that is said to be in more than one place, or in
// none where one is needed.
func oneSecret(r *reader, n *node, name string, needed bool) {
	given := 0
	for _, end := range []string{"_file", "_env", "_credential"} {
		if n.has(name + end) {
			given++
		}
	}
	if given > 1 || needed && given == 0 {
		r.out.add(n.at, fmt.Sprintf("%s takes exactly one of %[2]s_file, %[2]s_env and %[2]s_credential, not %d", r.is(), name, given), "")
	}
}

func email() shape[*Email] {
	to := checked("a mail address", "ops@example.com", checkEmail)
	keys := []key[Email]{
		field("to", either("a mail address or a list of them", "ops@example.com", single(to), filled(distinct(listOf(to, "a list of mail addresses", "[ops@example.com]")))), func(e *Email) *[]string { return &e.To }, about{
			doc: "Who gets it: one address or several. Required.", example: "[ops@example.com]",
		}),
		field("from", checked("a mail address", "certkeep@example.com", checkEmail), func(e *Email) *string { return &e.From }, about{
			doc: "Who it is from.", standard: "`certkeep@` and this machine's name", example: "certkeep@example.com", off: true,
		}),
		field("smtp", smtp(), func(e *Email) *SMTP { return &e.SMTP }, about{
			doc: "Mail server: host and port, or a table with more. Either this or `sendmail`.", example: `{server: "mail.example.com:587", user: certkeep, password_file: /etc/certkeep/mail.password}`,
		}),
		field("sendmail", command("/usr/sbin/sendmail"), func(e *Email) *Command { return &e.Sendmail }, about{
			doc: "Program that takes a mail on stdin, as sendmail does, with `-i -f FROM -- TO…`.", standard: "none", example: "/usr/sbin/sendmail", off: true,
		}),
	}
	return pointer(object("email", "E-mail: plain text.", slices.Concat(keys, hearingKeys(func(e *Email) *Hearing { return &e.Hearing })), func(r *reader, n *node, e *Email) {
		r.mark("notify.email", n)
		if !n.has("to") {
			r.out.add(n.at, r.is()+" has no address", "for example {to: ops@example.com, sendmail: /usr/sbin/sendmail}")
		}
		if n.has("smtp") == n.has("sendmail") {
			r.out.add(n.at, r.is()+" takes exactly one of smtp and sendmail", `for example {smtp: "mail.example.com:587"}`)
		}
		if e.Sendmail.Shell != "" {
			r.out.add(n.placeOf("sendmail"), "sendmail takes no text for a shell", "write its program and arguments")
		}
	}))
}

func smtp() shape[SMTP] {
	server := checked("host and port", `"mail.example.com:587"`, checkMailServer)
	short := as(server, func(_ *reader, _ *node, server string) (SMTP, bool) {
		return SMTP{Server: server, TLS: tlsOf(server)}, true
	}, func(s SMTP) (string, bool) {
		return s.Server, s.Server != "" && s == SMTP{Server: s.Server, TLS: tlsOf(s.Server)}
	})
	keys := []key[SMTP]{
		field("server", server, func(s *SMTP) *string { return &s.Server }, about{doc: "Host and port. Required.", example: `"mail.example.com:587"`}),
		field("tls", oneOf("way to use TLS", "starttls", "implicit", "none"), func(s *SMTP) *string { return &s.TLS }, about{
			doc: "`starttls` sends nothing before the server has upgraded the connection, `implicit` begins with TLS.", standard: "`implicit` at port 465, `none` on this machine's own address, else `starttls`", example: "starttls", off: true,
		}),
		field("user", wordsOf("a user name", "certkeep"), func(s *SMTP) *string { return &s.User }, about{doc: "User name for AUTH.", standard: "none is sent", example: "certkeep"}),
	}
	keys = slices.Concat(keys, secretKeys("password", "the password for AUTH", "/etc/certkeep/mail.password", func(s *SMTP) *SecretRef { return &s.Password }), []key[SMTP]{
		field("roots_file", absolute("/etc/certkeep/corp-root.pem"), func(s *SMTP) *string { return &s.RootsFile }, about{
			doc: "PEM file of roots that the server is trusted by.", standard: "the system's roots", example: "/etc/certkeep/corp-root.pem", off: true,
		}),
	})
	long := object("smtp", "A mail server.", keys, finishSMTP)
	long.kinds = table
	long.show = hideEmpty(long.show)
	return either("host and port, or a table", `"mail.example.com:587"`, short, long)
}

// hideEmpty shows no mail server where there is none.
func hideEmpty(show func(SMTP) *node) func(SMTP) *node {
	return func(s SMTP) *node {
		if s == (SMTP{}) {
			return nil
		}
		return show(s)
	}
}

// finishSMTP fills in how TLS is used, and refuses a password in the clear.
func finishSMTP(r *reader, n *node, s *SMTP) {
	if !n.has("server") {
		r.out.add(n.at, r.is()+" has no server", `for example {server: "mail.example.com:587"}`)
		return
	}
	if s.TLS == "" {
		s.TLS = tlsOf(s.Server)
	}
	oneSecret(r, n, "password", n.has("user"))
	if !n.has("user") && !s.Password.IsZero() {
		r.out.add(n.at, r.is()+" has a password and no user", "")
	}
	if host, _, err := net.SplitHostPort(s.Server); err == nil && s.TLS == "none" && n.has("user") && !loopback(host) {
		r.out.add(n.placeOf("tls"), "without TLS the password could be read on its way", "say tls: starttls, or leave user and password out")
	}
}

// tlsOf is how TLS is used where nothing is said.
func tlsOf(server string) string {
	host, port, err := net.SplitHostPort(server)
	switch {
	case err == nil && (port == "465" || port == "submissions"):
		return "implicit"
	case err == nil && loopback(host):
		return "none"
	}
	return "starttls"
}

// loopback reports whether a host is this machine itself.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func checkMailServer(s string) (wrong, hint string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" {
		return fmt.Sprintf("%q is not a host with a port", shorten(s)), `write one such as "mail.example.com:587"`
	}
	if _, wrong, hint := checkName(host); wrong != "" && host != "localhost" {
		return wrong, hint
	}
	return "", ""
}

func webhook() shape[*Webhook] {
	keys := secretKeys("url", "the URL, which begins with https:// unless it is this machine's own address. Whoever has it can post there, so it is a secret. One of these is required", "/etc/certkeep/webhook.url", func(w *Webhook) *SecretRef { return &w.URL })
	keys = slices.Concat(keys, secretKeys("key", "the key that posts are signed with (HMAC-SHA256 over id, time and body); of one that begins with `whsec_` the rest is base64", "/etc/certkeep/webhook.key", func(w *Webhook) *SecretRef { return &w.Key }), []key[Webhook]{
		field("roots_file", absolute("/etc/certkeep/corp-root.pem"), func(w *Webhook) *string { return &w.RootsFile }, about{
			doc: "PEM file of roots that the server is trusted by.", standard: "the system's roots", example: "/etc/certkeep/corp-root.pem", off: true,
		}),
		fieldOr("timeout", duration(time.Millisecond), func(w *Webhook) *time.Duration { return &w.Timeout }, 30*time.Second, about{doc: "How long one post may take."}),
	}, hearingKeys(func(w *Webhook) *Hearing { return &w.Hearing }))
	return pointer(object("webhook", "A URL that messages are posted to as JSON.", keys, func(r *reader, n *node, _ *Webhook) {
		r.mark("notify.webhook", n)
		oneSecret(r, n, "url", true)
		oneSecret(r, n, "key", false)
	}))
}

func teller() shape[*Teller] {
	fresh := func() Teller {
		return Teller{Hearing: Hearing{Events: toldUnasked(), Limit: defaultLimit}, Timeout: 2 * time.Minute}
	}
	plain := command("/usr/local/bin/page")
	short := as(plain, func(_ *reader, _ *node, c Command) (*Teller, bool) {
		t := fresh()
		t.Command = c
		return &t, true
	}, func(*Teller) (Command, bool) { return Command{}, false })
	keys := slices.Concat([]key[Teller]{
		field("command", plain, func(t *Teller) *Command { return &t.Command }, about{doc: "What to run. Required.", example: "[/usr/local/bin/page]"}),
		field("user", userName(), func(t *Teller) *string { return &t.User }, about{doc: "User to run it as.", standard: "the running user", example: "nobody", off: true}),
		fieldOr("timeout", duration(time.Millisecond), func(t *Teller) *time.Duration { return &t.Timeout }, 2*time.Minute, about{doc: "How long it may run before it is ended."}),
		fieldOr("arguments", truth(), func(t *Teller) *bool { return &t.Arguments }, false, about{
			doc: "Whether it is run as mod_md runs its MDMessageCmd: once for each notice, with the reason and the certificate's name as last arguments. It then knows neither limit nor digest, `events` are those that mod_md has reasons for, unless said, and one that it fails for is told again without holding others back. The reasons `renewing` and `challenge-setup`, which can say no, are `hooks`.",
		}),
	}, hearingKeys(func(t *Teller) *Hearing { return &t.Hearing }))
	long := pointer(object("teller", "A program that gets messages as JSON on stdin.", keys, func(r *reader, n *node, t *Teller) {
		r.mark("notify.command", n)
		if t.Arguments && !n.has("events") {
			t.Events = []string{"issued", "installed", "errored", "expiring", "ocsp-updated"} // what mod_md has reasons for
		}
		if !n.has("command") {
			r.out.add(n.at, r.is()+" has no command", "for example {command: [/usr/local/bin/page]}")
		}
	}))
	long.kinds = table
	return either("a command or a table", "/usr/local/bin/page", short, long)
}
