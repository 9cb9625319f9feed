package verify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// seen13 asks for a kind of key in TLS 1.3 alone.
func seen13(t *testing.T, address, kind string) sight {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), checkTime)
	defer cancel()
	return Endpoint{Addresses: []string{address}, ServerName: "www.example.test"}.look13(ctx, kind)
}

// OpenSSL with each suite, and each kind and size of key.
func TestTLS13Suites(t *testing.T) {
	ca := newAuthority(t)
	rsa := ca.issue(t, "rsa-2048", "www.example.test")
	text, first := "", ""
	want := make(map[string]pair) // by address
	for i, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		curve := []string{"X25519", "prime256v1", "secp384r1"}[i]
		ecdsa := ca.issue(t, []keys.Type{"ecdsa-p256", "ecdsa-p384", "ecdsa-p256"}[i], "www.example.test")
		address := servertest.FreeAddress(t)
		want[address] = ecdsa
		first = address
		text += nginxServer(t, address, "www.example.test", fmt.Sprintf("ssl_protocols TLSv1.3; ssl_ecdh_curve %s; ssl_conf_command Ciphersuites %s;", curve, suite), rsa, ecdsa)
	}
	again := servertest.FreeAddress(t) // wants a group that is not offered
	text += nginxServer(t, again, "www.example.test", "ssl_protocols TLSv1.3; ssl_ecdh_curve X448;", rsa)
	old := servertest.FreeAddress(t)
	text += nginxServer(t, old, "www.example.test", "ssl_protocols TLSv1.2;", rsa)
	servertest.Nginx(t, first, text)
	for address, ecdsa := range want {
		for kind, p := range map[string]pair{"rsa": rsa, "ecdsa": ecdsa} {
			seen := seen13(t, address, kind)
			if right, words := judge(seen, []chain.Chain{p.chain}); right != plan.VerdictRight {
				t.Errorf("%s: %s, %v", kind, words, seen.err)
			}
		}
	}
	// That it refuses us for another reason is not held against it.
	e := Endpoint{Addresses: []string{again}, ServerName: "www.example.test", KeyType: "ecdsa-p256"}
	if got := Check(t.Context(), e, Want{"rsa-2048": rsa.chain, "ecdsa-p256": want[first].chain}); got.Verdict != plan.VerdictUnknown {
		t.Errorf("got %+v", got)
	}
	for _, address := range []string{again, old} {
		if seen := seen13(t, address, "rsa"); len(seen.certs) > 0 || seen.err == nil {
			t.Errorf("%v", seen.err)
		}
	}
}

// A server in Go, which knows what the client asks for.
func TestTLS13AsSeenByServer(t *testing.T) {
	ca := newAuthority(t)
	rsa, ecdsa := ca.issue(t, "rsa-2048", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test")
	said := make(chan string, 1)
	address := plain(t, func(conn net.Conn) {
		server := tls.Server(conn, &tls.Config{
			Certificates: []tls.Certificate{rsa.tls(rsa.chain.Certs...), ecdsa.tls(ecdsa.chain.Certs...)}, MinVersion: tls.VersionTLS13,
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if hello.ServerName != "www.example.test" || !slices.Equal(hello.SignatureSchemes, schemesOf("ecdsa")) {
					t.Errorf("it asks for %q, %v", hello.ServerName, hello.SignatureSchemes)
				}
				return nil, nil
			},
		})
		text, err := io.ReadAll(server)
		said <- fmt.Sprintf("%s %v", text, err)
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	certs, err := shake13(conn, Endpoint{ServerName: "www.example.test", StartTLS: smtp}, "ecdsa")
	if err != nil || !certs[0].Equal(ecdsa.chain.Leaf()) {
		t.Fatalf("%v %v", certs, err)
	}
	// Its handshake, the farewell and the end of TLS are whole.
	if got := <-said; got != "QUIT\r\n <nil>" {
		t.Errorf("the server heard %q", got)
	}
}

// What is shown without its key does not count, and what another version of TLS
// is shown does.
func TestTLS13Wrong(t *testing.T) {
	ca := newAuthority(t)
	rsa, ecdsa, other := ca.issue(t, "rsa-2048", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test")
	want := Want{"rsa-2048": rsa.chain, "ecdsa-p256": ecdsa.chain}
	stolen := ecdsa
	stolen.key = other.key
	modern := func(p pair) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{rsa.tls(rsa.chain.Certs...), p.tls(p.chain.Certs...)}, MinVersion: tls.VersionTLS13}
	}
	both := modern(ecdsa)
	both.MinVersion = tls.VersionTLS12
	both.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
			return modern(other), nil
		}
		return nil, nil
	}
	stranger := &tls.Config{Certificates: []tls.Certificate{rsa.tls(rsa.chain.Certs...)}, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
	client := modern(ecdsa)
	client.ClientAuth = tls.RequireAnyClientCert
	for name, tt := range map[string]struct {
		config  *tls.Config
		verdict plan.Verdict
		words   string
	}{
		"without its key":       {modern(stolen), plan.VerdictUnknown, "not by its certificate's key"},
		"outdated":              {modern(other), plan.VerdictWrong, "presents"},
		"outdated in TLS 1.3":   {both, plan.VerdictWrong, "in TLS 1.3 it presents"},
		"wants the client's":    {client, plan.VerdictRight, ""},
		"asks for other groups": {stranger, plan.VerdictUnknown, "could not be asked"},
		"right, for comparison": {modern(ecdsa), plan.VerdictRight, ""},
	} {
		got := Check(t.Context(), Endpoint{Addresses: []string{server(t, tt.config)}, ServerName: "www.example.test", KeyType: "ecdsa-p256"}, want)
		if got.Verdict != tt.verdict || !strings.Contains(got.Words, tt.words) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// FuzzTLS13 hears whatever may come in plain text, and whatever may come
// under keys.
func FuzzTLS13(f *testing.F) {
	f.Add([]byte("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), []byte("\x08\x00\x00\x02\x00\x00\x0b\x00\x00\x04\x00\x00\x00\x00"))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x28"), []byte("\x08\x00\x00\x00\x0b\x00\x00\x0a\x00\x00\x00\x06\x00\x00\x01\x30\x00\x00"))
	f.Add(bytes.Repeat([]byte("\x14\x03\x03\x00\x01\x01"), maxEmpty+2), []byte("\x08\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, says, secret []byte) {
		if _, err := shake13(&mute{Reader: bytes.NewReader(says)}, Endpoint{}, "rsa"); err == nil {
			t.Error("it took that for a handshake")
		}
		keys, err := newSchedule(suites13()[0], []byte("shared"), nil)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := keys.half(keys.server)
		if err != nil {
			t.Fatal(err)
		}
		sealed := theirs.seal(recordHandshake, secret[:min(len(secret), 1<<14)])
		a := &asker{channel: newChannel(&mute{Reader: bytes.NewReader(sealed)}), kind: "ecdsa", secrets: keys}
		if a.in, err = keys.half(keys.server); err != nil {
			t.Fatal(err)
		}
		if _, err := a.presented(); err == nil {
			t.Error("it took that for a handshake")
		}
	})
}

// A handshake that a stranger changes on its way is none.
func TestTLS13Tampered(t *testing.T) {
	p := newAuthority(t).issue(t, "ecdsa-p256", "www.example.test")
	config := &tls.Config{Certificates: []tls.Certificate{p.tls(p.chain.Certs...)}, MinVersion: tls.VersionTLS13}
	for _, at := range []int{1, 10, 60, 130, 200, 400} {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_ = tls.Server(&flipping{Conn: theirs, at: at}, config).HandshakeContext(t.Context()) // it fails too
		}()
		if _, err := shake13(ours, Endpoint{ServerName: "www.example.test"}, "ecdsa"); err == nil {
			t.Errorf("byte %d", at)
		}
		ours.Close()
	}
}

// flipping changes one byte of what is written.
type flipping struct {
	net.Conn
	at int
}

func (f *flipping) Write(p []byte) (int, error) {
	q := slices.Clone(p)
	if f.at >= 0 && f.at < len(q) {
		q[f.at] ^= 1
	}
	f.at -= len(q)
	return f.Conn.Write(q)
}

func TestTLS13Parsing(t *testing.T) {
	p := newAuthority(t).issue(t, "ecdsa-p256", "www.example.test")
	if _, err := parseCertificates([]byte("\x00\x00\x00\x00")); err == nil {
		t.Error("no certificate counts as one")
	}
	if err := checkProof("rsa", p.chain.Leaf(), nil, []byte("\x04\x03\x00\x00")); err == nil || !strings.Contains(err.Error(), "not offered") {
		t.Error(err)
	}
	if err := checkProof("ecdsa", &x509.Certificate{}, nil, []byte("\x04\x03\x00\x00")); err == nil {
		t.Error("a certificate without a key counts")
	}
	if refusedKind(errors.New("x")) || refusedKind(tls.AlertError(70)) || !refusedKind(fmt.Errorf("x: %w", tls.AlertError(40))) {
		t.Error("alerts are mixed up")
	}
}
