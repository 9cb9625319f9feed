package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// fixture is an engine on a real CA, with a state and an output folder of its
// own.
type fixture struct {
	*testing.T
	ca      *acmetest.CA
	dir     string
	disk    durable.Disk
	roots   string
	issuers string // further lines of the config's issuers
	store   *store.Store
	*Engine
}

func newFixture(t *testing.T, o acmetest.Options) *fixture {
	t.Helper()
	f := &fixture{T: t, ca: acmetest.Start(t, o), dir: t.TempDir(), disk: durable.OS{}}
	f.roots = filepath.Join(f.dir, "ca.pem")
	if err := os.Chmod(f.dir, 0o700); err != nil { // whatever the umask is: programs in it are run
		t.Fatal(err)
	}
	if err := os.WriteFile(f.roots, f.ca.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	return f
}

// use makes the engine on an open store, as a new process would.
func (f *fixture) use(s *store.Store) {
	f.Cleanup(func() { _ = s.Close() })
	f.store = s
	f.Engine = New(Options{Store: s, Disk: f.disk, Log: slog.New(slog.NewTextHandler(f.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), UserAgent: "certkeep/test"})
}

// configure takes over a config with the given certificates.
func (f *fixture) configure(certificates string) {
	f.Helper()
	cfg := f.config(certificates)
	if err := f.Configure(cfg); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) config(certificates string) *config.Config {
	f.Helper()
	text := fmt.Sprintf(`state: %[1]s/state
node: node1
accept_terms: true
listen: {http: "127.0.0.1:%[2]d", tls: "127.0.0.1:%[3]d"}
issuers:
  pebble: {directory: %[4]q, roots_file: %[5]s}
  %[7]s
defaults: {issuer: [pebble], path: %[1]s/out, renew: {ari: false}}
%[6]s`, f.dir, f.ca.HTTPPort(), f.ca.TLSPort(), f.ca.DirectoryURL(), f.roots, certificates, f.issuers)
	cfg, _, err := config.LoadBytes("test.yaml", []byte(text))
	if err != nil {
		f.Fatal(err)
	}
	return cfg
}

// apply runs a pass and fails the test where a step failed.
func (f *fixture) apply() Report {
	f.Helper()
	report, err := f.Apply(f.Context(), nil, Only{})
	if err != nil {
		f.Fatal(err)
	}
	for _, o := range report.Done {
		if o.Fault != nil {
			f.Errorf("%s %s: %s: %s %q", o.Step.Kind, o.Step.Cert, o.Fault.Code, o.Fault.Words, o.Fault.Detail)
		}
	}
	return report
}

func (f *fixture) known(name string) *plan.KnownCert {
	f.Helper()
	k, err := f.store.KnownCert(context.Background(), name)
	if err != nil {
		f.Fatal(err)
	}
	return k
}

// happened counts events of a kind in a certificate's history.
func (f *fixture) happened(name string, kind store.EventKind) (n int) {
	f.Helper()
	for event, err := range f.store.History(f.Context(), name) {
		if err != nil {
			f.Fatal(err)
		}
		if event.Kind == kind {
			n++
		}
	}
	return n
}

func TestObtainsAndInstalls(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`certificates:
  a.test: {names: [a.test, www.a.test]}
`)
	f.apply()
	k := f.known("a.test")
	if k.Published == "" || len(k.Orders) != 0 || len(k.Tries) != 0 {
		t.Errorf("known = %+v", k)
	}
	if got := k.Targets["default"].State; got != plan.TargetReloaded {
		t.Errorf("target is %s", got)
	}
	for _, name := range []string{"privkey", "cert", "chain", "fullchain"} {
		info, err := os.Stat(filepath.Join(f.dir, "out", "a.test", name+".pem"))
		if err != nil {
			t.Error(err)
			continue
		}
		if name == "privkey" && info.Mode().Perm() != 0o600 {
			t.Errorf("private key has mode %v", info.Mode())
		}
	}
	before := f.ca.Count()
	again := f.apply()
	if len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}
	if asked := f.ca.Count() - before; asked != 0 {
		t.Errorf("the second pass asked the CA %d times", asked)
	}
}

// TestFirstIssueOfTwoKeyTypes wants all that is due done in one pass: also the
// order that follows the first one of a certificate that was looked for at its
// target before.
func TestFirstIssueOfTwoKeyTypes(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {key_types: [ecdsa-p256, ecdsa-p384]}}\n")
	f.apply()
	version, _ := f.known("a.test").Version(f.known("a.test").Published)
	if len(version.Pairs) != 2 {
		t.Errorf("%d pairs after one pass, want 2", len(version.Pairs))
	}
	if n := f.happened("a.test", store.EventInstalled); n != 1 {
		t.Errorf("installed %d times, want the pairs together", n)
	}
	if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if n := f.happened("a.test", store.EventInstalled); n != 2 {
		t.Errorf("installed %d times after a renewal of both, want 2", n)
	}
	f.checkServed("a.test")
}
