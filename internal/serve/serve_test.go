package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// site is a store with certificates that sign themselves.
type site struct {
	t     testing.TB
	store *store.Store
	made  int
}

func newSite(t testing.TB) *site {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), durable.OS{}, "here", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &site{t: t, store: s}
}

// nobody wants any name.
func nobody() map[string][]string { return nil }

func (s *site) shelf(room int) *Shelf {
	s.t.Helper()
	shelf := New(s.store, room, slog.New(slog.DiscardHandler))
	if err := shelf.Refresh(s.t.Context(), nobody); err != nil {
		s.t.Fatal(err)
	}
	return shelf
}

// publish stores a version for names, and points to it.
func (s *site) publish(cert string, names []string, types ...keys.Type) string {
	s.t.Helper()
	s.made++
	v := plan.Version{ID: fmt.Sprintf("v%d", s.made), Created: time.Unix(int64(s.made), 0).UTC()}
	record := store.VersionRecord{Certificate: cert, Chains: map[string]string{}}
	for _, of := range types {
		key, err := keys.Generate(of)
		if err != nil {
			s.t.Fatal(err)
		}
		fingerprint, err := s.store.PutKey(s.t.Context(), key)
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := chain.SelfSigned(key, names, time.Now(), time.Hour)
		if err != nil {
			s.t.Fatal(err)
		}
		record.Chains[string(of)] = string(text)
		v.Pairs = append(v.Pairs, plan.Pair{KeyType: string(of), Key: fingerprint, Request: plan.Request{Names: names}, NotAfter: time.Now().Add(time.Hour), SHA256: v.ID})
	}
	record.Version = v
	if err := s.store.PutVersion(s.t.Context(), record); err != nil {
		s.t.Fatal(err)
	}
	err := s.store.UpdateCert(s.t.Context(), cert, func(k *plan.KnownCert) error {
		k.Versions, k.Published = append(k.Versions, v), v.ID
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return v.ID
}

// hello is what a client says that asks for a name and can do everything.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256},
	}
}

// shows is the first name in the certificate that a name gets.
func shows(t *testing.T, s *Shelf, name string) []string {
	t.Helper()
	c, err := s.Get(t.Context(), hello(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return chain.Names(c.Leaf)
}

func TestNames(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("one", []string{"a.example", "192.0.2.1"}, keys.ECDSAP256)
	site.publish("wild", []string{"*.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	for name, want := range map[string]string{"a.example": "a.example", "A.Example": "a.example", "b.example": "*.example"} {
		if names := shows(t, shelf, name); !slices.Contains(names, want) {
			t.Errorf("%s gets %v", name, names)
		}
	}
	for _, name := range []string{"example", "c.b.example", "a.other", ".example"} {
		if _, err := shelf.Get(t.Context(), hello(name)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", name, err)
		}
	}
	nameless := hello("")
	nameless.Conn = conn{local: &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 443}}
	if c, err := shelf.Get(t.Context(), nameless); err != nil || !slices.Contains(chain.Names(c.Leaf), "192.0.2.1") {
		t.Errorf("by the address alone: %v", err)
	}
	nameless.Conn = conn{local: &net.TCPAddr{IP: net.ParseIP("192.0.2.2"), Port: 443}}
	if _, err := shelf.Get(t.Context(), nameless); !errors.Is(err, ErrUnknown) {
		t.Errorf("by another address: %v", err)
	}
}

type conn struct {
	net.Conn
	local net.Addr
}

func (c conn) LocalAddr() net.Addr { return c.local }

// Two certificates for a name: the later one is shown, and the other again
// when that lets go of the name.
func TestRivals(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("old", []string{"x.example", "old.example"}, keys.ECDSAP256)
	site.publish("new", []string{"x.example", "new.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	if names := shows(t, shelf, "x.example"); !slices.Contains(names, "new.example") {
		t.Errorf("shows %v, want the later one", names)
	}
	site.publish("new", []string{"new.example"}, keys.ECDSAP256)
	site.changed(shelf, "new")
	if names := shows(t, shelf, "x.example"); !slices.Contains(names, "old.example") {
		t.Errorf("shows %v, want the one that has the name", names)
	}
	if err := site.store.Forget(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Refresh(t.Context(), nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Get(t.Context(), hello("x.example")); !errors.Is(err, ErrUnknown) {
		t.Errorf("forgotten: %v", err)
	}
	if len(shelf.index.rivals) != 0 || len(shelf.index.exact) != 1 || shelf.memory.held() > 1 {
		t.Errorf("left behind: %d rivals, %d names, %d in memory", len(shelf.index.rivals), len(shelf.index.exact), shelf.memory.held())
	}
}

func (s *site) changed(shelf *Shelf, cert string) {
	s.t.Helper()
	if err := shelf.Changed(s.t.Context(), cert, func() []string { return nil }); err != nil {
		s.t.Fatal(err)
	}
}

// A new version is shown at once; one that cannot be read leaves the old one.
func TestExchange(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("a", []string{"a.example", "one.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	shows(t, shelf, "a.example")
	site.publish("a", []string{"a.example", "two.example"}, keys.ECDSAP256)
	site.changed(shelf, "a")
	if c := shelf.Held(hello("a.example")); c == nil || !slices.Contains(chain.Names(c.Leaf), "two.example") {
		t.Error("the new version is not in memory")
	}
	site.publish("a", []string{"a.example", "three.example"}, keys.ECDSAP256)
	found, err := site.store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, fingerprint := range found {
		if err := site.store.DeleteKey(t.Context(), fingerprint); err != nil {
			t.Fatal(err)
		}
	}
	site.changed(shelf, "a")
	if names := shows(t, shelf, "a.example"); !slices.Contains(names, "two.example") {
		t.Errorf("shows %v, want what can still be shown", names)
	}
}

// meddling is a context in which something happens when it is asked for the
// first time whether it has ended, while a certificate is being read.
type meddling struct {
	context.Context
	reading func() bool
	meddle  func()
}

func (m *meddling) Err() error {
	if meddle := m.meddle; meddle != nil && m.reading() {
		m.meddle = nil
		meddle()
	}
	return m.Context.Err()
}

// A version that is published while the one before is read from the disk is
// shown from then on.
func TestPublishedWhileRead(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("a", []string{"a.example", "one.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	m := &meddling{Context: t.Context(), reading: func() bool { return len(shelf.entries["a"].turn) > 0 }}
	m.meddle = func() {
		site.publish("a", []string{"a.example", "two.example"}, keys.ECDSAP256)
		site.changed(shelf, "a")
	}
	if _, err := shelf.Get(m, hello("a.example")); err != nil || m.meddle != nil {
		t.Fatalf("%v; nothing was published meanwhile: %t", err, m.meddle != nil)
	}
	if names := shows(t, shelf, "a.example"); !slices.Contains(names, "two.example") {
		t.Errorf("shows %v", names)
	}
}

// Whoever waited, while another one took over what is wanted now, does not bring
// back what was wanted before.
func TestWantedLast(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	shelf := site.shelf(10)
	var wanted atomic.Pointer[[]string]
	wanted.Store(&[]string{"old.example"})
	shelf.taking.Lock()
	done := make(chan error)
	go func() { done <- shelf.Changed(t.Context(), "a", func() []string { return *wanted.Load() }) }()
	wanted.Store(&[]string{"new.example"})
	shelf.taking.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, known := shelf.Named("old.example"); known {
		t.Error("a name that is no longer wanted is known")
	}
	if _, known := shelf.Named("new.example"); !known {
		t.Error("a name that is wanted now is not known")
	}
}

// What could not be read is read when it can be.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("a", []string{"a.example", "one.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	shows(t, shelf, "a.example")
	id := site.publish("a", []string{"a.example", "two.example"}, keys.ECDSAP256)
	record, err := site.store.Version(t.Context(), "a", id)
	if err != nil {
		t.Fatal(err)
	}
	if err := site.store.DeleteVersion(t.Context(), "a", id); err != nil {
		t.Fatal(err)
	}
	site.changed(shelf, "a")
	if names := shows(t, shelf, "a.example"); !slices.Contains(names, "one.example") {
		t.Errorf("shows %v, which is not there", names)
	}
	if err := site.store.PutVersion(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	site.changed(shelf, "a")
	if names := shows(t, shelf, "a.example"); !slices.Contains(names, "two.example") {
		t.Errorf("shows %v", names)
	}
}

func TestKeyTypes(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("a", []string{"a.example"}, keys.ECDSAP256, keys.RSA2048)
	shelf := site.shelf(10)
	for scheme, want := range map[tls.SignatureScheme]string{tls.ECDSAWithP256AndSHA256: "ECDSA", tls.PSSWithSHA256: "RSA"} {
		old := hello("a.example")
		old.SignatureSchemes = []tls.SignatureScheme{scheme}
		c, err := shelf.Get(t.Context(), old)
		if err != nil || c.Leaf.PublicKeyAlgorithm.String() != want {
			t.Errorf("%v: %v, want %s", scheme, err, want)
		}
	}
}

// Wanted and not there yet is another answer than unknown.
func TestNotYet(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	shelf := New(site.store, 10, slog.New(slog.DiscardHandler))
	if err := shelf.Refresh(t.Context(), func() map[string][]string { return map[string][]string{"a": {"a.example"}} }); err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Get(t.Context(), hello("a.example")); !errors.Is(err, ErrNotYet) {
		t.Errorf("%v, want ErrNotYet", err)
	}
	if wanted, served := shelf.Of("a.example"); !wanted || served {
		t.Errorf("wanted %v, served %v", wanted, served)
	}
	site.publish("a", []string{"a.example"}, keys.ECDSAP256)
	site.changed(shelf, "a")
	shows(t, shelf, "a.example")
}

// However many certificates there are, no more are in memory than there is
// room for, and those that are asked for often stay.
func TestRoom(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	const certs, room = 60, 10
	for i := range certs {
		site.publish(fmt.Sprint("c", i), []string{fmt.Sprintf("n%d.example", i)}, keys.ECDSAP256)
	}
	shelf := site.shelf(room)
	for i := range certs {
		shows(t, shelf, fmt.Sprintf("n%d.example", i))
		shows(t, shelf, "n0.example")
		if n := shelf.memory.held(); n > room {
			t.Fatalf("%d in memory, want %d at most", n, room)
		}
		if shelf.Held(hello("n0.example")) == nil {
			t.Fatalf("the certificate that is asked for all the time is not in memory after %d others", i)
		}
	}
}

// A hit allocates nothing.
func TestHitsAreFree(t *testing.T) {
	site := newSite(t)
	site.publish("a", []string{"a.example"}, keys.ECDSAP256)
	site.publish("b", []string{"*.b.example"}, keys.ECDSAP256)
	site.publish("c", []string{"c.example"}, keys.ECDSAP256, keys.RSA2048)
	shelf := site.shelf(10)
	rsa := clientHello(t, &tls.Config{ServerName: "c.example"})
	rsa.SignatureSchemes = slices.DeleteFunc(rsa.SignatureSchemes, func(s tls.SignatureScheme) bool { return slices.Contains(usableFor(&ecdsa.PublicKey{}).family, s) })
	for name, client := range map[string]*tls.ClientHelloInfo{
		"one": hello("a.example"), "a wildcard": hello("x.b.example"), "two": clientHello(t, &tls.Config{ServerName: "c.example"}), "two, by RSA": rsa,
	} {
		shows(t, shelf, client.ServerName)
		if n := testing.AllocsPerRun(1000, func() {
			if shelf.Held(client) == nil {
				t.Fatal("not in memory")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// clientHello is what a client of crypto/tls says.
func clientHello(t *testing.T, c *tls.Config) *tls.ClientHelloInfo {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go func() { _ = tls.Client(client, c).HandshakeContext(t.Context()) }()
	var said *tls.ClientHelloInfo
	_ = tls.Server(server, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		said = hello
		return nil, io.EOF
	}}).HandshakeContext(t.Context())
	if said == nil {
		t.Fatal("the client said nothing")
	}
	return said
}

// Whoever waits for a certificate to be read waits no longer than it wants.
func TestWaitsNoLonger(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.publish("a", []string{"a.example"}, keys.ECDSAP256)
	shelf := site.shelf(10)
	for range cap(shelf.slots) {
		shelf.slots <- struct{}{} // all who may read are busy
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := shelf.Get(ctx, hello("a.example")); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
}

// An OCSP response is stapled until it ends.
func TestStapleEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	one := served{ends: now.Add(time.Hour)}
	one.stapled.OCSPStaple = []byte("good")
	if one.certificate(now).OCSPStaple == nil {
		t.Error("not stapled while it counts")
	}
	if one.certificate(now.Add(2*time.Hour)).OCSPStaple != nil {
		t.Error("stapled after its end")
	}
}
