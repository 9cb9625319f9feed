package engine

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// variant is a CA with habits of its own.
type variant struct {
	name    string
	options acmetest.Options
	prefer  func(root *x509.Certificate) string // what the config prefers; nil for nothing
	root    int                                 // that what is served has to lead to
	proofs  int                                 // challenges answered for the first certificate and two renewals; -1 where that is left to chance
}

func variants() []variant {
	name := func(root *x509.Certificate) string { return root.Subject.CommonName }
	digest := func(root *x509.Certificate) string {
		sum := sha256.Sum256(root.Raw)
		return hex.EncodeToString(sum[:])
	}
	// Pebble reuses one authorisation in a hundred also when it is told not to.
	return []variant{
		{"half of the nonces refused", acmetest.Options{NonceReject: 50, Settle: true}, nil, 0, -1},
		{"no authorisation reused", acmetest.Options{AuthzReuse: 0, Settle: true}, nil, 0, -1},
		{"each authorisation reused", acmetest.Options{AuthzReuse: 100, Settle: true}, nil, 0, 1},
		{"three intermediates", acmetest.Options{ChainLength: 3, Settle: true}, nil, 0, -1},
		{"other roots and no preference", acmetest.Options{AlternateRoots: 2, Settle: true}, nil, 0, -1},
		{"the second root by its name", acmetest.Options{AlternateRoots: 2, ChainLength: 2, Settle: true}, name, 1, -1},
		{"the third root by its digest", acmetest.Options{AlternateRoots: 2, ChainLength: 3, Settle: true}, digest, 2, -1},
	}
}

// TestVariantsOfCAs goes through a certificate's life with CAs of all habits:
// first issue, a pass with nothing to do, a renewal, a change of the account's
// key, and a renewal with the new key.
func TestVariantsOfCAs(t *testing.T) {
	t.Parallel() // refused nonces are waited for
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, v.options)
			service := f.serving(v)
			f.ca.ResetRequests()
			f.apply()
			first := f.checkShown(service, v)
			f.checkIdle()

			f.ask(plan.AskRenew, "a.test")
			f.apply()
			second := f.checkShown(service, v)
			f.checkIdle()
			account := f.account("habit")
			rolled, err := f.RollAccountKey(t.Context(), "habit")
			if err != nil {
				t.Fatal(err)
			}
			if rolled.URL != account.URL || rolled.Key == account.Key || rolled.Intention != nil {
				t.Errorf("account = %+v, was %+v", rolled, account)
			}
			f.ask(plan.AskRenew, "a.test")
			f.apply()
			third := f.checkShown(service, v)
			f.checkIdle()
			if first == second || second == third || first == third {
				t.Error("the same certificate was served again after a renewal")
			}
			f.checkAsked(v)
		})
	}
}

// serving configures a.test, with a service, at an issuer "habit" whose roots
// are all known.
func (f *fixture) serving(v variant) *live {
	f.Helper()
	texts, err := f.ca.IssuingRoots(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	known := f.ca.RootPEM()
	for _, text := range texts {
		known = append(known, text...)
	}
	roots := filepath.Join(f.dir, "all.pem")
	if err := os.WriteFile(roots, known, 0o600); err != nil {
		f.Fatal(err)
	}
	f.issuers = fmt.Sprintf("habit: {directory: %q, roots_file: %s}", f.ca.DirectoryURL(), roots)
	if v.prefer != nil {
		f.issuers = fmt.Sprintf("habit: {directory: %q, roots_file: %s, preferred_chain: %q}", f.ca.DirectoryURL(), roots, v.prefer(f.root(v.root)))
	}
	service := newLive(f.T, f.dir)
	installed := filepath.Join(f.dir, "out/a.test")
	reload := f.script("reload", service.reload(filepath.Join(installed, "privkey.pem"), filepath.Join(installed, "fullchain.pem")))
	f.configure(fmt.Sprintf(`
services: {web: {reload: %s}}
certificates: {a.test: {issuer: [habit], services: [web], verify: [{port: %d, address: 127.0.0.1}]}}
`, reload, service.port))
	return service
}

// root is one of the roots that the CA's chains end in.
func (f *fixture) root(i int) *x509.Certificate {
	f.Helper()
	texts, err := f.ca.IssuingRoots(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	parsed, err := chain.Parse(texts[i])
	if err != nil {
		f.Fatal(err)
	}
	return parsed.Leaf()
}

// checkShown fails the test unless the service shows a valid chain to the
// right root, the files hold the same, and all is verified. It returns the
// serial of what is shown.
func (f *fixture) checkShown(service *live, v variant) string {
	f.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(f.root(v.root))
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(service.port)), &tls.Config{ServerName: "a.test", RootCAs: pool})
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	shown := conn.ConnectionState().PeerCertificates
	if want := 1 + max(1, v.options.ChainLength); len(shown) != want {
		f.Errorf("%d certificates are shown, want %d", len(shown), want)
	}
	var text []byte
	for _, c := range shown {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	leaf := len(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shown[0].Raw}))
	for name, want := range map[string]string{"fullchain.pem": string(text), "cert.pem": string(text[:leaf]), "chain.pem": string(text[leaf:])} {
		if got, err := os.ReadFile(filepath.Join(f.dir, "out/a.test", name)); err != nil || string(got) != want {
			f.Errorf("%s is not what is shown (%v): %s", name, err, got)
		}
	}
	k := f.known("a.test")
	if target := k.Targets["default"]; target.State != plan.TargetVerified || target.Version != k.Published || len(k.Orders)+len(k.Tries)+len(k.Asks) != 0 {
		f.Errorf("known = %+v", k)
	}
	return shown[0].SerialNumber.String()
}

// checkIdle fails the test unless a further pass does nothing.
func (f *fixture) checkIdle() {
	f.Helper()
	before, asked := f.tree(), f.ca.Count()
	if again := f.apply(); len(again.Done) != 0 {
		f.Errorf("a further pass did %+v", again.Done)
	}
	if differ := faultfs.Differ(before, f.tree()); len(differ) != 0 {
		f.Errorf("a further pass changed %q", differ)
	}
	if n := f.ca.Count() - asked; n != 0 {
		f.Errorf("a further pass asked the CA %d times", n)
	}
}

// checkAsked compares what three certificates and a change of key cost. What a
// refused nonce costs is repeated, and counts for nothing.
func (f *fixture) checkAsked(v variant) {
	f.Helper()
	if n := len(finalized(f.ca)); n != 3 {
		f.Errorf("%d orders were finalised for 3 needs", n)
	}
	// An account is asked for twice: to have one, and to see that the new key opens it.
	want := map[acmetest.Kind]int{acmetest.NewAccount: 2, acmetest.NewOrder: 3, acmetest.KeyChange: 1, acmetest.Certificate: 3 * (1 + v.root)}
	if v.proofs >= 0 {
		want[acmetest.Challenge] = v.proofs
	}
	for kind, n := range want {
		if got := f.ca.Count(kind); v.options.NonceReject == 0 && got != n || got < n {
			f.Errorf("%d requests of kind %s, want %d", got, kind, n)
		}
	}
}
