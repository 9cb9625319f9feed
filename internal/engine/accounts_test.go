package engine

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/store"
)

// TestAccountCareSurvivesAnyFault lets every write go wrong while an account's
// key is changed, or the account is replaced or ended: the next run knows
// which key counts, and issues.
func TestAccountCareSurvivesAnyFault(t *testing.T) {
	l := newLife(t)
	l.config = "certificates: {a.test: {}}\n"
	l.prepare(t, func(*fixture) {})
	// Each case has an account of its own, since the CA remembers them all.
	begin := func(t *testing.T) (*fixture, string) {
		f := l.begin(t)
		account, err := f.RegisterAccount(t.Context(), "pebble")
		if err != nil {
			t.Fatal(err)
		}
		return f, account.URL
	}
	for _, care := range []struct {
		name  string
		do    func(*fixture) error
		stays bool // the account is the same afterwards
	}{
		{"roll-key", func(f *fixture) error { _, err := f.RollAccountKey(f.Context(), "pebble"); return err }, true},
		{"reset", func(f *fixture) error { _, err := f.ResetAccount(f.Context(), "pebble"); return err }, false},
		{"deactivate", func(f *fixture) error { return f.DeactivateAccount(f.Context(), "pebble") }, false},
	} {
		t.Run(care.name, func(t *testing.T) {
			f, _ := begin(t)
			l.disk.Disarm()
			if err := care.do(f); err != nil {
				t.Fatal(err)
			}
			ops := l.disk.Ops()
			for i, fault := range faultfs.Faults() {
				for n := 1; n <= len(ops); n++ {
					if os.Getenv("CERTKEEP_SWEEP") != "all" && (n+i)%3 != 0 {
						continue
					}
					f, registered := begin(t)
					l.disk.Arm(n, fault)
					failed := care.do(f)
					l.disk.Disarm()
					f.reopen()
					l.configure(f)
					f.apply()
					f.checkServed("a.test")
					account, err := f.store.Account(t.Context(), "pebble")
					if err != nil || account.Status != store.AccountValid || account.Intention != nil {
						t.Errorf("account = %+v, %v", account, err)
					}
					if same := account.URL == registered; care.stays && !same || !care.stays && same && failed == nil {
						t.Errorf("the account was %s, is %s", registered, account.URL)
					}
					if t.Failed() {
						t.Fatalf("so it was after %v at %d, %+v", fault, n, ops[n-1])
					}
				}
			}
		})
	}
}

// TestFullDiskIsLeftInPeace runs for a day on a disk that is full: what cannot
// be counted is not tried, and a failure that cannot be stored waits as well.
func TestFullDiskIsLeftInPeace(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	cfg := f.config("certificates: {a.test: {}, b.test: {}}\n")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(durable.NoSync{})
		f.T, f.disk = t, disk
		f.reopen()
		if err := f.Configure(cfg); err != nil {
			t.Fatal(err)
		}
		disk.Arm(1, faultfs.Full)
		ended := make(chan error)
		go func() { ended <- f.Engine.Run(t.Context()) }()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := disk.Count(); n == 0 || n > 100 {
			t.Errorf("%d changes were tried in a day: %v", n, disk.Tally())
		}
		t.Cleanup(func() { <-ended })
	})
	if n := f.ca.Count(); n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
}
