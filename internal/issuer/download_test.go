package issuer

import (
	"bytes"
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
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{AlternateRoots: 2, ChainLength: 3})
	solver := serveHTTP01(t, pebble)
	texts, err := pebble.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := parseAll(t, texts)
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
			warned := false
			job := newJob(t, register(t, test.ca), []string{"a.test"}, solver)
			job.PreferredChain, job.Warn = test.want, func(error) { warned = true }
			pebble.ResetRequests()
			issued, err := test.ca.Issue(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			certs := issued.Chain.Certs
			if err := certs[len(certs)-1].CheckSignatureFrom(roots[test.root].Leaf()); err != nil || len(certs) != 4 {
				t.Errorf("the chain of %d does not end in root %d: %v", len(certs), test.root, err)
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

// parseAll reads certificates.
func parseAll(t *testing.T, texts [][]byte) []chain.Chain {
	t.Helper()
	var all []chain.Chain
	for _, text := range texts {
		c, err := chain.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
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

// forge changes the CA's answers to one kind of request, and their media
// type unless that is "".
func forge(kind acmetest.Kind, mediaType string, change func(own []byte) []byte) acmetest.Interceptor {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) != kind {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for _, name := range []string{"Replay-Nonce", "Content-Type", "Location"} {
			w.Header().Set(name, rec.Header().Get(name))
		}
		if mediaType != "" {
			w.Header().Set("Content-Type", mediaType)
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(change(rec.Body.Bytes())) // a client that is gone fails its own test
	}
}

// TestWrongCertificate lets the CA give chains that do not fit.
func TestWrongCertificate(t *testing.T) {
	t.Parallel()
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
			pebble.Intercept(forge(acmetest.Certificate, test.kind, test.change))
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
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	issued, err := ca.Issue(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	job.Names = []string{"a.test", "b.test"}
	job.Resume = &issued.Order
	// The order claims both names.
	pebble.Intercept(forge(acmetest.Order, "", func(own []byte) []byte {
		return bytes.Replace(own, []byte(`"identifiers": [`), []byte(`"identifiers": [{"type":"dns","value":"b.test"},`), 1)
	}))
	_, err = ca.Issue(t.Context(), job)
	missing, ok := errors.AsType[*chain.NamesError](err)
	if e := failure(t, err); e.Code != plan.CodeCAChain || !ok || len(missing.Missing) != 1 {
		t.Errorf("error %+v, want b.test missing", e)
	}
}

// TestForeignIdentifier lets the CA ask for proofs that nobody ordered.
func TestForeignIdentifier(t *testing.T) {
	t.Parallel()
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
			pebble.Intercept(forge(acmetest.Authz, "", func(own []byte) []byte { return []byte(change(string(own))) }))
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
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	pebble.Intercept(forge(acmetest.Authz, "", func(own []byte) []byte {
		return bytes.Replace(own, []byte(`"challenges": [`),
			[]byte(`"challenges": [{"type":"quantum-01","status":"pending","url":"https://127.0.0.1/","issuerDomainNames":["x"]},{},`), 1)
	}))
	if _, err := ca.Issue(t.Context(), newJob(t, register(t, ca), []string{"a.test"}, solver)); err != nil {
		t.Error(err)
	}
}
