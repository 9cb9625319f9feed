package verify

import "fmt"

// postgres sends an SSLRequest: length and request code. The answer is one byte.
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
