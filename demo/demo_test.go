package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/keys"
)

// somewhere is a place that nothing runs at.
func somewhere(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileHTTPS), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return place{
		dir: dir, directory: "https://127.0.0.1:1/dir", self: "/bin/true", dns: "http://127.0.0.1:2", resolver: "127.0.0.1:3",
		httpPort: 4, tlsPort: 5, web: "127.0.0.1:6", webPort: 6,
	}
}

// load has Certkeep read a config, and expects that it has nothing to say.
func load(t *testing.T, path string) *config.Config {
	t.Helper()
	cfg, warnings, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return cfg
}

func TestConfigOfTheDemo(t *testing.T) {
	t.Parallel()
	p := somewhere(t)
	path := p.file("certkeep.yaml")
	if err := os.WriteFile(path, []byte(p.configText(certs())), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, path)
	var proofs []string
	for _, rule := range cfg.Challenges {
		proofs = append(proofs, rule.Methods[0].Type)
	}
	slices.Sort(proofs)
	if want := []string{"dns-01", "http-01", "tls-alpn-01"}; !slices.Equal(proofs, want) {
		t.Errorf("names are proven by %v, want %v", proofs, want)
	}
	if len(cfg.Certificates) != 3 {
		t.Errorf("%d certificates, want 3", len(cfg.Certificates))
	}
}

// What -hold prints goes into conf.d, beside the config that README.md begins
// with.
func TestConfigOfTheHeldCA(t *testing.T) {
	t.Parallel()
	p := somewhere(t)
	confd := filepath.Join(p.dir, "conf.d")
	if err := os.Mkdir(confd, 0o700); err != nil {
		t.Fatal(err)
	}
	const main = `accept_terms: true
challenges: [{http-01: {webroot: /var/www/html}}]
certificates:
  example.com: {names: [example.com, www.example.com], services: [nginx]}
`
	for path, text := range map[string]string{
		p.file("certkeep.yaml"):             main,
		filepath.Join(confd, "testca.yaml"): p.caText(),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := load(t, p.file("certkeep.yaml"))
	if got := cfg.Certificates[0].Issuers; !slices.Equal(got, []string{"testca"}) {
		t.Errorf("the certificate is asked of %v", got)
	}
	if _, ok := cfg.DNS["testdns"]; !ok {
		t.Error("there is no testdns")
	}
}

// put writes a self-signed pair where the site reads it.
func put(t *testing.T, folder, name string) *x509.Certificate {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, err := chain.SelfSigned(key, []string{name}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{"fullchain.pem": certPEM, "privkey.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := chain.Parse(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Leaf()
}

// presented is what the site presents to a client that asks for name, or nil.
func presented(t *testing.T, s *site, name string) *x509.Certificate {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		defer theirs.Close()
		// The client tells how it went.
		_ = tls.Server(theirs, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.choose}).Handshake()
	}()
	client := tls.Client(ours, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if client.Handshake() != nil {
		return nil
	}
	return client.ConnectionState().PeerCertificates[0]
}

func TestSite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shop, branches := filepath.Join(dir, "shop"), filepath.Join(dir, "branches")
	s, err := newSite([]string{"shop.test=" + shop, "*.branches.test=" + branches})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.read(); err == nil {
		t.Error("files that are missing are no error")
	}
	if presented(t, s, "shop.test") != nil {
		t.Error("a certificate out of nowhere")
	}

	first, wildcard := put(t, shop, "shop.test"), put(t, branches, "*.branches.test")
	if err := s.read(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*x509.Certificate{
		"shop.test": first, "berlin.branches.test": wildcard, "branches.test": nil, "a.b.branches.test": nil,
	} {
		if got := presented(t, s, name); (got == nil) != (want == nil) || got != nil && !got.Equal(want) {
			t.Errorf("%s: presents the wrong certificate", name)
		}
	}

	second := put(t, shop, "shop.test")
	if err := os.WriteFile(filepath.Join(branches, "privkey.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.read(); err == nil {
		t.Error("a broken key is no error")
	}
	if got := presented(t, s, "shop.test"); got == nil || !got.Equal(second) {
		t.Error("the new certificate is not presented")
	}
	if got := presented(t, s, "berlin.branches.test"); got == nil || !got.Equal(wildcard) {
		t.Error("what worked is not kept beside a broken file")
	}
}

func TestDNSHook(t *testing.T) {
	t.Parallel()
	ca := acmetest.Start(t, acmetest.Options{})
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", ca.DNSAddr())
	}}
	call := func(action string) {
		t.Helper()
		env := map[string]string{"CERTKEEP_DNS_ACTION": action, "CERTKEEP_DNS_NAME": "_acme-challenge.demo.test", "CERTKEEP_DNS_VALUE": "abc"}
		if err := dnsHook([]string{ca.DNS.URL()}, func(name string) string { return env[name] }); err != nil {
			t.Fatal(err)
		}
	}
	call("add")
	values, err := resolver.LookupTXT(t.Context(), "_acme-challenge.demo.test.")
	if err != nil || !slices.Equal(values, []string{"abc"}) {
		t.Errorf("TXT %q, %v; want abc", values, err)
	}
	call("remove")
	if values, err := resolver.LookupTXT(t.Context(), "_acme-challenge.demo.test."); err == nil {
		t.Errorf("TXT %q is still there", values)
	}
	if err := dnsHook([]string{ca.DNS.URL()}, func(string) string { return "" }); err == nil {
		t.Error("an unknown action is no error")
	}
}

func TestNote(t *testing.T) {
	t.Parallel()
	d := &demo{story: newStory(io.Discard)}
	s := &sight{cert: cert{asked: "a.test", lifetime: time.Hour + time.Second, least: 2}}
	leaf := put(t, t.TempDir(), "a.test")
	leaf.NotAfter = leaf.NotBefore.Add(time.Hour)
	if err := d.note(s, nil, errNothingServed); err != nil {
		t.Errorf("nothing served at first: %v", err)
	}
	for range 2 {
		if err := d.note(s, leaf, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.serials) != 1 || s.looks != 2 || s.done() {
		t.Errorf("one certificate, seen twice: %+v", s)
	}
	if err := d.note(s, leaf, errNothingServed); err == nil {
		t.Error("a client that is refused is no error")
	}
	other := put(t, t.TempDir(), "a.test")
	other.NotAfter = other.NotBefore.Add(time.Minute)
	if err := d.note(s, other, nil); err == nil {
		t.Error("another lifetime than asked for is no error")
	}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	one := func(state string, current string) string {
		return `{"targets": [{"state": "` + state + `", "current": ` + current + `}]}`
	}
	all := func(last string) []byte {
		return []byte(`{"certificates": [` + strings.Join([]string{one("verified", "true"), one("verified", "true"), last}, ",") + `]}`)
	}
	for text, want := range map[string]bool{
		string(all(one("verified", "true"))):  true,
		string(all(one("reloaded", "true"))):  false,
		string(all(one("verified", "false"))): false,
		string(all(`{"targets": []}`)):        false,
		`{"certificates": []}`:                false,
		`no JSON`:                             false,
	} {
		if got := verified([]byte(text)); got != want {
			t.Errorf("verified(%s) = %v", text, got)
		}
	}
}

func TestQuoter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	q := &quoter{story: newStory(&out), who: "| ", shorten: shortLog}
	for _, part := range []string{"01:02:03 issued ", "it certificate=www event=issued\n01:02:04 ended\nhalf"} {
		if _, err := q.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	want := margin + "| 01:02:03 www       issued it\n" + margin + "| 01:02:04 ended\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
	if got := q.tail(); got != "01:02:03 issued it certificate=www event=issued\n01:02:04 ended" {
		t.Errorf("kept %q", got)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-http", "80"},
		{"surprise"},
		{"-unknown"},
		{"serve", "127.0.0.1:0"},
		{"serve", "127.0.0.1:0", "pid", "no-folder"},
		{"dns-hook"},
		{"-certkeep", "/no/such/file"},
	} {
		var stderr strings.Builder
		if code := run(t.Context(), args, io.Discard, &stderr); code != 1 || stderr.Len() == 0 {
			t.Errorf("demo %v: exit code %d, says %q", args, code, stderr.String())
		}
	}
	var help strings.Builder
	if code := run(t.Context(), []string{"-help"}, io.Discard, &help); code != 0 || !strings.Contains(help.String(), "-hold") {
		t.Errorf("-help: exit code %d, says %q", code, help.String())
	}
}
