package certkeep

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/serve"
	"github.com/certkeep/certkeep/internal/store"
)

// newHolder is a Keeper that has the state and orders nothing.
func newHolder(t *testing.T, more string, onDemand func(context.Context, string) error) *Keeper {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, durable.OS{}, "here", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	k := &Keeper{
		options: Options{Config: "state: " + dir + "\naccept_terms: true\ndefaults: {files: []}\n" + more, OnDemand: onDemand, Wait: 10 * time.Second},
		log:     slog.New(slog.NewTextHandler(t.Output(), nil)), reload: make(chan struct{}, 1), ctx: t.Context(),
	}
	k.demand = newDemand(k)
	k.shelf = serve.New(s, 10, k.log)
	cfg, err := k.load()
	if err != nil {
		t.Fatal(err)
	}
	k.config.Store(cfg)
	k.engine.Store(engine.New(engine.Options{Store: s, Log: k.log}))
	return k
}

// kept are the names that the store and the Keeper know as wanted.
func kept(t *testing.T, k *Keeper) []string {
	t.Helper()
	stored, err := k.engine.Load().Store.Demands(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(stored)
	if names := k.demand.names(); !slices.Equal(names, stored) {
		t.Errorf("stored are %v, known %v", stored, names)
	}
	return stored
}

// What a database that is down answers lets go of no name; a clear answer does.
func TestReview(t *testing.T) {
	t.Parallel()
	var answer error
	k := newHolder(t, "", func(context.Context, string) error { return answer })
	for _, name := range []string{"a.example", "b.example"} {
		if err := k.demand.allow(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for _, answer = range []error{nil, errors.New("no connection"), context.DeadlineExceeded} {
		k.demand.reviewAll(t.Context(), k.demand.names())
		if names := kept(t, k); len(names) != 2 {
			t.Errorf("%v: kept are %v", answer, names)
		}
	}
	answer = fmt.Errorf("%w: no customer", ErrNotAllowed)
	k.demand.reviewAll(t.Context(), []string{"a.example"})
	if names := kept(t, k); !slices.Equal(names, []string{"b.example"}) {
		t.Errorf("after %v: kept are %v", answer, names)
	}
}

// publish stores a certificate that signs itself, and has it served.
func publish(t *testing.T, k *Keeper, name string, now time.Time) {
	t.Helper()
	s := k.engine.Load().Store
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := s.PutKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := chain.SelfSigned(key, []string{name}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	v := plan.Version{ID: fmt.Sprint("v", now.Unix()), Created: now.UTC(), Pairs: []plan.Pair{{
		KeyType: string(keys.ECDSAP256), Key: fingerprint, Request: plan.Request{Names: []string{name}}, NotAfter: now.Add(time.Hour), SHA256: fmt.Sprintf("%x", len(block.Bytes)),
	}}}
	if err := s.PutVersion(t.Context(), store.VersionRecord{Certificate: name, Version: v, Chains: map[string]string{string(keys.ECDSAP256): string(text)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateCert(t.Context(), name, func(known *plan.KnownCert) error {
		known.Versions, known.Published = append(known.Versions, v), v.ID
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.shelf.Refresh(t.Context(), k.wanted); err != nil {
		t.Fatal(err)
	}
	k.demand.told()
}

// visit is the certificate that a visitor of a name is shown.
func visit(t *testing.T, k *Keeper, name string) (*x509.Certificate, error) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() {
		if err := tls.Server(there, k.TLSConfig()).HandshakeContext(t.Context()); err != nil {
			_ = there.Close() // the visitor sees it
		}
	}()
	c := tls.Client(here, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := c.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func hasEnded(c *x509.Certificate) bool { return time.Now().After(c.NotAfter) }

// A visitor of a name that was let go of has a certificate ordered once the
// last one has ended, and sees the one that ended where he is refused.
func TestAskedAgainAfterTheEnd(t *testing.T) {
	t.Parallel()
	const name = "a.example"
	answer, asked := ErrNotAllowed, 0
	var k *Keeper
	k = newHolder(t, "", func(context.Context, string) error {
		asked++
		if answer == nil {
			publish(t, k, name, time.Now())
		}
		return answer
	})
	publish(t, k, name, time.Now().Add(-2*time.Hour))
	for range 2 {
		if c, err := visit(t, k, name); err != nil || !hasEnded(c) {
			t.Fatalf("where it is refused: %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within a minute after it was refused", asked)
	}
	answer = nil
	clear(k.demand.refused)
	for range 2 {
		if c, err := visit(t, k, name); err != nil || hasEnded(c) {
			t.Fatalf("where it is allowed: %v", err)
		}
	}
	if asked != 2 || !k.demand.has(name) {
		t.Errorf("asked %d times; wanted: %t", asked, k.demand.has(name))
	}
}

// One that the configuration declares is nobody's to ask for, ended or not.
func TestDeclaredIsNotAskedFor(t *testing.T) {
	t.Parallel()
	k := newHolder(t, "certificates: {a.example: {}}\n", func(context.Context, string) error { return nil })
	publish(t, k, "a.example", time.Now().Add(-2*time.Hour))
	if c, err := visit(t, k, "a.example"); err != nil || !hasEnded(c) || k.demand.has("a.example") {
		t.Errorf("%v; asked for: %t", err, k.demand.has("a.example"))
	}
}

// zoned is a configuration that takes names below shop.example only.
const zoned = "dns: {m: {provider: rfc2136, server: 127.0.0.1:53, zones: [shop.example]}}\nchallenges: [{dns-01: {via: m}}]\n"

// A name that the configuration does not take is not stored.
func TestUnfitIsNotStored(t *testing.T) {
	t.Parallel()
	k := newHolder(t, zoned, func(context.Context, string) error { return nil })
	if err := k.demand.allow(t.Context(), "a.shop.example"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"whose zones are shop.example", ErrRefused.Error()} {
		if err := k.demand.allow(t.Context(), "a.evil.example"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if names := kept(t, k); !slices.Equal(names, []string{"a.shop.example"}) {
		t.Errorf("stored are %v", names)
	}
}

// Names that a configuration does not take any more are left out alone, until
// it takes them again.
func TestOnlyUnfitAreLeftOut(t *testing.T) {
	t.Parallel()
	k := newHolder(t, zoned, func(context.Context, string) error { return nil })
	k.demand.stored([]string{"a.shop.example", "b.evil.example", "c.shop.example", "d.shop.example", "e.evil.example"})
	for _, test := range []struct {
		replace  string
		want     []string
		problems int
	}{
		{"[shop.example]", []string{"a.shop.example", "c.shop.example", "d.shop.example"}, 1},
		{"[shop.example, evil.example]", k.demand.names(), 0},
	} {
		k.options.Config = strings.Replace(k.options.Config, "[shop.example]", test.replace, 1)
		cfg, err := k.load()
		if err != nil {
			t.Fatal(err)
		}
		k.config.Store(cfg)
		if got := slices.Sorted(maps.Keys(k.wanted())); !slices.Equal(got, test.want) || len(k.problems()) != test.problems {
			t.Errorf("wanted are %v with problems %v", got, k.problems())
		}
	}
}

// An OnDemand that panics refuses, keeps nobody waiting, and lets go of nothing.
func TestPanics(t *testing.T) {
	t.Parallel()
	k := newHolder(t, "", func(context.Context, string) error { panic("nil map") })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, want := range []string{"OnDemand panicked: nil map", ErrRefused.Error()} {
		err := func() (err error) {
			defer func() { // as net/http does
				if cause := recover(); cause != nil {
					t.Errorf("the visitor's goroutine panics: %v", cause)
				}
			}()
			return k.demand.allow(ctx, "a.example")
		}()
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if len(k.demand.asking) > 0 || len(k.demand.slots) > 0 {
		t.Errorf("%d are asked about for ever, in %d slots", len(k.demand.asking), len(k.demand.slots))
	}
	if err := k.engine.Load().Store.Demand(t.Context(), "b.example"); err != nil {
		t.Fatal(err)
	}
	k.demand.stored([]string{"b.example"})
	k.demand.reviewAll(t.Context(), k.demand.names())
	if names := kept(t, k); !slices.Equal(names, []string{"b.example"}) {
		t.Errorf("kept are %v", names)
	}
}
