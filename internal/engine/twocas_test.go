package engine

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// withSecond adds another real CA, which looks for answers where the first does.
func (f *fixture) withSecond(o acmetest.Options) *acmetest.CA {
	f.Helper()
	o.HTTPPort, o.TLSPort = f.ca.HTTPPort(), f.ca.TLSPort()
	second := acmetest.Start(f.T, o)
	roots := filepath.Join(f.dir, "second.pem")
	if err := os.WriteFile(roots, second.RootPEM(), 0o600); err != nil {
		f.Fatal(err)
	}
	f.issuers = fmt.Sprintf("second: {directory: %q, roots_file: %s}", second.DirectoryURL(), roots)
	return second
}

// issuedBy asks for a certificate until there is a version by a CA, and counts
// the passes.
func (f *fixture) issuedBy(name, issuer string, kind plan.AskKind) (passes int) {
	f.Helper()
	before := f.known(name).Published
	for passes = 1; passes <= 8; passes++ {
		f.ask(kind, name)
		kind = plan.AskApply
		if _, err := f.Apply(f.Context(), nil, Only{}); err != nil {
			f.Fatal(err)
		}
		k := f.known(name)
		if v, ok := k.Version(k.Published); ok && k.Published != before {
			if v.Pairs[0].Issuer != issuer {
				f.Errorf("pass %d: %s has it from %s, want %s", passes, name, v.Pairs[0].Issuer, issuer)
			}
			return passes
		}
	}
	f.Fatalf("%s has nothing new after %d passes: %+v", name, passes, f.known(name).Tries)
	return 0
}

// TestTwoCAs: a CA that does not work leaves its place to the next one, and has
// it back once it works.
func TestTwoCAs(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	second := f.withSecond(acmetest.Options{})
	f.configure("certificates: {a.test: {issuer: [pebble, second]}}\n")
	f.ca.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if passes := f.issuedBy("a.test", "second", plan.AskApply); passes < 2 {
		t.Errorf("the first CA was asked %d times only", passes)
	}
	f.ca.Intercept(nil)
	asked := second.Count()
	f.issuedBy("a.test", "pebble", plan.AskRenew)
	if second.Count() != asked {
		t.Error("the second CA was asked though the first one works")
	}
}

// TestACAThatDoesNotSignAName: what one CA does not sign is another one's from
// the third refusal on.
func TestACAThatDoesNotSignAName(t *testing.T) {
	f := newFixture(t, acmetest.Options{Blocked: []string{"blocked.test"}})
	f.withSecond(acmetest.Options{})
	f.configure("certificates: {blocked.test: {issuer: [pebble, second]}}\n")
	if passes := f.issuedBy("blocked.test", "second", plan.AskApply); passes != 4 {
		t.Errorf("it took %d passes", passes)
	}
}

// TestANameIsSetAsideAndComesBack: a name that a real CA cannot reach keeps the
// others from their certificate three times, and comes back once it is reached.
func TestANameIsSetAsideAndComesBack(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {names: [a.test, bad.test], quarantine: true}}\n")
	if err := f.ca.DNS.AddA("bad.test", "127.0.0.9"); err != nil { // where nothing listens
		t.Fatal(err)
	}
	f.issuedBy("a.test", "pebble", plan.AskApply)
	if got := fmt.Sprint(f.issuedFor("a.test")); got != "[a.test]" {
		t.Errorf("issued for %s", got)
	}
	if p := f.problem(plan.CodeAside); p.Severity == "" {
		t.Errorf("people are told %+v", p)
	}
	if err := f.ca.DNS.ClearA("bad.test"); err != nil {
		t.Fatal(err)
	}
	f.issuedBy("a.test", "pebble", plan.AskApply)
	if got := fmt.Sprint(f.issuedFor("a.test")); got != "[a.test bad.test]" {
		t.Errorf("issued for %s", got)
	}
}

// issuedFor are the names of the request of what is published.
func (f *fixture) issuedFor(name string) []string {
	k := f.known(name)
	v, _ := k.Version(k.Published)
	if len(v.Pairs) == 0 {
		return nil
	}
	return v.Pairs[0].Request.Names
}

// TestANameComesBackWhereNoChallengesAreAnswered: a node that may answer none
// looks, too, whether a name that was set aside has been proven by somebody else.
func TestANameComesBackWhereNoChallengesAreAnswered(t *testing.T) {
	f := newFixture(t, acmetest.Options{AuthzReuse: 100})
	const config = "certificates: {a.test: {names: [a.test, bad.test], quarantine: true}}\n"
	f.configure(config)
	if err := f.ca.DNS.AddA("bad.test", "127.0.0.9"); err != nil { // where nothing listens
		t.Fatal(err)
	}
	f.issuedBy("a.test", "pebble", plan.AskApply)
	if err := f.ca.DNS.ClearA("bad.test"); err != nil {
		t.Fatal(err)
	}
	f.configure("authorizations: [bad.test]\n")
	f.apply()
	answered := f.ca.Count(acmetest.Challenge)
	f.configure("solve: false\n" + config)
	f.issuedBy("a.test", "pebble", plan.AskApply)
	if got := fmt.Sprint(f.issuedFor("a.test")); got != "[a.test bad.test]" {
		t.Errorf("issued for %s", got)
	}
	if n := f.ca.Count(acmetest.Challenge) - answered; n != 0 {
		t.Errorf("%d challenges were answered", n)
	}
}
