package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
)

// What a process was told and could not store, it remembers. What it has read
// from the store, perhaps written under a clock that was ahead, gives way to
// what the store says now.
func TestKeepTransientAdvice(t *testing.T) {
	t.Parallel()
	now := time.Now()
	certWith := func(a plan.Advice) *plan.KnownCert {
		a.CertID = "id"
		return &plan.KnownCert{
			Published: "v", Versions: []plan.Version{{ID: "v", Pairs: []plan.Pair{{KeyType: "rsa-2048", CertID: "id"}}}},
			Advice: map[string]plan.Advice{"rsa-2048": a},
		}
	}
	for name, c := range map[string]struct {
		from plan.Advice
		want time.Time
	}{
		"told, and not stored":         {plan.Advice{Asked: now.Add(time.Minute), Unstored: true}, now.Add(time.Minute)},
		"not stored, but stored since": {plan.Advice{Asked: now.Add(-time.Minute), Unstored: true}, now},
		"read under a clock ahead":     {plan.Advice{Asked: now.Add(1000 * time.Hour)}, now},
	} {
		to := certWith(plan.Advice{Asked: now})
		keepTransient(to, certWith(c.from))
		if got := to.Advice["rsa-2048"].Asked; !got.Equal(c.want) {
			t.Errorf("%s: asked %v, want %v", name, got, c.want)
		}
	}
}

// TestWindowOfWhatIsStillServed: a certificate that waits for a change of keys
// to come to its end says nothing of the one that is served. When its window
// may be asked for again stays known.
func TestWindowOfWhatIsStillServed(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	veto := f.script("veto", `test "$CERTKEEP_CERTIFICATE" != b.test || ! test -e "`+f.dir+`/no"`)
	f.configure(`keys: {both: {}}
hooks: {renewing: {command: ` + veto + `}}
certificates: {a.test: {key: both, renew: {ari: true}}, b.test: {key: both}}
`)
	f.apply()
	if err := os.WriteFile(filepath.Join(f.dir, "no"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := f.known("a.test").Advice[ec256]
	f.ask(plan.AskRollover, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	known := f.known("a.test")
	if known.Rolled == "" || before.CertID == "" {
		t.Fatalf("nothing waits, or no window was asked for: %+v, %+v", known, before)
	}
	if after := known.Advice[ec256]; after != before {
		t.Errorf("the window is %+v, was %+v", after, before)
	}
	if err := os.Remove(filepath.Join(f.dir, "no")); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	known = f.known("a.test")
	version, _ := known.Version(known.Published)
	if got, want := known.Advice[ec256].CertID, version.Pairs[0].CertID; got != want {
		t.Errorf("a renewed certificate's window is %s, want %s", got, want)
	}
}

// An instant is drawn once inside a window, kept while the window stays, and
// drawn again once it moves. The CA is asked again when it says.
func TestAdviceIsDrawnOnceAndFollowsAMovedWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	hours := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	info := issuer.RenewalInfo{Start: hours(100), End: hours(148), RetryAfter: 6 * time.Hour}
	first := advised(plan.Advice{}, "id", &info, nil, now, 0.5)
	if !first.At.Equal(hours(124)) || !first.AskAgain.Equal(hours(6)) || !first.Asked.Equal(now) {
		t.Fatalf("first answer: %+v", first)
	}
	info.RetryAfter, info.URL = 2*time.Hour, "https://ca.example/why"
	same := advised(first, "id", &info, nil, hours(6), 0.9)
	if !same.At.Equal(first.At) || !same.AskAgain.Equal(hours(8)) || same.URL != info.URL {
		t.Errorf("the same window: %+v", same)
	}
	info.Start, info.End = hours(-2), hours(-1)
	if moved := advised(same, "id", &info, nil, hours(8), 0.5); !moved.At.Equal(hours(-2).Add(30 * time.Minute)) {
		t.Errorf("a window moved to the past: %+v", moved)
	}
	if other := advised(same, "another", &info, nil, hours(8), 0); !other.At.Equal(info.Start) || other.CertID != "another" {
		t.Errorf("of another certificate: %+v", other)
	}
}
