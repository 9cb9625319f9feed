package verify

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// maxStream is how many bytes of XML a server may say before TLS.
const maxStream = 64 << 10

const (
	streamSpace = "http://etherx.jabber.org/streams"
	tlsSpace    = "urn:ietf:params:xml:ns:xmpp-tls"
)

// xmpp asks by RFC 6120 section 5.4. The stream is opened to the name, which
// stands for the domain: a server chooses its certificate by it.
func (d *dialogue) xmpp(space, name string) {
	d.say("<?xml version='1.0'?><stream:stream xmlns='" + space + "' xmlns:stream='" + streamSpace +
		"' to='" + attribute(name) + "' version='1.0'>")
	// The decoder reads byte by byte from what can give single bytes, so that
	// nothing after the last ">" is taken.
	in := &bounded{in: d.in, left: maxStream}
	s := &stream{dialogue: d, in: xml.NewDecoder(in), bound: in}
	s.open()
	offered := false
	s.within(func(child xml.Name) { offered = offered || child == xml.Name{Space: tlsSpace, Local: "starttls"} })
	if d.err == nil && !offered {
		d.err = fmt.Errorf("%w: the server does not offer STARTTLS", errAnswer)
	}
	d.say("<starttls xmlns='" + tlsSpace + "'/>")
	if answer := s.start(); d.err == nil && answer != (xml.Name{Space: tlsSpace, Local: "proceed"}) {
		d.fail("a " + answer.Local)
	}
	s.skip()
}

// attribute escapes a text for an attribute of XML.
func attribute(text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // a Builder takes everything
	return escaped.String()
}

// stream is the XML that a server says.
type stream struct {
	*dialogue
	in    *xml.Decoder
	bound *bounded
}

// start reads up to the next start of an element.
func (s *stream) start() xml.Name {
	for s.err == nil {
		switch t := s.token().(type) {
		case xml.StartElement:
			return t.Name
		case xml.EndElement:
			s.fail("the stream ended")
		}
	}
	return xml.Name{}
}

// open reads the stream's head and the start of its features.
func (s *stream) open() {
	if head := s.start(); s.err == nil && head != (xml.Name{Space: streamSpace, Local: "stream"}) {
		s.fail("no stream of XMPP, but " + head.Local)
	}
	features := s.start()
	if s.err == nil && features == (xml.Name{Space: streamSpace, Local: "error"}) {
		condition := s.start() // RFC 6120 section 4.9.2
		s.fail("the server does not serve this name or client: " + condition.Local)
	}
	if s.err == nil && features != (xml.Name{Space: streamSpace, Local: "features"}) {
		s.fail("no features, but " + features.Local)
	}
}

// within reads the rest of an element, and calls see with each child.
func (s *stream) within(see func(child xml.Name)) {
	for s.err == nil {
		switch t := s.token().(type) {
		case xml.StartElement:
			see(t.Name)
			s.skip()
		case xml.EndElement:
			return
		}
	}
}

// skip reads to the end of the element that was started.
func (s *stream) skip() {
	for depth := 1; s.err == nil && depth > 0; {
		switch s.token().(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// token reads one. A declaration of types is forbidden (RFC 6120 section 11.1).
func (s *stream) token() xml.Token {
	if s.err != nil {
		return nil
	}
	token, err := s.in.Token()
	switch {
	case errors.Is(s.bound.err, errAnswer):
		s.err = s.bound.err
	case s.bound.err != nil:
		s.err = fmt.Errorf("read an answer: %w", s.bound.err)
	case err != nil:
		s.fail(err.Error())
	}
	if _, typed := token.(xml.Directive); typed {
		s.fail("a declaration of types")
	}
	return token
}

// bounded gives so many bytes and no more.
type bounded struct {
	in   *bufio.Reader
	left int
	err  error
}

func (b *bounded) ReadByte() (byte, error) {
	if b.left == 0 && b.err == nil {
		b.err = fmt.Errorf("%w: an answer without end", errAnswer)
	}
	if b.err != nil {
		return 0, b.err
	}
	b.left--
	var c byte
	c, b.err = b.in.ReadByte()
	return c, b.err
}

// Read is for the decoder's contract only, which asks for a Reader.
func (b *bounded) Read(p []byte) (int, error) {
	for i := range p {
		c, err := b.ReadByte()
		if err != nil {
			return i, err
		}
		p[i] = c
	}
	return len(p), nil
}
