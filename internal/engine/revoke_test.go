package engine

import (
	"crypto"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// served is the published pair of a certificate with one key type.
func (f *fixture) served(name string) plan.Pair {
	f.Helper()
	k := f.known(name)
	v, ok := k.Version(k.Published)
	if !ok {
		f.Fatalf("nothing of %s is published", name)
	}
	return v.Pairs[0]
}

// revoked is what the CA says of a certificate.
func (f *fixture) revoked(p plan.Pair) acmetest.CertStatus {
	f.Helper()
	status, err := f.ca.StatusBySerial(f.Context(), p.Serial)
	if err != nil {
		f.Fatal(err)
	}
	return status
}

// checkRevoked fails the test unless the CA revoked a certificate for a reason.
func (f *fixture) checkRevoked(p plan.Pair, reason plan.RevocationReason) {
	f.Helper()
	status := f.revoked(p)
	if status.Status != "Revoked" || status.Reason == nil && reason.Number() != 0 || status.Reason != nil && *status.Reason != reason.Number() {
		f.Errorf("the CA says %+v of %s, want it revoked for %s", status, p.Serial, reason)
	}
}

// revoke asks for the end of what is served.
func (f *fixture) revoke(wish RevokeWish, names ...string) {
	f.Helper()
	if err := f.Revoke(f.Context(), names, wish); err != nil {
		f.Fatal(err)
	}
}

// kinds are the kinds of steps that were done, in their order.
func kinds(done []Outcome) []plan.Kind {
	var kinds []plan.Kind
	for _, o := range done {
		kinds = append(kinds, o.Step.Kind)
	}
	return kinds
}

// TestRevokes: what is served is replaced, installed and then revoked; with
// First the CA is asked at the beginning.
func TestRevokes(t *testing.T) {
	for name, first := range map[string]bool{"replaced before": false, "at once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, acmetest.Options{})
			f.configure("hooks: {revoked: {command: " + f.script("hook", `cat >>"`+f.dir+`/told"`) + "}}\ncertificates: {a.test: {}}\n")
			f.apply()
			old := f.served("a.test")
			f.revoke(RevokeWish{Reason: plan.RevokeSuperseded, First: first}, "a.test")
			want := []plan.Kind{plan.KindIssue, plan.KindInstall, plan.KindRevoke}
			if first {
				want = []plan.Kind{plan.KindRevoke, plan.KindIssue, plan.KindInstall}
			}
			done := slices.DeleteFunc(kinds(f.apply().Done), func(kind plan.Kind) bool { return !slices.Contains(want, kind) })
			if !slices.Equal(done, want) {
				t.Errorf("done were %v, want %v", done, want)
			}
			now := f.served("a.test")
			if now.Key == old.Key || now.Revoked {
				t.Errorf("served is %+v", now)
			}
			f.checkRevoked(old, plan.RevokeSuperseded)
			if status := f.revoked(now); status.Status != "Valid" {
				t.Errorf("the CA says %+v of the replacement", status)
			}
			k := f.known("a.test")
			if len(k.Revocations)+len(k.Asks) != 0 || f.happened("a.test", store.EventRevoked) != 1 {
				t.Errorf("known = %+v", k)
			}
			f.checkServed("a.test")
			if told := f.lines("told"); len(told) != 1 || !strings.Contains(told[0], `"event":"revoked"`) {
				t.Errorf("the hook was told %q", told)
			}
		})
	}
}

// TestRevokesBannedKey: whatever is on a compromised key goes, of whatever
// name, and nobody uses the key again.
func TestRevokesBannedKey(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}, b.test: {names: [b.test]}}\n")
	f.apply()
	// b.test takes over what lies at its target: a certificate on a.test's key.
	a, b := f.served("a.test"), f.served("b.test")
	if err := f.store.UpdateCert(t.Context(), "b.test", func(k *plan.KnownCert) error {
		k.Versions[0].Pairs[0].Key = a.Key
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	renewed := f.served("a.test")
	if err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		k.Versions[len(k.Versions)-1].Pairs[0].Key = a.Key
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.revoke(RevokeWish{Reason: plan.RevokeCompromise}, "a.test")
	f.apply()
	for _, p := range []plan.Pair{a, b, renewed} {
		f.checkRevoked(p, plan.RevokeCompromise)
	}
	for _, name := range []string{"a.test", "b.test"} {
		if now := f.served(name); now.Key == a.Key || now.Revoked {
			t.Errorf("%s serves %+v", name, now)
		}
		f.checkServed(name)
	}
	// The ban outlives all that was stored of the certificate.
	if err := f.Forget(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	banned, err := f.store.Banned(t.Context())
	if _, ok := banned[a.Key]; err != nil || !ok || len(banned) != 1 {
		t.Errorf("banned = %v, %v", banned, err)
	}
}

// TestBannedKeyIsNotTakenOver: what lies at a target is valid, and its key is
// known to be compromised.
func TestBannedKeyIsNotTakenOver(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	old := f.served("a.test")
	if err := f.store.Ban(t.Context(), old.Key, plan.Ban{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Forget(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if now := f.served("a.test"); now.Key == old.Key || len(f.known("a.test").Versions) != 1 {
		t.Errorf("known = %+v", f.known("a.test"))
	}
}

// TestBannedKeyOfARequest: the administrator's own signing request is refused
// before the CA hears of it.
func TestBannedKeyOfARequest(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	key := f.csr("a")
	fingerprint, err := keys.Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Ban(t.Context(), fingerprint, plan.Ban{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {csr: {file: " + filepath.Join(f.dir, "a.csr") + ", key_file: " + filepath.Join(f.dir, "a.key") + "}}}\n")
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Done, func(o Outcome) bool { return o.Fault != nil && o.Fault.Code == plan.CodeBanned }) {
		t.Errorf("done were %+v", report.Done)
	}
	if n := len(finalized(f.ca)); n != 0 {
		t.Errorf("%d orders were finalised", n)
	}
}

// TestRevokesWithoutTheAccount: the account that ordered is gone; the
// certificate's own key signs (RFC 8555 section 7.6).
func TestRevokesWithoutTheAccount(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *fixture){
		"another account": func(t *testing.T, f *fixture) {
			if _, err := f.ResetAccount(t.Context(), "pebble"); err != nil {
				t.Fatal(err)
			}
		},
		"none": func(t *testing.T, f *fixture) {
			if err := f.DeactivateAccount(t.Context(), "pebble"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, acmetest.Options{})
			f.configure("certificates: {a.test: {}}\n")
			f.apply()
			old := f.served("a.test")
			change(t, f)
			f.revoke(RevokeWish{Reason: plan.RevokeUnspecified, First: true}, "a.test")
			f.apply()
			f.checkRevoked(old, plan.RevokeUnspecified)
		})
	}
}

// TestRevokedAlready counts as done: somebody else was quicker, or our answer
// was lost.
func TestRevokedAlready(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	old := f.served("a.test")
	f.revoke(RevokeWish{Reason: plan.RevokeUnspecified, First: true}, "a.test")
	f.apply()
	if err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		for i := range k.Versions {
			k.Versions[i].Pairs[0].Revoked = false
		}
		k.Revocations = []plan.Revocation{{SHA256: old.SHA256, Reason: plan.RevokeUnspecified, At: time.Now()}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if k := f.known("a.test"); len(k.Revocations) != 0 {
		t.Errorf("known = %+v", k)
	}
}

// TestRevocationThatIsRefused stays asked for, and is shown to a person.
func TestRevocationThatIsRefused(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	old := f.served("a.test")
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.Revoke {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Replay-Nonce", "bm9uY2U")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"type": "urn:ietf:params:acme:error:badRevocationReason", "detail": "not this one"}`))
	})
	f.revoke(RevokeWish{Reason: plan.RevokePrivilegeEnd}, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	k := f.known("a.test")
	if len(k.Revocations) != 1 || k.Revocations[0].Tries.Fault == nil || k.Revocations[0].Tries.Open || f.served("a.test").SHA256 == old.SHA256 {
		t.Fatalf("known = %+v", k)
	}
	f.ca.Intercept(nil)
	f.revoke(RevokeWish{Reason: plan.RevokeSuperseded}, "a.test")
	f.apply()
	f.checkRevoked(old, plan.RevokeSuperseded)
}

// csr writes a key and a signing request for a.test.
func (f *fixture) csr(name string) crypto.Signer {
	f.Helper()
	key, err := keys.Generate("ecdsa-p256")
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if err != nil {
		f.Fatal(err)
	}
	der, err := issuer.CSR(key, []string{"a.test"}, "", false)
	if err != nil {
		f.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	for path, data := range map[string][]byte{name + ".key": text, name + ".csr": request} {
		if err := os.WriteFile(filepath.Join(f.dir, path), data, 0o600); err != nil {
			f.Fatal(err)
		}
	}
	return key
}

// TestSweepRevocation kills at every write of a revocation.
func TestSweepRevocation(t *testing.T) {
	l := newLife(t)
	l.config = "certificates: {a.test: {}}\n"
	var old plan.Pair
	l.prepare(t, func(f *fixture) {
		f.apply()
		old = f.served("a.test")
		f.revoke(RevokeWish{Reason: plan.RevokeSuperseded}, "a.test")
	})
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("a.test")
		f.checkRevoked(old, plan.RevokeSuperseded)
		k := f.known("a.test")
		if now := f.served("a.test"); now.SHA256 == old.SHA256 || now.Revoked || len(k.Revocations)+len(k.Asks) != 0 {
			f.Errorf("served is %+v, known = %+v", now, k)
		}
		if v, ok := k.Version(k.Versions[0].ID); !ok || !v.Pairs[0].Revoked {
			f.Errorf("the old version is %+v", v)
		}
	}
	l.sweep(t, 7)
}
