package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// moody is a CA of its own address, behind which the fixture's CA works: what
// it answers can be disturbed while the other one is well.
type moody struct {
	*httptest.Server
	mood atomic.Pointer[acmetest.Interceptor]
	csr  atomic.Pointer[x509.CertificateRequest] // of the last finalisation
}

// newMoody starts one and adds it to the config's issuers as "moody".
func newMoody(f *fixture) *moody {
	f.Helper()
	behind, err := url.Parse(f.ca.DirectoryURL())
	if err != nil {
		f.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(f.ca.RootPEM())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = trust
	f.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		// The host stays: the CA makes its URLs of it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = behind.Scheme, behind.Host, r.In.Host
		},
	}
	m := &moody{}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.learn(f, r)
		if mood := m.mood.Load(); mood != nil {
			(*mood)(w, r, proxy)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	m.Config.ErrorLog = log.New(io.Discard, "", 0)
	m.StartTLS()
	f.Cleanup(m.Close)
	roots := filepath.Join(f.dir, "moody.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw}), 0o600); err != nil {
		f.Fatal(err)
	}
	f.issuers = fmt.Sprintf("moody: {directory: %q, roots_file: %s}", m.URL+behind.Path, roots)
	return m
}

// learn keeps what is to be certified.
func (m *moody) learn(f *fixture, r *http.Request) {
	if acmetest.KindOf(r) != acmetest.Finalize {
		return
	}
	payload, err := acmetest.Payload(r)
	var body struct{ CSR string }
	if err == nil {
		err = json.Unmarshal(payload, &body)
	}
	der, decodeErr := base64.RawURLEncoding.DecodeString(body.CSR)
	csr, parseErr := x509.ParseCertificateRequest(der)
	if err != nil || decodeErr != nil || parseErr != nil {
		f.Errorf("a finalisation without a request: %v, %v, %v", err, decodeErr, parseErr)
		return
	}
	m.csr.Store(csr)
}

// disturb has requests of one kind answered by answer; nil lets all be well.
func (m *moody) disturb(kind acmetest.Kind, answer http.HandlerFunc) {
	if answer == nil {
		m.mood.Store(nil)
		return
	}
	mood := acmetest.Interceptor(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == kind {
			answer(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	m.mood.Store(&mood)
}

// page answers with a page.
func page(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // whoever asked may have gone
	}
}

// badAnswer is what answers in place of a CA, and what it is called.
type badAnswer struct {
	name   string
	kind   acmetest.Kind
	answer http.HandlerFunc
	code   plan.Code
	blame  plan.Blame
	// ended says that the order is of no use any more: a new one follows.
	ended bool
}

func badAnswers(f *fixture, m *moody) []badAnswer {
	const jose, chain = "application/json", "application/pem-certificate-chain"
	gone := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for chunk := []byte(strings.Repeat("and so on ", 1000)); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	around := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }
	file := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, err := os.ReadFile(filepath.Join(f.dir, "out", name))
			if err != nil {
				f.Error(err)
			}
			page(http.StatusOK, chain, string(text))(w, r)
		}
	}
	forged := func(w http.ResponseWriter, r *http.Request) {
		page(http.StatusOK, chain, m.forge(f, "other.test"))(w, r)
	}
	return []badAnswer{
		{"gone", acmetest.Directory, gone, plan.CodeNetwork, plan.BlameNetwork, false},
		{"gone in the middle", acmetest.Finalize, gone, plan.CodeNetwork, plan.BlameNetwork, false},
		{"a portal instead of the directory", acmetest.Directory, page(200, "text/html", "<html>Welcome to our hotel</html>"), plan.CodeCAGarbage, plan.BlameCA, false},
		{"garbage instead of an order", acmetest.NewOrder, page(201, jose, "}{"), plan.CodeCAGarbage, plan.BlameCA, false},
		{"500 in HTML", acmetest.NewOrder, page(500, "text/html", "<h1>oops</h1>"), plan.CodeCAError, plan.BlameCA, false},
		{"500 in HTML for the challenge", acmetest.Authz, page(500, "text/html", "<h1>oops</h1>"), plan.CodeCAError, plan.BlameCA, false},
		{"redirected for ever", acmetest.Directory, around, plan.CodeCAGarbage, plan.BlameCA, false},
		{"a signed request redirected", acmetest.NewOrder, around, plan.CodeCAGarbage, plan.BlameCA, false},
		{"an endless directory", acmetest.Directory, endless, plan.CodeCAGarbage, plan.BlameCA, false},
		{"an endless order", acmetest.NewOrder, endless, plan.CodeCAGarbage, plan.BlameCA, false},
		{"an endless certificate", acmetest.Certificate, endless, plan.CodeCAGarbage, plan.BlameCA, false},
		{"HTML instead of a certificate", acmetest.Certificate, page(200, "text/html", "<html>"), plan.CodeCAGarbage, plan.BlameCA, false},
		{"somebody else's certificate", acmetest.Certificate, file("b.test/fullchain.pem"), plan.CodeCAChain, plan.BlameCA, true},
		{"a certificate of another key", acmetest.Certificate, file("a.test/fullchain.pem"), plan.CodeCAChain, plan.BlameCA, true},
		{"a certificate of other names", acmetest.Certificate, forged, plan.CodeCAChain, plan.BlameCA, true},
	}
}

// forge makes a certificate for the key of the last request, and for a name
// that was not asked for.
func (m *moody) forge(f *fixture, name string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Error(err)
		return ""
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, m.csr.Load().PublicKey, key)
	if err != nil {
		f.Error(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestBadCA lets a CA answer in all kinds of bad ways at a renewal. Whatever
// it says: the failure is a fact with its code, its own words and a remedy,
// and backs off; what is served stays, byte for byte; the certificate of
// another CA is renewed meanwhile; and when the CA is well again, all is.
func TestBadCA(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	m := newMoody(f)
	const config = "certificates: {a.test: {issuer: [moody]}, b.test: {}}\n"
	f.configure(config)
	f.apply()
	for _, bad := range badAnswers(f, m) {
		t.Run(bad.name, func(t *testing.T) {
			f.T = t
			f.reopen() // a process that has fetched no directory
			config := config
			if bad.kind == acmetest.Authz {
				// Pebble reuses one authorisation in a hundred whatever it is
				// told; that of a name it has never seen it cannot.
				config = strings.Replace(config, "{issuer", "{names: [a.test, new.test], issuer", 1)
			}
			f.configure(config)
			former := f.known("b.test").Published
			before := f.installedTree("a.test")
			m.disturb(bad.kind, bad.answer)
			if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test", "b.test"}, ""); err != nil {
				t.Fatal(err)
			}
			fault := f.failing()
			m.disturb("", nil)
			f.checkFailedAttempt(fault, bad.code, bad.blame)
			if _, open := f.known("a.test").Orders["ecdsa-p256"]; open == bad.ended {
				t.Errorf("an order is left to go on with: %t", open)
			}
			if differ := faultfs.Differ(before, f.installedTree("a.test")); len(differ) > 0 {
				t.Errorf("the failed renewal changed %q", differ)
			}
			if f.checkServed("b.test"); f.known("b.test").Published == former {
				t.Error("the other CA's certificate was not renewed")
			}
			f.askApply("a.test")
			former = f.known("a.test").Published
			f.apply()
			if f.checkServed("a.test"); f.known("a.test").Published == former {
				t.Error("it was not renewed when the CA was well again")
			}
		})
	}
}

// installedTree is what is installed for a certificate.
func (f *fixture) installedTree(name string) map[string]string {
	f.Helper()
	tree, err := faultfs.Tree(filepath.Join(f.dir, "out"), func(path string) bool {
		return path != "." && path != ".versions" && !strings.Contains(path, name)
	})
	if err != nil {
		f.Fatal(err)
	}
	return tree
}

// checkFailedAttempt fails the test unless the failure of a.test's order is a
// fact, waits a minute, and is told with a remedy.
func (f *fixture) checkFailedAttempt(fault *plan.Fault, code plan.Code, blame plan.Blame) {
	f.Helper()
	f.checkFault(fault, code)
	if fault.Blame != blame || len(fault.Detail) == 0 {
		f.Errorf("fault = %+v, want %s to blame, and details", fault, blame)
	}
	if problem := f.problem(code); !slices.Equal(problem.Detail, fault.Detail) || problem.Remedy == "" {
		f.Errorf("problem = %+v, want the fault's details and a remedy", problem)
	}
}

// checkFault fails the test unless the failure of a.test's order has a code,
// and is kept as a fact that waits a minute.
func (f *fixture) checkFault(fault *plan.Fault, code plan.Code) {
	f.Helper()
	if fault.Code != code || fault.Words == "" {
		f.Errorf("fault = %+v, want %s in words", fault, code)
	}
	tries := f.known("a.test").Tries["ecdsa-p256"]
	if wait := time.Until(tries.NotBefore); tries.Count != 1 || tries.Open || tries.Fault == nil || tries.Fault.Code != code || wait < 50*time.Second || wait > 75*time.Second {
		f.Errorf("tries = %+v", tries)
	}
}
