package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// TestQuarantine: a name that cannot be proven is set aside once it is known
// for that, and the others get their certificate; it asks for no certificate
// again and again; it comes back after it is mended, also under renewals
// meanwhile. A protected one is never set aside.
func TestQuarantine(t *testing.T) {
	var bad atomic.Pointer[string]
	say := func(name string) { bad.Store(&name) }
	say("bad.test")
	validate := func(_ context.Context, _, name, _, _ string) error {
		if name == *bad.Load() {
			return errors.New("nothing there")
		}
		return nil
	}
	inFleet(t, map[string]fakeca.Options{"one": {Validate: validate}}, func(f *fleet) {
		f.config = `issuers: {one: {directory: "https://one.test/directory"}}
defaults: {path: $DIR/out, renew: {ari: false}, issuer: [one], quarantine: true}
certificates: {good.test: {names: [good.test, bad.test, other.test]}}
`
		f.start(f.wire)
		one := f.cas["one"]
		time.Sleep(2 * time.Hour)
		f.wantNames("good.test", "other.test")
		if codes := f.codes(); !slices.Equal(codes, []plan.Code{plan.CodeAside}) {
			t.Errorf("problems %q, want one of a name that is set aside", codes)
		}
		time.Sleep(30 * day)
		if got := len(one.Issuances()); got != 1 {
			t.Errorf("%d certificates were issued in a month, want 1", got)
		}
		time.Sleep(40 * day) // renewed without it
		f.wantNames("good.test", "other.test")
		f.stop()
		say("nothing.test")
		f.start(f.wire)
		time.Sleep(2 * day)
		f.wantNames("bad.test", "good.test", "other.test")
		if codes := f.codes(); len(codes) != 0 {
			t.Errorf("problems %q", codes)
		}
		if got := len(one.Issuances()); got != 3 {
			t.Errorf("%d certificates were issued, want 3", got)
		}
		say("good.test")
		time.Sleep(65 * day)
		f.wantNames("bad.test", "good.test", "other.test")
		if codes := f.codes(); slices.Contains(codes, plan.CodeAside) || !slices.Contains(codes, plan.CodeChallenge) {
			t.Errorf("problems %q of a protected name that fails", codes)
		}
	})
}

// wantNames compares the names of what the CA signed last.
func (f *fleet) wantNames(names ...string) {
	f.Helper()
	all := f.cas["one"].Issuances()
	if len(all) == 0 {
		f.Fatal("no certificate was issued")
	}
	got := slices.Sorted(slices.Values(all[len(all)-1].Names))
	if !slices.Equal(got, names) {
		f.Errorf("the last certificate is for %s, want %s", strings.Join(got, ", "), strings.Join(names, ", "))
	}
}

// codes are those of all problems.
func (f *fleet) codes() []plan.Code {
	f.Helper()
	var codes []plan.Code
	for _, p := range f.problems() {
		codes = append(codes, p.Code)
	}
	return codes
}
