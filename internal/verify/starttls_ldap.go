package verify

import (
	"fmt"
	"io"
)

// What is sent is fixed. BER as RFC 4511 section 5.1 restricts it: a tag, a
// length, and the contents.
const (
	// ldapStartTLS is message 1, an ExtendedRequest (tag 0x77) whose only field
	// is the name of StartTLS.
	ldapStartTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	ldapUnbind   = "\x30\x05\x02\x01\x02\x42\x00" // message 2, an UnbindRequest
)

// Tags of what is read.
const (
	berInteger    = 0x02
	berOctets     = 0x04
	berEnumerated = 0x0a
	berSequence   = 0x30
	ldapExtended  = 0x78 // ExtendedResponse
)

// ldap asks by RFC 4511 section 4.14.
func (d *dialogue) ldap() {
	d.say(ldapStartTLS)
	if d.err != nil {
		return
	}
	message, err := readBER(d.in, berSequence)
	if err != nil {
		d.err = fmt.Errorf("read an answer: %w", err)
		return
	}
	id, rest, ok := cutBER(message, berInteger)
	response, _, ok2 := cutBER(rest, ldapExtended)
	code, rest, ok3 := cutBER(response, berEnumerated)
	_, rest, ok4 := cutBER(rest, berOctets) // the matched name
	words, _, ok5 := cutBER(rest, berOctets)
	switch {
	case !ok || !ok2 || !ok3 || !ok4 || !ok5 || len(code) != 1:
		d.fail("no response to StartTLS")
	case string(id) != "\x01":
		// Message 0 comes unasked, before the server hangs up.
		d.fail(fmt.Sprintf("a message that answers nothing: %s", words))
	case code[0] != 0:
		d.fail(fmt.Sprintf("result %d: %s", code[0], words))
	}
}

// readBER reads one element with a tag, and not a byte more.
func readBER(in io.Reader, tag byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	if head[0] != tag {
		return nil, fmt.Errorf("%w: it is not LDAP", errAnswer)
	}
	size := int(head[1])
	if size >= 0x80 {
		more := make([]byte, size&0x7f)
		if len(more) == 0 || len(more) > 4 {
			return nil, fmt.Errorf("%w: a length of %d bytes", errAnswer, len(more))
		}
		if _, err := io.ReadFull(in, more); err != nil {
			return nil, err
		}
		size = berSize(more)
	}
	if size > maxLine {
		return nil, fmt.Errorf("%w: a message of %d bytes", errAnswer, size)
	}
	contents := make([]byte, size)
	_, err := io.ReadFull(in, contents)
	return contents, err
}

// cutBER takes the first element, which has to have that tag, from others. A
// length may be written with more bytes than it needs: Active Directory does.
func cutBER(from []byte, tag byte) (contents, rest []byte, ok bool) {
	if len(from) < 2 || from[0] != tag {
		return nil, nil, false
	}
	size, rest := int(from[1]), from[2:]
	if size >= 0x80 {
		n := size & 0x7f
		if n == 0 || n > 4 || n > len(rest) {
			return nil, nil, false
		}
		size, rest = berSize(rest[:n]), rest[n:]
	}
	if size > len(rest) {
		return nil, nil, false
	}
	return rest[:size], rest[size:], true
}

// berSize is a length of up to four bytes.
func berSize(b []byte) int {
	var size uint32
	for _, digit := range b {
		size = size<<8 | uint32(digit)
	}
	return int(min(size, 1<<30)) // an int may have 32 bits
}
