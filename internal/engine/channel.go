package engine

import (
	"crypto/x509"
	"os"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/notify"
)

// sender is who brings messages over a channel of the config. Its secrets are
// read when a message is sent.
func sender(cfg *config.Config, channel string, n network.Network, userAgent string) (notify.Sender, error) {
	switch channel {
	case config.ChannelEmail:
		return mailSender(cfg.Notify.Email, n)
	case config.ChannelWebhook:
		w := cfg.Notify.Webhook
		roots, err := rootsAt(w.RootsFile)
		if err != nil {
			return nil, err
		}
		s := notify.Webhook{URL: w.URL.Read, Roots: roots, Timeout: w.Timeout, Network: n, UserAgent: userAgent}
		if !w.Key.IsZero() {
			s.Key = w.Key.Read
		}
		return s, nil
	default:
		c := cfg.Notify.Command
		return notify.Program{Arguments: c.Arguments, Command: command.Command{
			Args: c.Command.Args, Shell: c.Command.Shell, User: c.User, Timeout: c.Timeout,
		}}, nil
	}
}

func mailSender(e *config.Email, n network.Network) (notify.Sender, error) {
	roots, err := rootsAt(e.SMTP.RootsFile)
	if err != nil {
		return nil, err
	}
	s := notify.Mail{
		From: e.From, To: e.To, Server: e.SMTP.Server, TLS: e.SMTP.TLS, Roots: roots,
		User: e.SMTP.User, Password: e.SMTP.Password.Read, Sendmail: e.Sendmail.Args, Network: n,
	}
	if s.From == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		s.From = "certkeep@" + host
	}
	return s, nil
}

// rootsAt reads the roots that a server is trusted by; nil are the system's.
func rootsAt(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	return readRoots(path)
}
