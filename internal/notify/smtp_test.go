package notify_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// mailServer is an SMTP server (RFC 5321) with STARTTLS and AUTH PLAIN.
type mailServer struct {
	address  string
	roots    *x509.CertPool
	tls      *tls.Config
	implicit bool
	noTLS    bool
	refuse   string // its answer to MAIL, where it takes none
	unknown  string // the recipient whom it does not take, in angle brackets
	end      string // its answer to a mail that is there, instead of taking it; "-" for none at all

	mu       sync.Mutex // guards what follows
	received []received
	clear    []string // commands that came before TLS
}

// received is a mail that arrived.
type received struct {
	from      string
	to        []string
	text      string
	user      string // "user password"
	encrypted bool
}

// serve starts the server on loopback.
func (s *mailServer) serve(t *testing.T) *mailServer {
	t.Helper()
	made := httptest.NewUnstartedServer(nil)
	made.StartTLS()
	t.Cleanup(made.Close)
	s.tls = &tls.Config{Certificates: made.TLS.Certificates}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(made.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talks.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); talks.Wait() })
	return s
}

// talk is one connection.
func (s *mailServer) talk(conn net.Conn) {
	defer conn.Close()
	mail := received{encrypted: s.implicit}
	if s.implicit {
		conn = tls.Server(conn, s.tls)
	}
	lines := bufio.NewReader(conn)
	say := func(text string) { _, _ = fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 test ESMTP")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		if !mail.encrypted {
			s.mu.Lock()
			s.clear = append(s.clear, verb)
			s.mu.Unlock()
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test")
			if !s.noTLS && !mail.encrypted {
				say("250-STARTTLS")
			}
			say("250-8BITMIME")
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.tls)
			lines, mail.encrypted = bufio.NewReader(conn), true
		case "AUTH":
			_, encoded, _ := strings.Cut(rest, " ")
			secret, _ := base64.StdEncoding.DecodeString(encoded)
			mail.user = strings.TrimSpace(strings.ReplaceAll(string(secret), "\x00", " "))
			if mail.user != "certkeep hush" {
				say("535 5.7.8 wrong")
				continue
			}
			say("235 welcome")
		case "MAIL":
			if s.refuse != "" {
				say(s.refuse)
				continue
			}
			mail.from = rest
			say("250 ok")
		case "RCPT":
			if s.unknown != "" && strings.Contains(rest, s.unknown) {
				say("550 5.1.1 no such user")
				continue
			}
			mail.to = append(mail.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go on")
			mail.text = body(lines)
			if s.end == "-" {
				return
			}
			if s.end != "" {
				say(s.end)
				continue
			}
			s.mu.Lock()
			s.received = append(s.received, mail)
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// body reads a mail to its end.
func body(lines *bufio.Reader) string {
	var text strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

// mails are those that arrived.
func (s *mailServer) mails() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}
