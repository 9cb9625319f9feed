package engine

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestUnreadableSecrets has files missing that an order needs: that
// certificate's failure names the file, no order is opened for it, the other
// certificate is obtained, and once the file is there so is this one.
func TestUnreadableSecrets(t *testing.T) {
	const hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	for _, test := range []struct {
		name            string
		eab             map[string]string // that the CA wants
		issuers, config string            // $FILE is missing, $DIR is the folder
		code            plan.Code
		mended          string // what becomes the file; "" where the test cannot make it right
	}{
		{
			"external account key",
			map[string]string{"kid-1": hmac, "kid-2": hmac},
			`other: {directory: $DIRECTORY, roots_file: $DIR/ca.pem, eab: {kid: kid-1, hmac_file: $FILE}}
  good: {directory: $DIRECTORY, roots_file: $DIR/ca.pem, eab: {kid: kid-2, hmac_file: $DIR/hmac}}`,
			"certificates: {a.test: {issuer: [other]}, b.test: {issuer: [good]}}\n", plan.CodeEAB, "hmac",
		},
		{
			"roots", nil, `other: {directory: $DIRECTORY, roots_file: $FILE}`,
			"certificates: {a.test: {issuer: [other]}, b.test: {}}\n", plan.CodeNetwork, "ca.pem",
		},
		{
			"TSIG key", nil, "", `
dns: {main: {provider: rfc2136, server: "127.0.0.1:1", tsig_file: $FILE}}
challenges: [{names: [a.test], dns-01: {via: main}}, {http-01: {}}]
certificates: {a.test: {}, b.test: {}}
`, plan.CodeDNSUpdate, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, acmetest.Options{EAB: test.eab})
			if err := os.WriteFile(filepath.Join(f.dir, "hmac"), []byte(hmac), 0o600); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(f.dir, "file")
			fill := strings.NewReplacer("$FILE", file, "$DIRECTORY", fmt.Sprintf("%q", f.ca.DirectoryURL()), "$DIR", f.dir).Replace
			f.issuers = fill(test.issuers)
			f.configure(fill(test.config))
			fault := f.failing()
			f.checkFault(fault, test.code)
			if !strings.Contains(fault.Words+strings.Join(fault.Detail, " "), file) || fault.Blame != plan.BlameAdmin {
				t.Errorf("fault = %+v, want one that names %s and blames the administrator", fault, file)
			}
			f.checkServed("b.test")
			if n := len(finalized(f.ca)); n != 1 {
				t.Errorf("%d orders were finalised, want that of b.test", n)
			}
			if test.mended == "" {
				return
			}
			if err := os.Link(filepath.Join(f.dir, test.mended), file); err != nil {
				t.Fatal(err)
			}
			f.askApply("a.test")
			f.apply()
			f.checkServed("a.test")
		})
	}
}

// TestWrongClock has a CA whose clock is ten years away: nothing is ordered
// from it, a critical problem says why, and it is gone with its cause.
func TestWrongClock(t *testing.T) {
	for name, years := range map[string]int{"ahead": 10, "behind": -10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, acmetest.Options{})
			m := newMoody(f)
			mood := acmetest.Interceptor(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(dated{w, time.Now().AddDate(years, 0, 0)}, r)
			})
			m.mood.Store(&mood)
			f.configure("certificates: {a.test: {issuer: [moody]}, b.test: {}}\n")
			fault := f.failing()
			f.checkFailedAttempt(fault, plan.CodeClock, plan.BlameAdmin)
			if problem := f.problem(plan.CodeClock); problem.Severity != plan.Critical {
				t.Errorf("problem = %+v", problem)
			}
			f.checkServed("b.test")
			if n := f.ca.Count(acmetest.NewOrder); n != 1 {
				t.Errorf("%d orders were opened, want that of b.test", n)
			}
			m.mood.Store(nil)
			f.askApply("a.test")
			f.apply()
			f.checkServed("a.test")
		})
	}
}

// dated gives an answer another Date.
type dated struct {
	http.ResponseWriter
	at time.Time
}

func (d dated) WriteHeader(status int) {
	d.Header().Set("Date", d.at.UTC().Format(http.TimeFormat))
	d.ResponseWriter.WriteHeader(status)
}

// askApply is a person who names a certificate.
func (f *fixture) askApply(name string) {
	f.Helper()
	if err := f.Ask(f.Context(), plan.AskApply, []string{name}, ""); err != nil {
		f.Fatal(err)
	}
}

// problem is the one problem with a code that a.test has.
func (f *fixture) problem(code plan.Code) plan.Problem {
	f.Helper()
	world, err := f.World(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	problems := plan.Problems(time.Now(), world)
	i := slices.IndexFunc(problems, func(p plan.Problem) bool { return p.Cert == "a.test" && p.Code == code })
	if i < 0 {
		f.Fatalf("problems = %+v, want one of a.test with %s", problems, code)
	}
	return problems[i]
}
