package challenge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
)

// Hosted is a Listen for programs that have the port themselves and pass on
// what they are asked there, to HTTP01.Answer or TLSALPN01.Answer: it opens
// nothing.
func Hosted(context.Context) (net.Listener, error) {
	return &nowhere{closed: make(chan struct{})}, nil
}

// nowhere is a listener to which nobody comes.
type nowhere struct {
	once   sync.Once
	closed chan struct{}
}

// Accept waits for the end.
func (n *nowhere) Accept() (net.Conn, error) {
	<-n.closed
	return nil, net.ErrClosed
}

// Close ends Accept.
func (n *nowhere) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr is no address.
func (n *nowhere) Addr() net.Addr { return &net.TCPAddr{} }

// Answer shows the answer that a request asks for, and reports false where it
// asks for none that is presented.
func (s *HTTP01) Answer(w http.ResponseWriter, r *http.Request) bool {
	a := s.asked(r)
	if a == nil {
		return false
	}
	show(w, r, a.keyAuthorization, func() { a.once.Do(func() { close(a.asked) }) })
	return true
}

// maxAnswer bounds the file of an answer, in bytes: a token, a dot, a digest.
const maxAnswer = 1024

// Answer shows the file of an answer that a request asks a name for, whoever
// wrote it, and reports false where there is none.
func (w *Webroot) Answer(to http.ResponseWriter, r *http.Request, name Identifier) bool {
	token, found := strings.CutPrefix(r.URL.Path, acmePath)
	if !found || !validToken(token) || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	f, err := os.OpenFile(w.File(Challenge{Identifier: name, Token: token}), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxAnswer {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	if err != nil || !strings.HasPrefix(string(text), token+".") {
		return false
	}
	show(to, r, string(text), func() {})
	return true
}

// Answer is the certificate that a hello asks for, nil where it asks for none
// that is presented.
func (s *TLSALPN01) Answer(hello *tls.ClientHelloInfo) *tls.Certificate {
	shown := s.choose(hello)
	if shown == nil {
		return nil
	}
	shown.once.Do(func() { close(shown.asked) })
	return &shown.certificate
}

// Asks reports whether a hello is that of a CA which looks for an answer to
// tls-alpn-01 (RFC 8737 section 3: the protocol is the only one offered).
func Asks(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == alpnProtocol
}

// Protocol is what a server offers by ALPN so that it can answer tls-alpn-01.
const Protocol = alpnProtocol
