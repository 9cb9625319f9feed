package verify

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Types of records, RFC 8446 section 5.1.
const (
	recordChange      = 20 // change_cipher_spec, which means nothing in TLS 1.3
	recordAlert       = 21
	recordHandshake   = 22
	recordApplication = 23
)

const (
	maxRecord    = 1<<14 + 256 // bytes
	maxHandshake = 256 << 10   // bytes in all: chains are some KiB
	maxEmpty     = 32          // records that bring nothing
)

// channel carries messages in records, in plain text until it has keys.
type channel struct {
	conn       net.Conn
	buffered   *bufio.Reader
	in, out    *half
	pending    []byte // of a message, or more than one
	transcript []byte // of all messages: ours and theirs, without records
}

func newChannel(conn net.Conn) *channel {
	return &channel{conn: conn, buffered: bufio.NewReader(conn)}
}

// sayHello sends our first message.
func (c *channel) sayHello(message []byte) error {
	c.transcript = append(c.transcript, message...)
	head := []byte{recordHandshake, 3, 1, byte(len(message) >> 8), byte(len(message))}
	_, err := c.conn.Write(append(head, message...))
	return err
}

// say sends a record under our keys.
func (c *channel) say(kind byte, text []byte) error {
	_, err := c.conn.Write(c.out.seal(kind, text))
	return err
}

// expect reads a message of one type.
func (c *channel) expect(kind byte) ([]byte, error) {
	got, body, err := c.message()
	if err == nil && got != kind {
		return nil, fmt.Errorf("message %d of TLS 1.3 in place of %d", got, kind)
	}
	return body, err
}

// message reads a message of the handshake.
func (c *channel) message() (kind byte, body []byte, err error) {
	for empty := 0; ; {
		if len(c.pending) >= 4 {
			end := 4 + int(c.pending[1])<<16 + int(c.pending[2])<<8 + int(c.pending[3])
			if len(c.transcript)+end > maxHandshake {
				return 0, nil, errors.New("a handshake without end")
			}
			if len(c.pending) >= end {
				whole := c.pending[:end:end]
				c.pending = c.pending[end:]
				c.transcript = append(c.transcript, whole...)
				return whole[0], whole[4:], nil
			}
		}
		kind, text, err := c.record()
		switch {
		case err != nil:
			return 0, nil, err
		case kind == recordAlert && len(text) == 2:
			return 0, nil, tls.AlertError(text[1])
		case kind == recordHandshake && len(text) > 0:
			c.pending = append(c.pending, text...)
			continue
		case kind != recordChange:
			return 0, nil, errors.New("its answer is not TLS 1.3")
		}
		if empty++; empty > maxEmpty {
			return 0, nil, errors.New("a handshake without end")
		}
	}
}

// record reads one record. Under keys plain text is none, but for what means
// nothing.
func (c *channel) record() (kind byte, text []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(c.buffered, head); err != nil {
		return 0, nil, err
	}
	size := int(head[3])<<8 | int(head[4])
	if head[1] != 3 || size > maxRecord {
		return 0, nil, errors.New("its answer is not TLS")
	}
	text = make([]byte, size)
	if _, err := io.ReadFull(c.buffered, text); err != nil {
		return 0, nil, err
	}
	if c.in == nil || head[0] == recordChange {
		return head[0], text, nil
	}
	if head[0] != recordApplication {
		return 0, nil, errors.New("it went on in plain text")
	}
	return c.in.open(head, text)
}

// half is one direction under keys.
type half struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64 // of the next record
}

// nonce is that of the next record, RFC 8446 section 5.3.
func (h *half) nonce() []byte {
	nonce := slices.Clone(h.iv)
	for i := range 8 {
		nonce[len(nonce)-1-i] ^= byte(h.seq >> (8 * i))
	}
	h.seq++
	return nonce
}

// open decrypts a record: text, its real type, and padding.
func (h *half) open(head, sealed []byte) (kind byte, text []byte, err error) {
	text, err = h.aead.Open(nil, h.nonce(), sealed, head)
	if err != nil {
		return 0, nil, fmt.Errorf("open a record: %w", err)
	}
	text = bytes.TrimRight(text, "\x00")
	if len(text) == 0 {
		return 0, nil, errors.New("a record without a type")
	}
	return text[len(text)-1], text[:len(text)-1], nil
}

func (h *half) seal(kind byte, text []byte) []byte {
	size := len(text) + 1 + h.aead.Overhead()
	head := []byte{recordApplication, 3, 3, byte(size >> 8), byte(size)}
	return h.aead.Seal(head, h.nonce(), append(slices.Clone(text), kind), head)
}
