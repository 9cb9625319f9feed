package verify

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// pinOf is the name of a pair's key in the header.
func pinOf(p pair) string {
	sum := sha256.Sum256(p.chain.Leaf().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestPins: a site that presents what is right has to name every key, in the
// first header, whatever else it answers.
func TestPins(t *testing.T) {
	ca := newAuthority(t)
	served, next := ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test")
	header := func(pins ...string) string {
		var b strings.Builder
		for _, p := range pins {
			fmt.Fprintf(&b, `pin-sha256=\"%s\"; `, p)
		}
		return `add_header Public-Key-Pins "` + b.String() + `max-age=60;" always;`
	}
	both, stale := header(pinOf(served), pinOf(next)), header(pinOf(served))
	named, lacking, none, twice, gone := servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t)
	servertest.Nginx(t, named, nginxServer(t, named, "www.example.test", both, served)+
		nginxServer(t, lacking, "www.example.test", stale, served)+
		nginxServer(t, none, "www.example.test", "", served)+
		nginxServer(t, twice, "www.example.test", stale+both, served)+
		nginxServer(t, gone, "www.example.test", both+" return 503;", served))
	for _, tt := range []struct {
		name, address string
		verdict       plan.Verdict
		words         string
	}{
		{"named", named, plan.VerdictRight, ""},
		{"named in an error", gone, plan.VerdictRight, ""},
		{"without the next key", lacking, plan.VerdictWrong, "lacks 1 of 2 keys: " + pinOf(next)},
		{"no header", none, plan.VerdictWrong, "without Public-Key-Pins (HTTP status"},
		{"only in a second header", twice, plan.VerdictWrong, "lacks 1 of 2 keys"},
	} {
		e := Endpoint{Addresses: []string{tt.address}, ServerName: "www.example.test", KeyType: "ecdsa-p256", Pins: []string{pinOf(served), pinOf(next)}}
		got := Check(t.Context(), e, Want{"ecdsa-p256": served.chain})
		if got.Verdict != tt.verdict || !strings.Contains(got.Words, tt.words) || (got.Words == "") != (tt.words == "") {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

// TestPinsOfHostileSites: what a site answers is bounded, in bytes and time,
// and what cannot be read is not wrong but unknown.
func TestPinsOfHostileSites(t *testing.T) {
	ca := newAuthority(t)
	served := ca.issue(t, "ecdsa-p256", "www.example.test")
	cert, key := served.files(t, served.chain.Certs...)
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		answer func(conn net.Conn)
		words  string
	}{
		"nonsense":          {func(conn net.Conn) { _, _ = io.WriteString(conn, "\x00\x1b[2J\n\n") }, "read the answer"},
		"nothing":           {func(net.Conn) {}, "read the answer"},
		"a head of no end":  {func(conn net.Conn) { endless(conn, "HTTP/1.1 200 OK\r\nX: ", "x") }, "read the answer"},
		"fields of no end":  {func(conn net.Conn) { endless(conn, "HTTP/1.1 200 OK\r\n", "X: y\r\n") }, "read the answer"},
		"silence":           {func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, "read the answer"},
		"a body of no end":  {func(conn net.Conn) { endless(conn, "HTTP/1.1 200 OK\r\nPublic-Key-Pins: max-age=1\r\n\r\n", "x") }, "lacks 1 of 1 keys"},
		"only an interim 1": {func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n") }, "without Public-Key-Pins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{loaded}, MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for first := true; ; first = false {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					if _ = conn.(*tls.Conn).Handshake(); !first { // the first one looks at the certificate only
						tt.answer(conn)
					}
					_ = conn.Close()
				}
			}()
			began := time.Now()
			got := Check(t.Context(), Endpoint{Addresses: []string{listener.Addr().String()}, ServerName: "www.example.test", Pins: []string{"x"}}, Want{"ecdsa-p256": served.chain})
			if got.Verdict == plan.VerdictRight || !strings.Contains(got.Words, tt.words) || strings.ContainsRune(got.Words, '\x1b') {
				t.Errorf("got %+v", got)
			}
			if strings.Contains(tt.words, "read") != (got.Verdict == plan.VerdictUnknown) {
				t.Errorf("the verdict is %s: %s", got.Verdict, got.Words)
			}
			if took := time.Since(began); took > checkTime+2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// endless writes until nobody reads any more.
func endless(conn net.Conn, first, then string) {
	_, err := io.WriteString(conn, first)
	for err == nil {
		_, err = io.WriteString(conn, strings.Repeat(then, 1000))
	}
}
