package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/certkeep/certkeep/internal/command"
)

const (
	maxLine  = 2 << 10 // bytes; RFC 5321 allows 512, and some servers are talkative
	maxLines = 100     // of one answer
)

// The ways to ask for TLS.
const (
	smtp       = "smtp"        // RFC 3207
	imap       = "imap"        // RFC 3501 section 6.2.1
	pop3       = "pop3"        // RFC 2595 section 4
	sieve      = "sieve"       // RFC 5804 section 2.2
	ftp        = "ftp"         // RFC 4217 section 4
	xmpp       = "xmpp"        // RFC 6120 section 5, as a client
	xmppServer = "xmpp-server" // the same, as another server
	ldap       = "ldap"        // RFC 4511 section 4.14
	postgres   = "postgres"    // PostgreSQL's SSLRequest
)

// startTLS speaks a protocol up to the point where TLS begins. In some of them
// the name that is asked for is said in plain text already.
func startTLS(conn net.Conn, protocol, name string) error {
	d := &dialogue{conn: conn, in: bufio.NewReaderSize(conn, maxLine)}
	switch protocol {
	case "":
		return nil
	case smtp:
		d.smtp()
	case imap:
		d.imap()
	case pop3:
		d.pop3()
	case sieve:
		d.sieve()
	case ftp:
		d.ftp()
	case xmpp:
		d.xmpp("jabber:client", name)
	case xmppServer:
		d.xmpp("jabber:server", name)
	case ldap:
		d.ldap()
	case postgres:
		d.postgres()
	default:
		return fmt.Errorf("%q is no known protocol", protocol)
	}
	if d.err == nil && d.in.Buffered() > 0 {
		// Somebody put words in between that would count as said under TLS.
		return errors.New("the server went on in plain text")
	}
	return d.err
}

// goodbye ends the protocol, so that servers do not log a lost connection. An
// error does not matter any more.
func goodbye(w io.Writer, protocol string) {
	farewell := map[string]string{
		smtp: "QUIT\r\n", imap: "b LOGOUT\r\n", pop3: "QUIT\r\n", sieve: "LOGOUT\r\n", ftp: "QUIT\r\n",
		ldap: ldapUnbind, postgres: "X\x00\x00\x00\x04",
	}[protocol]
	if farewell != "" {
		_, _ = io.WriteString(w, farewell)
	}
}

// dialogue is a conversation in plain text, until the first error.
type dialogue struct {
	conn net.Conn
	in   *bufio.Reader
	err  error
}

var errAnswer = errors.New("unexpected answer")

func (d *dialogue) say(text string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.conn, text)
	}
}

// line reads one line, without its end.
func (d *dialogue) line() string {
	if d.err != nil {
		return ""
	}
	line, err := d.in.ReadSlice('\n')
	if err != nil {
		d.err = fmt.Errorf("read an answer: %w", err)
		return ""
	}
	return strings.TrimRight(string(line), "\r\n")
}

// hear reads one line that has to begin with prefix.
func (d *dialogue) hear(prefix string) {
	if line := d.line(); !strings.HasPrefix(line, prefix) {
		d.fail(line)
	}
}

func (d *dialogue) fail(line string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errAnswer, command.Escape(line))
	}
}
