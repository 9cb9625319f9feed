package verify

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

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

// smtp asks by RFC 3207, where the server offers it.
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

// imap asks by RFC 3501 section 6.2.1.
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

// pop3 asks by RFC 2595 section 4.
func (d *dialogue) pop3() {
	d.hear("+OK")
	d.say("STLS\r\n")
	d.hear("+OK")
}

// sieve asks by RFC 5804: the server greets with its capabilities, one a line,
// and OK.
func (d *dialogue) sieve() {
	offered := false
	for _, capability := range d.sieveLines() {
		name, _, _ := strings.Cut(capability, " ")
		offered = offered || strings.EqualFold(name, `"STARTTLS"`)
	}
	if d.err == nil && !offered {
		d.err = fmt.Errorf("%w: the server does not offer STARTTLS", errAnswer)
	}
	d.say("STARTTLS\r\n")
	d.sieveLines()
}

// sieveLines reads lines up to and without OK, which ends an answer that is
// none of NO and BYE (RFC 5804 section 1.3).
func (d *dialogue) sieveLines() []string {
	var lines []string
	for range maxLines {
		line := d.sieveLine()
		if d.err != nil {
			return nil
		}
		word, _, _ := strings.Cut(line, " ")
		if strings.EqualFold(word, "OK") {
			return lines
		}
		if !strings.HasPrefix(word, `"`) {
			d.fail(line)
			return nil
		}
		lines = append(lines, line)
	}
	d.fail("an answer without end")
	return nil
}

// sieveLine reads a line with the literals in it: "{3}", a line's end, and
// three bytes (RFC 5804 section 4).
func (d *dialogue) sieveLine() string {
	line := d.line()
	for range maxLines {
		open := strings.LastIndexByte(line, '{')
		if d.err != nil || open < 0 || !strings.HasSuffix(line, "}") {
			return line
		}
		size, err := strconv.ParseUint(line[open+1:len(line)-1], 10, 32)
		if err != nil {
			return line // a quoted text that looks a little like it
		}
		if size > maxLine {
			d.fail("an endless text")
			return ""
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(d.in, literal); err != nil {
			d.err = fmt.Errorf("read an answer: %w", err)
			return ""
		}
		line = line[:open] + string(literal) + d.line()
	}
	d.fail("an answer without end")
	return ""
}
