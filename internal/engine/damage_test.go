package engine

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// TestDamagedRecords spoils a record of each kind. The certificate is made
// good, or its failure says what to do; no order is opened that is not needed;
// the other certificate goes on.
func TestDamagedRecords(t *testing.T) {
	const config = "certificates: {a.test: {}, b.test: {issuer: [other]}}\n"
	// Every kind of damage to every kind of record is tried in the store's tests.
	damages := []string{`{"format":1,`, "", "\x00\x00\x00\x00", `{"format":1,"group":"x","issuer":"x","certificate":"x"}`}
	for i, test := range []struct {
		name, record string
		ask          plan.AskKind // what is asked for then
		bare         bool         // the installed files are gone too
		orders       int          // that are needed
		code         plan.Code    // of the failure; "" where there is none
	}{
		{"group", "groups/a.test.json", plan.AskApply, false, 0, ""},
		{"version", "versions/a.test/*.json", plan.AskApply, true, 1, plan.CodeKeyLost},
		{"unneeded version", "versions/a.test/*.json", plan.AskApply, false, 0, ""},
		{"key", "keys/$KEY.json", plan.AskApply, true, 1, plan.CodeKeyLost},
		{"unneeded key", "keys/$KEY.json", plan.AskRenew, false, 1, ""},
		{"targets", "nodes/node1/targets/a.test.json", plan.AskApply, false, 0, ""},
		{"issuer", "issuers/pebble.json", plan.AskRenew, false, 1, ""},
		{"account", "accounts/pebble.json", plan.AskRenew, false, 0, plan.CodeDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			f.issuers = "other: {directory: \"" + f.ca.DirectoryURL() + "\", roots_file: " + f.roots + "}"
			f.configure(config)
			f.apply()
			f.spoil(test.record, damages[i%len(damages)])
			if test.bare {
				if err := os.Remove(filepath.Join(f.dir, "out/a.test")); err != nil {
					t.Fatal(err)
				}
			}
			f.reopen()
			f.configure(config)
			f.ca.ResetRequests()
			former := f.known("b.test").Published
			f.askEach(map[string]plan.AskKind{"a.test": test.ask, "b.test": plan.AskRenew})
			if test.code != "" {
				f.checkDamage(f.failing(), test.code)
			} else {
				f.apply()
			}
			f.checkServed("b.test")
			if f.known("b.test").Published == former {
				t.Error("the other certificate was not renewed")
			}
			if n := len(finalized(f.ca)); n != test.orders+1 {
				t.Errorf("%d orders were finalised, %d are needed, with that of b.test", n, test.orders+1)
			}
			if test.code != plan.CodeDamaged {
				f.checkServed("a.test")
			}
		})
	}
}

// spoil overwrites the one record whose path fits a pattern.
func (f *fixture) spoil(pattern, text string) {
	f.Helper()
	if strings.Contains(pattern, "$KEY") {
		pattern = strings.ReplaceAll(pattern, "$KEY", f.known("a.test").Versions[0].Pairs[0].Key)
	}
	path := filepath.Join(f.dir, "state/records", pattern)
	if found, err := filepath.Glob(path); err != nil || len(found) > 1 {
		f.Fatalf("%s: %v, %v", pattern, found, err)
	} else if len(found) == 1 {
		path = found[0]
	} else if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// askEach asks for certificates, as far as their records can take it.
func (f *fixture) askEach(asks map[string]plan.AskKind) {
	f.Helper()
	for name, kind := range asks {
		if err := f.Ask(f.Context(), kind, []string{name}, ""); err != nil && f.known(name).Damage == "" {
			f.Fatal(err)
		}
	}
}

// checkDamage fails the test unless a failure says what is damaged.
func (f *fixture) checkDamage(fault *plan.Fault, code plan.Code) {
	f.Helper()
	if fault.Code != code || fault.Words == "" {
		f.Errorf("fault = %+v, want %s", fault, code)
	}
	if code == plan.CodeDamaged && !strings.Contains(fault.Code.Remedy(), "account reset") {
		f.Errorf("the remedy is %q", fault.Code.Remedy())
	}
}

// TestDamagedAccountIsReset: a person resets the account, and all goes on.
func TestDamagedAccountIsReset(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	f.spoil("accounts/pebble.json", "scrambled")
	account, err := f.ResetAccount(t.Context(), "pebble")
	if err != nil || account.Status != store.AccountValid {
		t.Fatalf("account = %+v, %v", account, err)
	}
	f.askEach(map[string]plan.AskKind{"a.test": plan.AskRenew})
	f.apply()
	f.checkServed("a.test")
	if n := len(f.known("a.test").Versions); n != 2 {
		t.Errorf("%d versions", n)
	}
}

// TestRecordOfALaterVersion is left alone, byte for byte; the others go on.
func TestRecordOfALaterVersion(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}, b.test: {}}\n")
	f.apply()
	f.spoil("groups/a.test.json", `{"format":2,"group":{}}`)
	f.reopen()
	f.configure("certificates: {a.test: {}, b.test: {}}\n")
	served := f.installedTree("a.test")
	f.askEach(map[string]plan.AskKind{"a.test": plan.AskApply, "b.test": plan.AskRenew})
	f.apply()
	if n := len(f.known("b.test").Versions); n != 2 {
		t.Errorf("the other certificate has %d versions", n)
	}
	if problem := f.problem(plan.CodeNewer); problem.Remedy == "" {
		t.Errorf("problem = %+v", problem)
	}
	if text, err := os.ReadFile(filepath.Join(f.dir, "state/records/groups/a.test.json")); err != nil || string(text) != `{"format":2,"group":{}}` {
		t.Errorf("the record is now %q, %v", text, err)
	}
	if differ := faultfs.Differ(served, f.installedTree("a.test")); len(differ) > 0 {
		t.Errorf("changed: %q", differ)
	}
}

// A certificate that was saved and not published is published later, also when
// the order that brought it has ended meanwhile.
func TestSavedCertificateOutlivesItsOrder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	saved := f.known("a.test").Published
	err := f.store.UpdateCert(f.Context(), "a.test", func(k *plan.KnownCert) error {
		v, _ := k.Version(saved)
		pair, _ := v.Pair("ecdsa-p256")
		k.Begin("ecdsa-p256", plan.Order{
			Issuer: pair.Issuer, Request: pair.Request, URL: f.ca.DirectoryURL() + "/ended",
			Created: time.Now().Add(-48 * time.Hour), Expires: time.Now().Add(-time.Hour),
		})
		k.Published, k.Versions = "", nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "out")); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure("certificates: {a.test: {}}\n")
	f.ca.ResetRequests()
	f.apply()
	f.checkServed("a.test")
	if got := f.known("a.test").Published; got != saved || f.ca.Count(acmetest.NewOrder) != 0 {
		t.Errorf("published %s, want %s; %d orders", got, saved, f.ca.Count(acmetest.NewOrder))
	}
}

// A record that somebody takes away while its order is opened ends nothing:
// the certificate comes, and what is known of it is there again.
func TestRecordVanishesUnderAnOrder(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	record := filepath.Join(f.dir, "state/records/groups/a.test.json")
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.NewOrder {
			if err := os.Remove(record); err != nil {
				t.Error(err)
			}
		}
		next.ServeHTTP(w, r)
	})
	f.apply()
	f.checkServed("a.test")
	if k := f.known("a.test"); k.Published == "" || len(k.Orders) > 0 {
		t.Errorf("known: %+v", k)
	}
}
