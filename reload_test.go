package certkeep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/store"
)

// A process beside the one that has the state takes over the names of a
// configuration that changed: Reload itself, and not only whoever orders.
func TestReloadBesideAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	silent := func(certificates string) string {
		return strings.Replace(s.config(certificates), s.ca.DirectoryURL(), "https://127.0.0.1:1/", 1)
	}
	s.keeper(certkeep.Options{Config: silent("certificates: {a.example: {}}\n")})
	s.held()
	file := filepath.Join(s.dir, "certkeep.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(silent("certificates: {a.example: {}}\n"))
	k := s.keeper(certkeep.Options{ConfigFile: file})
	s.serve(s.tls, k.HTTPHandler(nil), k.TLSConfig())
	if _, err := s.shows("b.example"); err == nil {
		t.Error("a name that nobody wants is answered")
	}
	write(silent("certificates: {b.example: {}}\n"))
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.shows("b.example"); err != nil {
		t.Errorf("after the reload: %v", err)
	}
	if _, err := s.shows("a.example"); err == nil {
		t.Error("a name that is no longer wanted, and has no certificate, is answered")
	}
}

// Who takes the state over renews what visitors asked the process before for,
// while both ran.
func TestNamesOnDemandAreTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	options := certkeep.Options{Config: s.config(""), Wait: time.Minute, OnDemand: func(context.Context, string) error { return nil }}
	first := s.open(options)
	s.held()
	s.keeper(options)
	s.awaits("one.shop.example", "")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.held()
	var last error
	for range s.looks() {
		if last = s.ask("one.shop.example"); last == nil {
			return
		}
	}
	t.Errorf("the second process does not know the name: %v", last)
}

// What was had on demand is asked about again as soon as a process has the
// state, not only a day later: a program may be started anew each day.
func TestNamesOnDemandAreReviewedAtTheStart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	config := s.config("")
	demands := func() []string {
		t.Helper()
		reader, err := store.Open(t.Context(), filepath.Join(s.dir, "state"), durable.OS{}, "", store.Reader)
		if err != nil {
			t.Fatal(err)
		}
		names, err := reader.Demands(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	k := s.open(certkeep.Options{Config: config, Wait: time.Minute, OnDemand: func(context.Context, string) error { return nil }})
	shown := s.awaits("one.shop.example", "")
	if got := demands(); len(got) != 1 {
		t.Fatalf("stored are %v", got)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	s.tls, s.plain = listen(t), listen(t)
	s.open(certkeep.Options{Config: config, Wait: time.Minute, OnDemand: func(context.Context, string) error { return fmt.Errorf("gone: %w", certkeep.ErrNotAllowed) }})
	for range s.looks() {
		if len(demands()) == 0 {
			break
		}
	}
	if got := demands(); len(got) > 0 {
		t.Errorf("still stored are %v", got)
	}
	if again := s.awaits("one.shop.example", ""); again != shown {
		t.Error("its certificate is shown no more")
	}
}
