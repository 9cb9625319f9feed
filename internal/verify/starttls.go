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
	smtp     = "smtp"     // RFC 3207
	imap     = "imap"     // RFC 3501 section 6.2.1
	pop3     = "pop3"     // RFC 2595 section 4
	postgres = "postgres" // PostgreSQL's SSLRequest
)

// startTLS speaks a protocol up to the point where TLS begins.
func startTLS(conn net.Conn, protocol string) error {
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
	farewell := map[string]string{smtp: "QUIT\r\n", imap: "b LOGOUT\r\n", pop3: "QUIT\r\n", postgres: "X\x00\x00\x00\x04"}[protocol]
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

// reply reads an answer of SMTP, RFC 5321 section 4.2.1, and returns the texts
// of its lines.
func (d *dialogue) reply(code string) []string {
	var texts []string
	for range maxLines {
		line := d.line()
		if d.err != nil {
			return nil
		}
		text, ok := strings.CutPrefix(line, code)
		if !ok {
			d.fail(line)
			return nil
		}
		texts = append(texts, strings.TrimLeft(text, "- "))
		if !strings.HasPrefix(text, "-") {
			return texts
		}
	}
	d.fail("an answer without end")
	return nil
}

func (d *dialogue) smtp() {
	d.reply("220")
	d.say("EHLO localhost\r\n")
	offered := false
	for _, extension := range d.reply("250") {
		offered = offered || strings.EqualFold(extension, "STARTTLS")
	}
	if d.err == nil && !offered {
		d.err = fmt.Errorf("%w: the server does not offer STARTTLS", errAnswer)
	}
	d.say("STARTTLS\r\n")
	d.reply("220")
}

func (d *dialogue) imap() {
	d.hear("* OK")
	d.say("a STARTTLS\r\n")
	for range maxLines {
		line := d.line()
		if d.err != nil || strings.HasPrefix(line, "a OK") {
			return
		}
		if !strings.HasPrefix(line, "* ") { // untagged news may come at any time
			d.fail(line)
			return
		}
	}
	d.fail("an answer without end")
}

func (d *dialogue) pop3() {
	d.hear("+OK")
	d.say("STLS\r\n")
	d.hear("+OK")
}

func (d *dialogue) postgres() {
	d.say("\x00\x00\x00\x08\x04\xd2\x16\x2f")
	if d.err != nil {
		return
	}
	answer, err := d.in.ReadByte()
	switch {
	case err != nil:
		d.err = fmt.Errorf("read an answer: %w", err)
	case answer == 'N':
		d.err = fmt.Errorf("%w: the server has TLS turned off", errAnswer)
	case answer != 'S':
		d.fail(string(rune(answer)))
	}
}
