package engine

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestClockOfThisMachine sets our own clock far back, and far ahead, between
// an issue and the next pass. Nothing is ordered and no file is touched; a
// critical problem names the clock; and once it is right again, all is as
// before, as if those passes had not been.
func TestClockOfThisMachine(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	const config = "certificates: {a.test: {}}\n"
	f.configure(config)
	f.apply()
	installed := f.installedTree("a.test")
	published := f.known("a.test").Published
	for name, wrong := range map[string]time.Duration{"behind": 0, "ahead": 60 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			f.ca.ResetRequests()
			synctest.Test(t, func(t *testing.T) { // where it is midnight UTC 2000-01-01
				time.Sleep(wrong)
				f.T = t
				f.reopen()
				f.configure(config)
				if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
					t.Error(err)
				}
				if problem := f.problem(plan.CodeClock); problem.Severity != plan.Critical || problem.Remedy == "" {
					t.Errorf("problem = %+v", problem)
				}
				f.closeIssuers()
			})
			if n := f.ca.Count(acmetest.NewOrder, acmetest.NewAccount); n != 0 {
				t.Errorf("the CA was asked for %d accounts and orders", n)
			}
			if differ := faultfs.Differ(installed, f.installedTree("a.test")); len(differ) > 0 {
				t.Errorf("changed: %q", differ)
			}
		})
	}
	f.T = t
	f.reopen()
	f.configure(config)
	f.apply()
	f.checkServed("a.test")
	if k := f.known("a.test"); k.Published != published || f.ca.Count(acmetest.NewOrder) != 0 {
		t.Errorf("published %s, was %s", k.Published, published)
	}
	before, asked := f.tree(), f.ca.Count()
	if again := f.apply(); len(again.Done) != 0 || f.ca.Count() != asked {
		t.Errorf("a further pass did %+v", again.Done)
	}
	if differ := faultfs.Differ(before, f.tree()); len(differ) > 0 {
		t.Errorf("a further pass changed %q in %s", differ, filepath.Base(f.dir))
	}
}

// closeIssuers ends the connections to CAs.
func (f *fixture) closeIssuers() {
	for _, auth := range f.current().issuers {
		auth.mu.Lock()
		if auth.ca != nil {
			auth.ca.Close()
		}
		auth.mu.Unlock()
	}
}

// A service that was told under a clock that was years ahead is not looked at
// every other second for years.
func TestFreshUntil(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for told, want := range map[time.Time]time.Time{
		now.Add(-time.Hour):  now.Add(freshFor - time.Hour),
		now:                  now.Add(freshFor),
		now.AddDate(3, 0, 0): now.Add(freshFor),
	} {
		if got := freshUntil(now, told); !got.Equal(want) {
			t.Errorf("told at %v: until %v, want %v", told, got, want)
		}
	}
}

// A renewal brings another key, and so other pins, whether or not a header names
// them: services that were just told of it are taking over all the same.
func TestTakingOver(t *testing.T) {
	now := time.Now()
	told := plan.Target{At: now, Reloaded: []string{"web"}, Verify: plan.VerifyFact{Pins: "of the key before"}}
	for name, c := range map[string]struct {
		fact   plan.Target
		header time.Time
		want   time.Time
	}{
		"told of a renewal":          {told, time.Time{}, now.Add(freshFor)},
		"told of a header before it": {told, now.Add(-time.Second), now.Add(freshFor)},
		"told of a header since":     {plan.Target{At: now.Add(-time.Hour), Reloaded: told.Reloaded}, now, now.Add(freshFor)},
		"nobody was told":            {plan.Target{At: now}, now, time.Time{}},
		"told an hour ago":           {plan.Target{At: now.Add(-time.Hour), Reloaded: told.Reloaded}, time.Time{}, now.Add(freshFor - time.Hour)},
	} {
		w := &worker{known: &plan.KnownCert{Targets: map[string]plan.Target{plan.CompanionHPKP: {At: c.header}}}}
		if got := w.takingOver(c.fact, "of the new key"); !got.Equal(c.want) {
			t.Errorf("%s: until %v, want %v", name, got, c.want)
		}
	}
}
