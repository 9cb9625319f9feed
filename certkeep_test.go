package certkeep_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep"
	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// site is a program with two ports, and a CA that knows them.
type site struct {
	t     *testing.T
	ca    *acmetest.CA
	dir   string
	tls   net.Listener
	plain net.Listener
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.tls, s.plain = listen(t), listen(t)
	s.ca = acmetest.Start(t, acmetest.Options{HTTPPort: port(s.plain), TLSPort: port(s.tls)})
	if err := os.WriteFile(filepath.Join(s.dir, "roots.pem"), s.ca.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// config is one that keeps certificates in the state folder alone.
func (s *site) config(more string) string {
	return fmt.Sprintf("state: %s/state\nemail: admin@a.example\naccept_terms: true\n"+
		"issuers: {pebble: {directory: %q, roots_file: %s/roots.pem}}\ndefaults: {issuer: pebble, files: []}\n%s", s.dir, s.ca.DirectoryURL(), s.dir, more)
}

// open opens a Keeper and serves by it on both ports.
func (s *site) open(o certkeep.Options) *certkeep.Keeper {
	s.t.Helper()
	k := s.keeper(o)
	s.serve(s.tls, k.HTTPHandler(http.HandlerFunc(hallo)), k.TLSConfig())
	s.serve(s.plain, k.HTTPHandler(nil), nil)
	return k
}

func (s *site) keeper(o certkeep.Options) *certkeep.Keeper {
	s.t.Helper()
	o.Log = slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	k, err := certkeep.Open(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := k.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return k
}

func hallo(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hallo") }

func (s *site) serve(l net.Listener, h http.Handler, c *tls.Config) {
	server := &http.Server{Handler: h, TLSConfig: c, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() {
		if c == nil {
			_ = server.Serve(l)
		} else {
			_ = server.ServeTLS(l, "", "")
		}
	}()
	s.t.Cleanup(func() { _ = server.Close() })
}

// shows is what the TLS port shows to whoever asks for a name.
func (s *site) shows(name string) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", s.tls.Addr().String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	state := c.(*tls.Conn).ConnectionState()
	return &state, nil
}

// waits for a certificate of the CA that is not the one before.
func (s *site) awaits(name, before string) string {
	s.t.Helper()
	last := ""
	for range s.looks() {
		state, err := s.shows(name)
		if err != nil {
			last = err.Error()
			continue
		}
		leaf := state.PeerCertificates[0]
		last = leaf.Subject.String() + " by " + leaf.Issuer.String()
		if strings.Contains(leaf.Issuer.CommonName, "Pebble") && leaf.SerialNumber.String() != before {
			return leaf.SerialNumber.String()
		}
	}
	s.t.Fatalf("%s shows %s", name, last)
	return ""
}

// looks are instants to look at something that is about to happen.
func (s *site) looks() <-chan time.Time {
	many := make(chan time.Time)
	go func() {
		defer close(many)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range 3000 {
			select {
			case at := <-tick.C:
				many <- at
			case <-s.t.Context().Done():
				return
			}
		}
	}()
	return many
}

// renew asks whoever has the state for a new certificate.
func (s *site) renew(name string) {
	s.t.Helper()
	if err := s.ask(name); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) ask(name string) error {
	client, err := daemon.Dial(s.t.Context(), filepath.Join(s.dir, "state"))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Ask(s.t.Context(), daemon.Ask{Kind: plan.AskRenew, Names: []string{name}}, func(engine.Progress) {})
	return err
}

// A program without a single rule gets its certificate through its own ports:
// by tls-alpn-01, and with HTTPHandler alone by http-01.
func TestServes(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{"default": "", "http-01": "challenges: [{http-01: {}}]\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.open(certkeep.Options{Config: s.config(rule + "certificates: {a.example: {names: [a.example, b.example], key_types: [ecdsa-p256, rsa-2048]}}\n")})
			first := s.awaits("b.example", "")
			state, err := s.shows("a.example")
			if err != nil || state.PeerCertificates[0].SerialNumber.String() != first || state.NegotiatedProtocol == "acme-tls/1" {
				t.Errorf("a.example shows another one: %v", err)
			}
			if _, err := s.shows("c.example"); err == nil {
				t.Error("a name that nobody wants is served")
			}
			s.renew("a.example")
			s.awaits("a.example", first)
		})
	}
}

// Before the first certificate is there, the handshake is answered, and the
// site is not.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open(certkeep.Options{Config: strings.Replace(s.config("certificates: {a.example: {}}\n"), s.ca.DirectoryURL(), "https://127.0.0.1:1/", 1)})
	web := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.tls.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "a.example"},
	}}
	answer, err := web.Get("https://a.example/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if org := answer.TLS.PeerCertificates[0].Subject.Organization; answer.StatusCode != http.StatusServiceUnavailable || len(org) != 1 || org[0] != chain.PlaceholderOrganization {
		t.Errorf("answered %d under a certificate of %v", answer.StatusCode, org)
	}
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.plain.Addr().String()+"/x?y", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "a.example"
	sent, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer sent.Body.Close()
	if to := sent.Header.Get("Location"); sent.StatusCode != http.StatusFound || to != "https://a.example/x?y" {
		t.Errorf("answered %d, sent to %q", sent.StatusCode, to)
	}
}

// Two processes on one state: the second one serves what the first one keeps,
// follows it, and takes over when it ends.
func TestBesideAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	config := s.config("certificates: {a.example: {}}\n")
	first := s.open(certkeep.Options{Config: config})
	one := s.awaits("a.example", "")
	s.tls = listen(t)
	second := s.keeper(certkeep.Options{Config: config})
	s.serve(s.tls, http.HandlerFunc(hallo), second.TLSConfig())
	if again := s.awaits("a.example", ""); again != one {
		t.Error("the second process shows another certificate")
	}
	s.renew("a.example")
	two := s.awaits("a.example", one)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if again := s.awaits("a.example", ""); again != two {
		t.Error("the end of the first process took the certificate away")
	}
	s.held()
}

// Names that are not declared are had where the program allows it, and kept
// by its next process.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var asked atomic.Int32
	options := certkeep.Options{
		Config: s.config(""), Wait: time.Minute,
		OnDemand: func(_ context.Context, name string) error {
			asked.Add(1)
			if !strings.HasSuffix(name, ".shop.example") {
				return errors.New("no customer of ours")
			}
			return nil
		},
	}
	k := s.open(options)
	s.awaits("One.shop.example", "")
	for range 3 {
		if _, err := s.shows("evil.example"); err == nil {
			t.Error("a name that was refused is served")
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want once for each name", n)
	}
	for _, name := range []string{"*.shop.example", "..shop.example", "shop"} {
		if _, err := s.shows(name); err == nil {
			t.Errorf("%q is served", name)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	s.tls, s.plain = listen(t), listen(t)
	s.open(options)
	before := s.awaits("one.shop.example", "")
	s.held()
	if n := asked.Load(); n > 3 || before == "" {
		t.Errorf("asked %d times, want not again but for the review", n)
	}
}

// A CA that does not answer holds no handshake up for longer than allowed.
func TestHandshakeDoesNotHang(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hung := listen(t) // accepts, and says nothing
	var asked atomic.Int32
	s.open(certkeep.Options{
		Config: strings.Replace(s.config(""), s.ca.DirectoryURL(), "https://"+hung.Addr().String()+"/", 1), Wait: 50 * time.Millisecond,
		OnDemand: func(context.Context, string) error { asked.Add(1); return nil },
	})
	s.held()
	_, err := s.shows("a.example")
	if err == nil || !strings.Contains(err.Error(), "internal error") { // the alert of a server without a certificate
		t.Errorf("the handshake ended by %v", err)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times for one name", asked.Load())
	}
}

// held returns once somebody has the state.
func (s *site) held() {
	s.t.Helper()
	for range s.looks() {
		if client, err := daemon.Dial(s.t.Context(), filepath.Join(s.dir, "state")); err == nil {
			_ = client.Close()
			return
		}
	}
	s.t.Fatal("nobody has the state")
}

// The status page of a program says what the daemon's says.
func TestStatusHandler(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.open(certkeep.Options{Config: s.config("certificates: {a.example: {}}\n")})
	s.awaits("a.example", "")
	h, err := k.StatusHandler()
	if err != nil {
		t.Fatal(err)
	}
	page := listen(t)
	s.serve(page, h, nil)
	for path, want := range map[string]string{
		"/": "a.example", "/api/v1/certificates": `"a.example"`, "/metrics": `certkeep_certificate_expiration_timestamp_seconds{`,
		"/metrics?1": `certkeep_acme_client_requests_total{issuer_name="`, "/metrics?2": `certkeep_acme_client_request_duration_seconds_bucket{issuer_name="`,
		"/metrics?3": `certkeep_issue_attempts_total{result="success"} 1`, "/metrics?4": `certkeep_events_total{event="issued"} 1`,
	} {
		shows(t, "http://"+page.Addr().String()+path, want)
	}
}

// shows waits until a page says something: a step is counted when it has ended,
// which is after what it brought is served.
func shows(t *testing.T, url, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err == nil && answer.StatusCode == http.StatusOK && strings.Contains(string(text), want) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: %d, %v, without %s:\n%.2000s", url, answer.StatusCode, err, want, text)
			return
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]certkeep.Options{
		"both":    {ConfigFile: "/x", Config: "state: /x"},
		"unknown": {Config: "stat: /x"},
		"missing": {ConfigFile: "/nonexistent/certkeep.yaml"},
	} {
		if k, err := certkeep.Open(o); err == nil {
			_ = k.Close()
			t.Errorf("%s: opened", name)
		}
	}
}
