package verify

import "strings"

// ftp asks by RFC 4217 section 4.
func (d *dialogue) ftp() {
	d.ftpReply("220")
	d.say("AUTH TLS\r\n")
	d.ftpReply("234")
}

// ftpReply reads an answer of FTP, RFC 959 section 4.2: between its first line,
// "220-…", and its last, "220 …", anything may stand.
func (d *dialogue) ftpReply(code string) {
	line := d.line()
	if !strings.HasPrefix(line, code+"-") {
		d.ftpLast(line, code)
		return
	}
	for range maxLines {
		if line = d.line(); d.err != nil || strings.HasPrefix(line, code+" ") {
			return
		}
	}
	d.fail("an answer without end")
}

// ftpLast has to be the only line of an answer. Some servers leave out the
// space where no text follows.
func (d *dialogue) ftpLast(line, code string) {
	if line != code && !strings.HasPrefix(line, code+" ") {
		d.fail(line)
	}
}
