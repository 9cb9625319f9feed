package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os/exec"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// How a mail server is spoken to.
const (
	TLSStart    = "starttls" // plain at first, and not a word more without STARTTLS (RFC 3207)
	TLSImplicit = "implicit" // RFC 8314
	TLSNone     = "none"
)

// Mail sends e-mail, by a mail server or by a local program.
type Mail struct {
	From     string
	To       []string
	Server   string // host and port; "" where Sendmail is used
	TLS      string
	Roots    *x509.CertPool // nil: the system's
	User     string         // "" sends without AUTH
	Password func() ([]byte, error)
	All      bool     // nobody gets it where the server refuses somebody
	Sendmail []string // a program with arguments, as sendmail takes them
	Timeout  time.Duration
	Network  network.Network
}

// Send implements [Sender].
func (s Mail) Send(ctx context.Context, m plan.Message) error {
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if len(s.Sendmail) > 0 {
		return s.pipe(ctx, m)
	}
	doing := "send an e-mail by " + s.Server
	var used connection
	defer used.close() // which the library leaves open where the server refuses to go on
	client, err := s.client(&used)
	if err != nil {
		return refused(doing, err)
	}
	if unknown, err := s.hand(ctx, client, m); err != nil {
		return &Error{Words: doing + ": " + oneLine(err.Error()), Unknown: unknown}
	}
	return nil
}

// hand gives the mail to the server, for those recipients whom it takes, and
// tells them who the others are: a mailbox that is gone must not silence
// everybody. Unknown says that the mail was on its way when it failed, and not
// by an answer of the server.
func (s Mail) hand(ctx context.Context, client *mail.Client, m plan.Message) (unknown bool, err error) {
	msg, err := s.message(m)
	if err != nil {
		return false, err
	}
	server, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return false, err
	}
	// A good-bye that fails is nobody's trouble: the mail was taken or refused by then.
	defer func() { _ = client.CloseWithSMTPClient(server) }()
	refused, err := s.envelope(server, msg)
	if err != nil {
		return false, err
	}
	if len(refused) > 0 {
		text := Text(m) + "\nThe mail server refused some recipients of this:\n  " + strings.Join(refused, "\n  ") + "\n"
		msg.SetBodyString(mail.TypeTextPlain, text)
	}
	var text bytes.Buffer // half a mail must not be sent
	if _, err := msg.WriteTo(&text); err != nil {
		return false, fmt.Errorf("write it: %w", err)
	}
	to, err := server.Data()
	if err != nil {
		return false, fmt.Errorf("DATA: %w", err)
	}
	if _, err = text.WriteTo(to); err == nil {
		err = to.Close()
	}
	return err != nil && !answered(err), err
}

// envelope tells the server from whom and for whom a mail is. It returns whom
// the server does not take, and why; where it takes nobody, that is an error.
func (s Mail) envelope(server *smtp.Client, msg *mail.Msg) (refused []string, err error) {
	from, err := msg.GetSender(false)
	if err != nil {
		return nil, err
	}
	to, err := msg.GetRecipients()
	if err != nil {
		return nil, err
	}
	if err := server.Mail(from); err != nil {
		return nil, fmt.Errorf("MAIL FROM %s: %w", from, err)
	}
	for _, each := range to {
		err := server.Rcpt(each)
		if err != nil && !answered(err) {
			return nil, fmt.Errorf("RCPT TO %s: %w", each, err)
		}
		if err != nil {
			refused = append(refused, oneLine(each+": "+err.Error()))
		}
	}
	if len(refused) == len(to) || s.All && len(refused) > 0 {
		return nil, errors.New("RCPT TO " + strings.Join(refused, "; "))
	}
	return refused, nil
}

// answered reports whether an error is what the server said.
func answered(err error) bool {
	_, ok := errors.AsType[*textproto.Error](err)
	return ok
}

// message is the e-mail (RFC 5322). Its Message-ID is made of the message's
// own id, so that mail programs see a repeated one for what it is.
func (s Mail) message(m plan.Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP), mail.WithNoDefaultUserAgent())
	if err := msg.From(s.From); err != nil {
		return nil, err
	}
	if err := msg.To(s.To...); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(strings.Trim(s.From, "<> "), "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(m.At)
	msg.Subject(Subject(m))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	msg.SetBodyString(mail.TypeTextPlain, Text(m))
	return msg, nil
}

// client is a connection to be made to the mail server.
func (s Mail) client(used *connection) (*mail.Client, error) {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil {
		return nil, err
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
	policy := mail.NoTLS
	if s.TLS == TLSStart {
		policy = mail.TLSMandatory
	}
	options := []mail.Option{
		mail.WithPort(number), mail.WithTimeout(s.Timeout), mail.WithTLSConfig(config), mail.WithTLSPolicy(policy),
		mail.WithDialContextFunc(s.dial(config, used)),
	}
	if s.User != "" {
		password, err := s.Password()
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithUsername(s.User), mail.WithPassword(string(password)), mail.WithOpportunisticSMTPAuth(
			mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5,
		))
	}
	return mail.NewClient(host, options...)
}

// connection is the one that a mail went over.
type connection struct{ conn net.Conn }

// close closes it; what was closed already stays so.
func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // the mail was taken or refused by then
	}
}

// dial connects to the mail server, at once under TLS where that is asked for.
func (s Mail) dial(config *tls.Config, used *connection) mail.DialContextFunc {
	through := s.Network
	if through == nil {
		through = network.OS{}
	}
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		conn, err := through.DialContext(ctx, kind, address)
		used.conn = conn
		if err != nil || s.TLS != TLSImplicit {
			return conn, err
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return secured, nil
	}
}

// pipe hands the e-mail to a local program.
func (s Mail) pipe(ctx context.Context, m plan.Message) error {
	msg, err := s.message(m)
	if err != nil {
		return refused("write an e-mail", err)
	}
	var text bytes.Buffer
	if _, err := msg.WriteTo(&text); err != nil {
		return refused("write an e-mail", err)
	}
	// sendmail takes lines as the system writes them. -i: a lone dot is no end.
	stdin := bytes.ReplaceAll(text.Bytes(), []byte("\r\n"), []byte("\n"))
	args := append(append([]string{}, s.Sendmail...), "-i", "-f", s.From, "--")
	c := command.Command{Args: append(args, s.To...), Stdin: stdin, Timeout: s.Timeout}
	return run(ctx, c, "send an e-mail")
}

// run runs a program that an administrator named; others must not have been
// able to write it.
func run(ctx context.Context, c command.Command, doing string) error {
	err := c.Trusted()
	var result command.Result
	if err == nil {
		result, err = command.Run(ctx, c)
	}
	if err == nil {
		return nil
	}
	failed := &Error{Words: fmt.Sprintf("%s: %v", doing, err), Detail: command.Tail(append(result.Stdout, result.Stderr...), 10, 500), Err: err}
	if e, ok := errors.AsType[*command.Error](err); ok {
		failed.Words = doing + ": " + e.What()
		_, ended := errors.AsType[*exec.ExitError](e.Err)
		failed.Unknown = e.TimedOut || ended && e.Code < 0 // it was killed
	}
	return failed
}
