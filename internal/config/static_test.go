package config

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// putStatic puts a certificate that signed itself at a path.
func putStatic(t *testing.T, path string, kind keys.Type, names ...string) {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a certificate is that somebody else makes stands in its files; how one
// is ordered is none of its settings, whatever the defaults say.
func TestStaticIsWhatItsFilesAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.pem"), filepath.Join(dir, "two.pem")
	putStatic(t, one, keys.RSA2048, "WWW.example.org", "example.org")
	putStatic(t, two, keys.ECDSAP384, "www.example.org", "example.org")
	cfg := mustLoad(t, fmt.Sprintf(`
defaults: {key_types: [ecdsa-p256, rsa-4096], must_staple: true, backup_key: true, mode: manual, quarantine: true}
certificates:
  both: {static: [{certificate: %s}, {certificate: %s, key: %s/two.key}]}
  named: {names: [example.org], static: {certificate: %[1]s}, files: []}
  gone.example.org: {static: {certificate: %[3]s/none}}
  "gone": {static: {certificate: %[3]s/none}}
`, one, two, dir))
	both := cfg.Certificate("both")
	if !slices.Equal(both.Names, []string{"example.org", "www.example.org"}) || !slices.Equal(both.KeyTypes, []keys.Type{keys.RSA2048, keys.ECDSAP384}) {
		t.Errorf("names %v, key types %v", both.Names, both.KeyTypes)
	}
	if both.Static[0].Key != one || both.Static[1].Key != dir+"/two.key" {
		t.Errorf("keys are in %+v", both.Static)
	}
	if got := cfg.Certificate("named").Names; !slices.Equal(got, []string{"example.org"}) {
		t.Errorf("names that are given become %v", got)
	}
	if got := cfg.Certificate("gone.example.org").Names; !slices.Equal(got, []string{"gone.example.org"}) {
		t.Errorf("without a file the names are %v", got)
	}
	if got := cfg.Certificate("named").Targets(); len(got) != 1 || got[0].Layout != LayoutNone {
		t.Errorf("targets %+v, want one without files, whose services are told", got)
	}
	for _, want := range cfg.Wanted().Certs {
		if want.Mode != plan.ModeStatic || len(want.Issuers) > 0 || want.MustStaple || want.Quarantine || want.Keys != "" || want.Renew.ARI {
			t.Errorf("%s: %+v", want.Name, want)
		}
	}
	if got := cfg.StaticFiles(); !slices.Equal(got, []string{dir + "/none", one, dir + "/two.key", two}) {
		t.Errorf("watched are %v", got)
	}
}

// A certificate of another kind, or with other names where those are the
// certificate's, has the configuration read again; a new one of the same does not.
func TestStaticDiffers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "one.pem")
	for _, c := range []struct {
		name, certificate string
		change            func()
		differs           bool
	}{
		{"renewed", "x: {static: {certificate: %s}}", func() { putStatic(t, path, keys.ECDSAP256, "example.org") }, false},
		{"another kind of key", "x: {static: {certificate: %s}}", func() { putStatic(t, path, keys.RSA2048, "example.org") }, true},
		{"another name", "x: {static: {certificate: %s}}", func() { putStatic(t, path, keys.ECDSAP256, "example.com") }, true},
		{"another name beside given ones", "x: {names: [example.org], static: {certificate: %s}}", func() { putStatic(t, path, keys.ECDSAP256, "example.com") }, false},
		{"gone", "x: {static: {certificate: %s}}", func() { _ = os.Remove(path) }, false},
	} {
		putStatic(t, path, keys.ECDSAP256, "example.org")
		cfg := mustLoad(t, "certificates:\n  "+fmt.Sprintf(c.certificate, path))
		if cfg.StaticDiffers() {
			t.Errorf("%s: it differs before anything happened", c.name)
		}
		if c.change(); cfg.StaticDiffers() != c.differs {
			t.Errorf("%s: differs: %t, want %t", c.name, !c.differs, c.differs)
		}
	}
	cfg := mustLoad(t, "certificates: {x.org: {static: {certificate: "+path+"}}}") // it is gone
	if putStatic(t, path, keys.ECDSAP256, "x.org"); !cfg.StaticDiffers() {
		t.Error("what could not be read and is there now does not differ")
	}
}

// What is shown can be read again, and says nothing of orders.
func TestStaticIsShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "one.pem")
	putStatic(t, path, keys.RSA2048, "example.org")
	cfg := mustLoad(t, "certificates: {x: {static: {certificate: "+path+"}}}")
	shown := cfg.Show()
	_, below, _ := strings.Cut(shown, "certificates:")
	for _, key := range []string{"issuer:", "key_types:", "renew:", "must_staple:", "common_name:"} {
		if strings.Contains(below, key) {
			t.Errorf("shown with %s\n%s", key, below)
		}
	}
	again := mustLoad(t, shown)
	if got := again.Certificate("x"); len(got.Static) != 1 || got.Static[0].Certificate != path || got.Static[0].Key != path || got.Mode != ModeStatic {
		t.Errorf("read again: %+v\n%s", got, shown)
	}
}
