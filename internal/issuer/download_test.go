package issuer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestPreferredChain(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{AlternateRoots: 2, ChainLength: 3})
	solver := serveHTTP01(t, pebble)
	texts, err := pebble.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var roots []chain.Chain
	for _, text := range texts {
		root, err := chain.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
	}
	knowing := connect(t, pebble, func(c *Config) {
		for _, text := range texts {
			c.ChainRoots = append(c.ChainRoots, text...)
		}
	})
	ignorant := connect(t, pebble)
	sha := func(i int) string {
		sum := sha256.Sum256(roots[i].Leaf().Raw)
		return hex.EncodeToString(sum[:])
	}
	name := func(i int) string { return roots[i].Leaf().Subject.CommonName }
	for _, test := range []struct {
		name    string
		ca      *CA
		want    string
		root    int // that the chain must end in
		fetched int
		warned  bool
	}{
		{"none", knowing, "", 0, 1, false},
		{"the first by name", knowing, name(0), 0, 1, false},
		{"the second by name", knowing, strings.ToUpper(name(1)), 1, 2, false},
		{"the third by digest", knowing, sha(2), 2, 3, false},
		{"the third by openssl's digest", knowing, strings.ToUpper(colons(sha(2))), 2, 3, false},
		{"an unknown root by name", ignorant, name(1), 1, 2, false},
		{"an unknown root by digest", ignorant, sha(1), 0, 3, true},
		{"a root that is not offered", knowing, "ISRG Root X9", 0, 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			job := newJob(t, register(t, test.ca), []string{"a.test"}, solver)
			job.PreferredChain = test.want
			warned := false
			job.Warn = func(error) { warned = true }
			pebble.ResetRequests()
			issued, err := test.ca.Issue(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			certs := issued.Chain.Certs
			if len(certs) != 4 {
				t.Errorf("%d certificates, want 4", len(certs))
			}
			if err := certs[len(certs)-1].CheckSignatureFrom(roots[test.root].Leaf()); err != nil {
				t.Errorf("the chain does not end in root %d: %v", test.root, err)
			}
			if n := pebble.Count(acmetest.Certificate); n != test.fetched {
				t.Errorf("%d chains fetched, want %d", n, test.fetched)
			}
			if warned != test.warned {
				t.Errorf("warned: %t, want %t", warned, test.warned)
			}
		})
	}
}

// colons writes a digest as openssl does.
func colons(s string) string {
	var parts []string
	for i := 0; i < len(s); i += 2 {
		parts = append(parts, s[i:i+2])
	}
	return strings.Join(parts, ":")
}

// TestCertificateNotThereYet answers 404 at first, as Let's Encrypt does when
// its copies lag behind.
func TestCertificateNotThereYet(t *testing.T) {
	t.Parallel() // it waits
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	missing := 2
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.Certificate || missing == 0 {
			next.ServeHTTP(w, r)
			return
		}
		missing--
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:malformed","detail":"Certificate not found"}`)
	})
	if _, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver)); err != nil {
		t.Fatal(err)
	}
	if n := pebble.Count(acmetest.Certificate); n != 3 {
		t.Errorf("%d downloads, want 3", n)
	}
}

// TestWrongCertificate lets the CA give chains that do not fit.
func TestWrongCertificate(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{ChainLength: 2})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	strange, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver))
	if err != nil {
		t.Fatal(err)
	}
	self, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		code   plan.Code
		kind   string
		change func(own []byte) []byte
	}{
		{"someone else's key", plan.CodeCAChain, "", func([]byte) []byte { return strange.Chain.PEM() }},
		{"intermediates of another order", plan.CodeCAChain, "", func(own []byte) []byte {
			block, _ := pem.Decode(own)
			return append(pem.EncodeToMemory(block), strange.Chain.LeafPEM()...)
		}},
		{"HTML", plan.CodeCAGarbage, "", func([]byte) []byte { return []byte("<html>hello</html>") }},
		{"a private key", plan.CodeCAGarbage, "", func([]byte) []byte {
			text, err := keys.Marshal(self)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}},
		{"nothing", plan.CodeCAGarbage, "", func([]byte) []byte { return nil }},
		{"JSON", plan.CodeCAGarbage, "application/json", func([]byte) []byte { return []byte(`{}`) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != acmetest.Certificate {
					next.ServeHTTP(w, r)
					return
				}
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				w.Header().Set("Replay-Nonce", rec.Header().Get("Replay-Nonce"))
				w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
				if test.kind != "" {
					w.Header().Set("Content-Type", test.kind)
				}
				if _, err := w.Write(test.change(rec.Body.Bytes())); err != nil {
					t.Error(err)
				}
			})
			defer pebble.Intercept(nil)
			_, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver))
			e := failure(t, err)
			if e.Code != test.code || e.Blame != plan.BlameCA {
				t.Errorf("error %+v, want %s", e, test.code)
			}
			// A chain that does not fit will not fit the next time; an answer
			// that cannot be read may be a proxy's.
			if gone := errors.Is(err, ErrOrderGone); gone != (test.code == plan.CodeCAChain) {
				t.Errorf("order gone: %t", gone)
			}
		})
	}
}

// TestMissingName lets the CA sign for other names than were ordered.
func TestMissingName(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	issued, err := ca.Issue(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	job.Names = []string{"a.test", "b.test"}
	job.Resume = &issued.Order
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		body := rec.Body.String()
		if acmetest.KindOf(r) == acmetest.Order { // the order claims both names
			body = strings.Replace(body, `"identifiers": [`, `"identifiers": [{"type":"dns","value":"b.test"},`, 1)
		}
		fmt.Fprint(w, body)
	})
	_, err = ca.Issue(t.Context(), job)
	missing, ok := errors.AsType[*chain.NamesError](err)
	if e := failure(t, err); e.Code != plan.CodeCAChain || !ok || len(missing.Missing) != 1 {
		t.Errorf("error %+v, want b.test missing", e)
	}
}

// TestForeignIdentifier lets the CA ask for proofs that nobody ordered.
func TestForeignIdentifier(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{})
	ca := connect(t, pebble)
	a := register(t, ca)
	for name, change := range map[string]func(string) string{
		"another name": func(s string) string { return strings.Replace(s, `"a.test"`, `"../../etc/passwd"`, 1) },
		"a token that is a path": func(s string) string {
			return strings.ReplaceAll(s, `"token": "`, `"token": "../../`)
		},
		"no token": func(s string) string { return strings.ReplaceAll(s, `"token"`, `"tokken"`) },
	} {
		t.Run(name, func(t *testing.T) {
			solver := &brokenSolver{kind: challenge.TypeHTTP01}
			pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if acmetest.KindOf(r) != acmetest.Authz {
					next.ServeHTTP(w, r)
					return
				}
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				w.Header().Set("Replay-Nonce", rec.Header().Get("Replay-Nonce"))
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, change(rec.Body.String()))
			})
			_, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver))
			if e := failure(t, err); e.Code != plan.CodeCAGarbage || e.Blame != plan.BlameCA {
				t.Errorf("error %+v, want ca-garbage", e)
			}
			if solver.presented() != 0 {
				t.Error("the solver was called")
			}
		})
	}
}

// TestStrangeChallenges offers types that nobody knows, without a token.
func TestStrangeChallenges(t *testing.T) {
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != acmetest.Authz {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		w.Header().Set("Replay-Nonce", rec.Header().Get("Replay-Nonce"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, strings.Replace(rec.Body.String(), `"challenges": [`,
			`"challenges": [{"type":"quantum-01","status":"pending","url":"https://127.0.0.1/","issuerDomainNames":["x"]},{},`, 1))
	})
	if _, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"a.test"}, solver)); err != nil {
		t.Error(err)
	}
}
