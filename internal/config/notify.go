package config

import (
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// The names of the channels.
const (
	ChannelEmail   = "email"
	ChannelWebhook = "webhook"
	ChannelCommand = "command"
)

// Notify says how people are told. A channel that is nil is not used.
type Notify struct {
	Email   *Email
	Webhook *Webhook
	Command *Teller
}

// Hearing is what a channel is told of, and how often.
type Hearing struct {
	Events []string
	Limit  int // messages in an hour
}

// Email is e-mail by a mail server, or by a local program.
type Email struct {
	Hearing
	To       []string
	From     string // "" is certkeep at this machine
	SMTP     SMTP
	Sendmail Command // instead
}

// SMTP is a mail server.
type SMTP struct {
	Server    string // host:port
	TLS       string // starttls, implicit or none
	User      string
	Password  SecretRef
	RootsFile string
}

// Webhook is a URL that messages are posted to.
type Webhook struct {
	Hearing
	URL       SecretRef
	Key       SecretRef // zero signs nothing
	RootsFile string
	Timeout   time.Duration
}

// Teller is a program that is run with messages.
type Teller struct {
	Hearing
	Command   Command
	User      string
	Timeout   time.Duration
	Arguments bool // as mod_md: once for each notice, with REASON and the certificate as arguments
}

// channels are the channels as package plan decides upon them.
func (n Notify) channels() []plan.WantedChannel {
	var all []plan.WantedChannel
	add := func(name string, h Hearing, each bool) {
		all = append(all, plan.WantedChannel{Name: name, Events: h.Events, Limit: h.Limit, Each: each})
	}
	if n.Email != nil {
		add(ChannelEmail, n.Email.Hearing, false)
	}
	if n.Webhook != nil {
		add(ChannelWebhook, n.Webhook.Hearing, false)
	}
	if n.Command != nil {
		add(ChannelCommand, n.Command.Hearing, n.Command.Arguments)
	}
	return all
}

// checkNotify looks at the files that channels need.
func (k *checker) checkNotify(n Notify) {
	if e := n.Email; e != nil {
		if !e.SMTP.Password.IsZero() {
			k.secret("notify.email", e.SMTP.Password)
		}
		k.readable("notify.email", e.SMTP.RootsFile)
		k.program("notify.email", e.Sendmail.Args, "")
	}
	if w := n.Webhook; w != nil {
		k.secret("notify.webhook", w.URL)
		if !w.Key.IsZero() {
			k.secret("notify.webhook", w.Key)
		}
		k.readable("notify.webhook", w.RootsFile)
	}
	if c := n.Command; c != nil {
		k.program("notify.command", c.Command.Args, c.User)
	}
}
