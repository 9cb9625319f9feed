package engine

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// contactConfig is a config with one certificate and a contact.
func contactConfig(email string) string {
	if email == "" {
		return "certificates: {a.test: {}}\n"
	}
	return "email: " + email + "\ncertificates: {a.test: {}}\n"
}

// A contact that changed in the config is brought to the CA once, one that was
// taken out too; where nothing changed nobody is asked.
func TestContactFollowsTheConfig(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	for _, c := range []struct {
		email string
		steps int
		want  []string
	}{
		{"one@example.com", 0, []string{"mailto:one@example.com"}}, // told at the registration
		{"two@example.com", 1, []string{"mailto:two@example.com"}},
		{"two@example.com", 0, []string{"mailto:two@example.com"}},
		{"", 1, nil},
		{"", 0, nil},
		{"three@example.com", 1, []string{"mailto:three@example.com"}},
	} {
		f.configure(contactConfig(c.email))
		steps := 0
		for _, kind := range kinds(f.apply().Done) {
			if kind == plan.KindContact {
				steps++
			}
		}
		if steps != c.steps {
			t.Errorf("%q: told %d times, want %d", c.email, steps, c.steps)
		}
		if got := f.account("pebble").Contact; !slices.Equal(got, c.want) {
			t.Errorf("%q: the CA knows %v", c.email, got)
		}
		f.reopen()
	}
}

// A CA that refuses a contact is a warning, and no order waits for it.
func TestRefusedContactHoldsNothingUp(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(contactConfig("one@example.com"))
	f.apply()
	f.ca.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && strings.HasSuffix(f.account("pebble").URL, r.URL.Path) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:invalidContact","detail":"we do not like it"}`))
			return
		}
		next.ServeHTTP(w, r)
	})
	f.configure(contactConfig("two@example.com"))
	f.ask(plan.AskRenew, "a.test")
	before := f.known("a.test").Published
	f.pass()
	if f.known("a.test").Published == before {
		t.Error("the renewal waits for the contact")
	}
	if p := f.problems("a.test")[plan.CodeContact]; p.Severity != plan.Warning || len(p.Detail) == 0 {
		t.Errorf("problem %+v", p)
	}
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil || slices.Contains(kinds(report.Done), plan.KindContact) {
		t.Errorf("it is told again at once: %v, %v", kinds(report.Done), err)
	}
}
