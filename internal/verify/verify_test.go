package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// nginxServer is a server block that presents pairs, each with all of its
// chain, for a name.
func nginxServer(t *testing.T, address, name, extra string, pairs ...pair) string {
	t.Helper()
	text := fmt.Sprintf("server { listen %s ssl; server_name %s; %s\n", address, name, extra)
	for _, p := range pairs {
		cert, key := p.files(t, p.chain.Certs...)
		text += fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;\n", cert, key)
	}
	return text + "}\n"
}

func verdicts(results []plan.Result) []plan.Verdict {
	var all []plan.Verdict
	for _, r := range results {
		all = append(all, r.Verdict)
	}
	return all
}

func TestNginxTwoKeyTypes(t *testing.T) {
	ca := newAuthority(t)
	rsa, ecdsa, other := ca.issue(t, "rsa-2048", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "other.example.test")
	oldRSA := ca.issue(t, "rsa-2048", "www.example.test")
	both, only, modern, stale := servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t), servertest.FreeAddress(t)
	modernOnly := servertest.FreeAddress(t)
	servertest.Nginx(t, both, nginxServer(t, both, "other.example.test", "", other)+
		nginxServer(t, both, "www.example.test", "", rsa, ecdsa)+
		nginxServer(t, only, "www.example.test", "", ecdsa)+
		nginxServer(t, modern, "www.example.test", "ssl_protocols TLSv1.3;", rsa, ecdsa)+
		nginxServer(t, modernOnly, "www.example.test", "ssl_protocols TLSv1.3;", ecdsa)+
		nginxServer(t, stale, "www.example.test", "", oldRSA, ecdsa))
	want := Want{"rsa-2048": rsa.chain, "ecdsa-p256": ecdsa.chain}
	for _, tt := range []struct {
		name, address, serverName, keyType string
		verdict                            plan.Verdict
		words                              string
	}{
		{"rsa of two", both, "www.example.test", "rsa-2048", plan.VerdictRight, ""},
		{"ecdsa of two", both, "www.example.test", "ecdsa-p256", plan.VerdictRight, ""},
		{"any of two", both, "www.example.test", "", plan.VerdictRight, ""},
		{"default server", both, "unknown.example.test", "ecdsa-p256", plan.VerdictWrong, "other.example.test"},
		{"default server without rsa", both, "unknown.example.test", "rsa-2048", plan.VerdictWrong, "other.example.test"},
		{"rsa missing", only, "www.example.test", "rsa-2048", plan.VerdictWrong, "no rsa-2048 certificate"},
		{"ecdsa alone", only, "www.example.test", "ecdsa-p256", plan.VerdictRight, ""},
		{"rsa outdated", stale, "www.example.test", "rsa-2048", plan.VerdictWrong, "Test Intermediate"},
		{"ecdsa beside it", stale, "www.example.test", "ecdsa-p256", plan.VerdictRight, ""},
		{"TLS 1.3 only, what it prefers", modern, "www.example.test", "rsa-2048", plan.VerdictRight, ""},
		{"TLS 1.3 only, what others are not shown", modern, "www.example.test", "ecdsa-p256", plan.VerdictRight, ""},
		{"TLS 1.3 only, rsa missing", modernOnly, "www.example.test", "rsa-2048", plan.VerdictWrong, "no rsa-2048 certificate"},
	} {
		got := Check(t.Context(), Endpoint{Addresses: []string{tt.address}, ServerName: tt.serverName, KeyType: tt.keyType}, want)
		if got.Verdict != tt.verdict || !strings.Contains(got.Words, tt.words) || (got.Words == "") != (tt.words == "") {
			t.Errorf("%s: got %+v", tt.name, got)
		}
		if got.KeyType != tt.keyType || got.Endpoint != fmt.Sprintf("%s (%s)", tt.address, tt.serverName) {
			t.Errorf("%s: it is called %+v", tt.name, got)
		}
	}
	// A server may have a certificate beside the only one that is ours.
	for name, tt := range map[string]struct {
		address string
		want    Want
		verdict plan.Verdict
	}{
		"rsa alone":                     {both, Want{"rsa-2048": rsa.chain}, plan.VerdictRight},
		"ecdsa alone":                   {both, Want{"ecdsa-p256": ecdsa.chain}, plan.VerdictRight},
		"rsa outdated beside ecdsa":     {stale, Want{"rsa-2048": rsa.chain}, plan.VerdictWrong},
		"rsa where there is none":       {only, Want{"rsa-2048": rsa.chain}, plan.VerdictWrong},
		"TLS 1.3 only, what it prefers": {modern, Want{"rsa-2048": rsa.chain}, plan.VerdictRight},
		"TLS 1.3 only, if asked for it": {modern, Want{"ecdsa-p256": ecdsa.chain}, plan.VerdictRight},
		"TLS 1.3 only, there is none":   {modernOnly, Want{"rsa-2048": rsa.chain}, plan.VerdictWrong},
	} {
		if got := Check(t.Context(), Endpoint{Addresses: []string{tt.address}, ServerName: "www.example.test"}, tt.want); got.Verdict != tt.verdict {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// server presents certs to everybody.
func server(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client is judged, not this
			}()
		}
	}()
	return l.Addr().String()
}

func TestChains(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	p, before := ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "evil\x1b.test")
	leaf := p.chain.Leaf()
	withRoot := p.chain
	withRoot.Certs = append(slices.Clone(p.chain.Certs), ca.root)
	for _, tt := range []struct {
		name    string
		certs   []*x509.Certificate
		want    Want
		verdict plan.Verdict
		words   []string
	}{
		{"right", p.chain.Certs, Want{"ecdsa-p256": p.chain}, plan.VerdictRight, nil},
		{"with root", withRoot.Certs, Want{"ecdsa-p256": p.chain}, plan.VerdictRight, nil},
		{"without the root that was given", p.chain.Certs, Want{"ecdsa-p256": withRoot}, plan.VerdictRight, nil},
		{"no intermediate", []*x509.Certificate{leaf}, Want{"ecdsa-p256": p.chain}, plan.VerdictWrong, []string{"without 1 of its 1", "Test Intermediate"}},
		{"root in place of the intermediate", []*x509.Certificate{leaf, ca.root}, Want{"ecdsa-p256": p.chain}, plan.VerdictWrong, []string{"without 1 of its 1"}},
		{"another intermediate", []*x509.Certificate{leaf, foreign.intermediate}, Want{"ecdsa-p256": p.chain}, plan.VerdictWrong, []string{"another chain"}},
		{"too much", append(slices.Clone(p.chain.Certs), foreign.intermediate), Want{"ecdsa-p256": p.chain}, plan.VerdictWrong, []string{"more than its chain"}},
		{"the one before", before.chain.Certs, Want{"ecdsa-p256": p.chain}, plan.VerdictWrong, []string{"a.test, b.test", "2 more", "Test Intermediate", before.chain.Leaf().NotAfter.UTC().Format("2006-01-02T15:04:05Z")}},
		{"nothing known", p.chain.Certs, Want{}, plan.VerdictUnknown, []string{"nothing is known"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := p
			if tt.name == "the one before" {
				key = before
			}
			address := server(t, &tls.Config{Certificates: []tls.Certificate{key.tls(tt.certs...)}})
			got := Check(t.Context(), Endpoint{Addresses: []string{address}, ServerName: "www.example.test", KeyType: "ecdsa-p256"}, tt.want)
			if got.Verdict != tt.verdict || (got.Words == "") != (tt.words == nil) {
				t.Errorf("got %+v", got)
			}
			for _, word := range tt.words {
				if !strings.Contains(got.Words, word) {
					t.Errorf("%q lacks %q", got.Words, word)
				}
			}
			if strings.Contains(got.Words, "\x1b") {
				t.Errorf("%q can steer a terminal", got.Words)
			}
		})
	}
}

// A server that wants the client's certificate fails the handshake of TLS 1.2,
// but was heard.
func TestClientCertificateWanted(t *testing.T) {
	ca := newAuthority(t)
	p, other := ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test")
	for version, verdict := range map[uint16]plan.Verdict{tls.VersionTLS12: plan.VerdictUnknown, tls.VersionTLS13: plan.VerdictRight} {
		address := server(t, &tls.Config{
			Certificates: []tls.Certificate{p.tls(p.chain.Certs...)}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version,
		})
		e := Endpoint{Addresses: []string{address}, ServerName: "www.example.test"}
		if got := Check(t.Context(), e, Want{"ecdsa-p256": p.chain}); got.Verdict != verdict {
			t.Errorf("%s: got %+v", tls.VersionName(version), got)
		}
		if got := Check(t.Context(), e, Want{"ecdsa-p256": other.chain}); got.Verdict != plan.VerdictWrong {
			t.Errorf("%s: got %+v", tls.VersionName(version), got)
		}
	}
}

// plain serves connections without TLS.
func plain(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestUnknown(t *testing.T) {
	p := newAuthority(t).issue(t, "ecdsa-p256", "www.example.test")
	q := newAuthority(t).issue(t, "rsa-2048", "www.example.test")
	ctx, cancel := context.WithCancel(t.Context())
	refused := servertest.FreeAddress(t)
	failing := server(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, net.ErrClosed }})
	for name, e := range map[string]Endpoint{
		"refused":  {Addresses: []string{refused}},
		"alert":    {Addresses: []string{failing}},
		"no TLS":   {Addresses: []string{plain(t, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })}},
		"hangs up": {Addresses: []string{plain(t, func(net.Conn) {})}},
		"hangs":    {Addresses: []string{plain(t, func(c net.Conn) { cancel(); _, _ = c.Read(make([]byte, 1<<16)); <-t.Context().Done() })}},
		"no name":  {ServerName: "www.example.test", Err: net.UnknownNetworkError("DNS says no")},
		"nowhere":  {},
	} {
		checkCtx := t.Context()
		if name == "hangs" {
			checkCtx = ctx
		}
		got := Check(checkCtx, e, Want{"ecdsa-p256": p.chain})
		if got.Verdict != plan.VerdictUnknown || got.Words == "" {
			t.Errorf("%s: got %+v", name, got)
		}
		if name == "hangs" {
			continue
		}
		e.KeyType = "rsa-2048"
		got = Check(t.Context(), e, Want{"ecdsa-p256": p.chain, "rsa-2048": q.chain})
		if got.Verdict != plan.VerdictUnknown || got.Words == "" {
			t.Errorf("%s, one of two key types: got %+v", name, got)
		}
	}
}

func TestAll(t *testing.T) {
	ca := newAuthority(t)
	p, other := ca.issue(t, "ecdsa-p256", "www.example.test"), ca.issue(t, "ecdsa-p256", "www.example.test")
	good := server(t, &tls.Config{Certificates: []tls.Certificate{p.tls(p.chain.Certs...)}})
	_, port, err := net.SplitHostPort(good)
	if err != nil {
		t.Fatal(err)
	}
	refusing := "127.77.0.1:" + port // the same port, another address
	bad := server(t, &tls.Config{Certificates: []tls.Certificate{other.tls(other.chain.Certs...)}})
	at := func(name string, addresses ...string) Endpoint {
		return Endpoint{ServerName: name, Addresses: addresses}
	}
	got := All(t.Context(), []Endpoint{
		at("a.example.test", good),
		at("a.example.test", refusing),       // left out: the other address answers
		at("b.example.test", refusing),       // nobody answers for this name
		at("c.example.test", refusing, good), // one of several addresses is enough
		at("d.example.test", bad),
		{ServerName: "e.example.test", Err: net.UnknownNetworkError("DNS says no")},
	}, Want{"ecdsa-p256": p.chain})
	want := []plan.Verdict{plan.VerdictRight, plan.VerdictUnknown, plan.VerdictRight, plan.VerdictWrong, plan.VerdictUnknown}
	if !slices.Equal(verdicts(got), want) {
		t.Fatalf("got %+v", got)
	}
	if got[2].Endpoint != good+" (c.example.test)" {
		t.Errorf("got %+v", got[2])
	}
	many := slices.Repeat([]Endpoint{at("a.example.test", good)}, 50)
	if got := All(t.Context(), many, Want{"ecdsa-p256": p.chain}); len(got) != 50 || slices.ContainsFunc(got, func(r plan.Result) bool { return r.Verdict != plan.VerdictRight }) {
		t.Errorf("got %+v", got)
	}
}
