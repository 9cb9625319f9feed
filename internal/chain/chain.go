// Package chain reads certificate chains and turns them into facts.
//
// Call Parse first, then Check before a chain is kept, and Facts for all that
// is remembered of it. The text may come from a CA or from a foreign file and
// is not trusted: its size is bounded, and anything in it that is not a
// certificate is an error that says what was found.
package chain

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The bounds of Parse. Public chains have two to four certificates of about
// two KiB; one with a hundred names has about five.
const (
	MaxCertificates = 10
	MaxBytes        = 64 << 10
)

// Chain is a certificate and those that lead from it towards a root, the
// leaf first. It is never empty when it comes from Parse.
type Chain struct {
	Certs []*x509.Certificate
}

// Parse reads a chain in PEM as RFC 8555 section 9.1 describes it: only
// CERTIFICATE blocks, nothing between or behind them but blanks. It looks at
// form alone; whether the chain is the wanted one is for Check to say.
func Parse(text []byte) (Chain, error) {
	if len(text) > MaxBytes {
		return Chain{}, fmt.Errorf("read chain: %d bytes are too many (at most %d)", len(text), MaxBytes)
	}
	var c Chain
	for rest := bytes.TrimSpace(text); len(rest) > 0; {
		n := len(c.Certs) + 1
		if n > MaxCertificates {
			return Chain{}, fmt.Errorf("read chain: more than %d certificates", MaxCertificates)
		}
		block, after, err := nextBlock(rest)
		if err != nil {
			return Chain{}, fmt.Errorf("read chain: at certificate %d: %w", n, err)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Chain{}, fmt.Errorf("read chain: certificate %d: %w", n, err)
		}
		c.Certs = append(c.Certs, cert)
		rest = bytes.TrimSpace(after)
	}
	if len(c.Certs) == 0 {
		return Chain{}, errors.New("read chain: it is empty")
	}
	return c, nil
}

// nextBlock reads the block at the very start of text. The standard decoder
// alone would silently skip whatever it does not understand.
func nextBlock(text []byte) (block *pem.Block, rest []byte, err error) {
	begin := []byte("-----BEGIN ")
	if !bytes.HasPrefix(text, begin) {
		return nil, nil, errors.New("found text that is no PEM block")
	}
	block, rest = pem.Decode(text)
	// Two beginnings in what was consumed: the decoder gave up on the first
	// block and went on to a later one.
	if block == nil || bytes.Count(text[:len(text)-len(rest)], begin) != 1 {
		return nil, nil, errors.New("the PEM block is damaged or cut off")
	}
	if block.Type != "CERTIFICATE" {
		return nil, nil, fmt.Errorf("found a PEM block of type %q", block.Type)
	}
	return block, rest, nil
}

// Split cuts the text of a chain behind its first certificate, without looking
// at what either part says.
func Split(text []byte) (leaf, rest []byte, err error) {
	text = bytes.TrimSpace(text)
	_, rest, err = nextBlock(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read chain: %w", err)
	}
	return text[:len(text)-len(rest)], rest, nil
}

// Leaf is the certificate itself.
func (c Chain) Leaf() *x509.Certificate { return c.Certs[0] }

// PEM is the whole chain, the leaf first.
func (c Chain) PEM() []byte { return encode(c.Certs) }

// LeafPEM is the certificate without the rest.
func (c Chain) LeafPEM() []byte { return encode(c.Certs[:1]) }

// RestPEM is the chain without the certificate; it is empty where the leaf
// stands alone.
func (c Chain) RestPEM() []byte { return encode(c.Certs[1:]) }

// encode writes certificates as PEM, one block after the other.
func encode(certs []*x509.Certificate) []byte {
	var b []byte
	for _, cert := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return b
}
