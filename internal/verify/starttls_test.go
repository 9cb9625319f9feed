package verify

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// script plays a server's part: "< text" is heard, "> text" is said, each
// a line; "tls" begins TLS; "<< text" is heard inside.
func script(t *testing.T, config *tls.Config, lines []string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for _, line := range lines {
			what, text, _ := strings.Cut(line, " ")
			switch what {
			case ">":
				if _, err := io.WriteString(conn, text); err != nil {
					return
				}
			case "<", "<<":
				got := make([]byte, len(text))
				if _, err := io.ReadFull(in, got); err != nil {
					return // the client gave up
				}
				if string(got) != text {
					t.Errorf("heard %q instead of %q", got, text)
				}
			case "tls":
				server := tls.Server(conn, config)
				if err := server.HandshakeContext(t.Context()); err != nil {
					t.Error(err)
					return
				}
				conn, in = server, bufio.NewReader(server)
			}
		}
	}
}

// exchange is what is said on a connection, and what is made of it.
type exchange struct {
	name, protocol string
	lines          []string
	verdict        plan.Verdict
}

func (x exchange) try(t *testing.T, config *tls.Config, want Want) {
	played := make(chan struct{})
	address := plain(t, func(conn net.Conn) {
		defer close(played)
		script(t, config, x.lines)(conn)
	})
	got := Check(t.Context(), Endpoint{Addresses: []string{address}, ServerName: "mail.example.test", StartTLS: x.protocol}, want)
	<-played
	if got.Verdict != x.verdict {
		t.Errorf("got %+v", got)
	}
}

// The dialogues are those of Postfix, Dovecot, vsftpd, slapd, Prosody and
// PostgreSQL.
func TestStartTLS(t *testing.T) {
	p := newAuthority(t).issue(t, "ecdsa-p256", "mail.example.test")
	config := &tls.Config{Certificates: []tls.Certificate{p.tls(p.chain.Certs...)}}
	for _, family := range [][]exchange{smtpExchanges(), mailExchanges(), sieveExchanges(), ftpExchanges(), xmppExchanges(), ldapExchanges(), postgresExchanges()} {
		for _, x := range family {
			t.Run(x.name, func(t *testing.T) { x.try(t, config, Want{"ecdsa-p256": p.chain}) })
		}
	}
}

func smtpExchanges() []exchange {
	const hello, ehlo = "> 220 mail.example.test ESMTP Postfix\r\n", "< EHLO localhost\r\n"
	return []exchange{
		{"smtp", smtp, []string{
			"> 220-mail.example.test ESMTP\r\n220 ready\r\n", ehlo, "> 250-mail.example.test\r\n250-SIZE 10240000\r\n250-starttls\r\n250 CHUNKING\r\n",
			"< STARTTLS\r\n", "> 220 2.0.0 Ready to start TLS\r\n", "tls", "<< QUIT\r\n",
		}, plan.VerdictRight},
		{"smtp, last line offers", smtp, []string{hello, ehlo, "> 250-x\r\n250 STARTTLS\r\n", "< STARTTLS\r\n", "> 220 go\r\n", "tls"}, plan.VerdictRight},
		{"smtp, not offered", smtp, []string{hello, ehlo, "> 250-x\r\n250 NOSTARTTLS\r\n"}, plan.VerdictUnknown},
		{"smtp, no key", smtp, []string{hello, ehlo, "> 250-x\r\n250 STARTTLS\r\n", "< STARTTLS\r\n", "> 454 4.7.0 TLS not available\r\n"}, plan.VerdictUnknown},
		{"smtp, busy", smtp, []string{"> 421 too busy\r\n"}, plan.VerdictUnknown},
		{"smtp, injected", smtp, []string{hello, ehlo, "> 250 STARTTLS\r\n", "< STARTTLS\r\n", "> 220 go\r\n250 injected\r\n"}, plan.VerdictUnknown},
		{"smtp, endless", smtp, []string{"> " + strings.Repeat("220-x\r\n", maxLines+1)}, plan.VerdictUnknown},
		{"smtp, long line", smtp, []string{"> 220 " + strings.Repeat("x", maxLine) + "\r\n"}, plan.VerdictUnknown},
	}
}

func mailExchanges() []exchange {
	return []exchange{
		{"imap", imap, []string{
			"> * OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.\r\n", "< a STARTTLS\r\n", "> * CAPABILITY x\r\na OK Begin TLS negotiation now.\r\n", "tls", "<< b LOGOUT\r\n",
		}, plan.VerdictRight},
		{"imap, refused", imap, []string{"> * OK\r\n", "< a STARTTLS\r\n", "> a BAD no\r\n"}, plan.VerdictUnknown},
		{"imap, bye", imap, []string{"> * BYE\r\n"}, plan.VerdictUnknown},
		{"pop3", pop3, []string{"> +OK Dovecot ready.\r\n", "< STLS\r\n", "> +OK Begin TLS negotiation now.\r\n", "tls", "<< QUIT\r\n"}, plan.VerdictRight},
		{"pop3, refused", pop3, []string{"> +OK\r\n", "< STLS\r\n", "> -ERR\r\n"}, plan.VerdictUnknown},
	}
}

func postgresExchanges() []exchange {
	return []exchange{
		{"postgres", postgres, []string{"< \x00\x00\x00\x08\x04\xd2\x16\x2f", "> S", "tls", "<< X\x00\x00\x00\x04"}, plan.VerdictRight},
		{"postgres, off", postgres, []string{"< \x00\x00\x00\x08\x04\xd2\x16\x2f", "> N"}, plan.VerdictUnknown},
		{"postgres, error", postgres, []string{"< \x00\x00\x00\x08\x04\xd2\x16\x2f", "> E"}, plan.VerdictUnknown},
		{"postgres, injected", postgres, []string{"< \x00\x00\x00\x08\x04\xd2\x16\x2f", "> Sx"}, plan.VerdictUnknown},
		{"unknown", "gopher", nil, plan.VerdictUnknown},
	}
}

func FuzzStartTLS(f *testing.F) {
	f.Add("220 x\r\n250 STARTTLS\r\n220 go\r\n", smtp)
	f.Add("220-x\r\n220 y\r\n250-STARTTLS\r\n250 z\r\n454 no\r\n", smtp)
	f.Add("* OK\r\n* x\r\na OK\r\n", imap)
	f.Add("+OK\r\n-ERR\x1b\r\n", pop3)
	f.Add("S", postgres)
	f.Add("\"STARTTLS\"\r\n\"X\" {3}\r\na\r\n\r\nOK \"x\"\r\nOK {2}\r\nxx\r\n", sieve)
	f.Add("\"STARTTLS\"\r\nOK\r\nNO {4000000000}\r\n\x1b", sieve)
	f.Add("220-a\r\n221 b\r\n220 c\r\n234\r\n", ftp)
	f.Add("220\r\n530 \x1b[2J\r\n", ftp)
	f.Add(prosodyGreets+prosodyOffers+prosodyProceeds, xmpp)
	f.Add(prosodyGreets+"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", xmppServer)
	f.Add("<!DOCTYPE x [<!ENTITY a '\x1b'>]><x>&a;</x>", xmpp)
	f.Add("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", ldap)
	f.Add("\x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\xff\xff\xff\xff\x0a\x01\x35\x04\x00\x04\x03\x1b[J", ldap)
	f.Fuzz(func(t *testing.T, says, protocol string) {
		if err := startTLS(&mute{Reader: strings.NewReader(says)}, protocol, "chat.example.test' x='"); err != nil {
			if errors.Is(err, errAnswer) && strings.ContainsAny(fmt.Sprint(err), "\x1b\r\n\x00") {
				t.Errorf("%q can steer a terminal", err)
			}
		}
	})
}

// mute is a connection whose other side says its text and does not listen.
type mute struct {
	net.Conn
	io.Reader
}

func (m *mute) Read(p []byte) (int, error)  { return m.Reader.Read(p) }
func (m *mute) Write(p []byte) (int, error) { return len(p), nil }
