package engine

import (
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// request writes a key of a type and a signing request for names.
func (f *fixture) request(name string, kind keys.Type, mustStaple bool, names ...string) {
	f.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.Marshal(key)
	if err != nil {
		f.Fatal(err)
	}
	der, err := issuer.CSR(key, names, "", mustStaple)
	if err != nil {
		f.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	for path, data := range map[string][]byte{name + ".key": text, name + ".csr": request} {
		if err := os.WriteFile(filepath.Join(f.dir, path), data, 0o600); err != nil {
			f.Fatal(err)
		}
	}
}

// installed is the files that services read.
func (f *fixture) installed() map[string]string {
	f.Helper()
	tree := f.tree()
	maps.DeleteFunc(tree, func(path, _ string) bool { return !strings.HasPrefix(path, "out") })
	return tree
}

// TestRequestIsGone: a signing request that cannot be read for a while leaves
// what is served as it is, though an earlier certificate without one is kept.
func TestRequestIsGone(t *testing.T) {
	for name, files := range map[string]string{
		"folder": "",
		"files":  ", files: [{path: \"%[1]s/out/{key_type}.pem\", content: fullchain}, {path: \"%[1]s/out/{key_type}.key\", content: key}]",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, acmetest.Options{})
			if files != "" {
				files = fmt.Sprintf(files, f.dir)
			}
			f.configure("certificates: {a.test: {names: [a.test]" + files + "}}\n")
			f.apply()
			f.request("a", keys.RSA2048, false, "a.test")
			given := fmt.Sprintf("certificates: {a.test: {names: [a.test], csr: {file: %[1]s/a.csr, key_file: %[1]s/a.key}%[2]s}}\n", f.dir, files)
			f.configure(given)
			f.apply()
			if k := f.known("a.test"); len(k.Versions) != 2 {
				t.Fatalf("known %+v", k)
			}
			before, published := f.installed(), f.known("a.test").Published
			aside := filepath.Join(f.dir, "aside")
			if err := os.Rename(filepath.Join(f.dir, "a.csr"), aside); err != nil {
				t.Fatal(err)
			}
			f.configure(given)
			report, err := f.Apply(t.Context(), nil, Only{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Done, func(o Outcome) bool { return o.Fault != nil && o.Fault.Code == plan.CodeCSR }) {
				t.Errorf("nothing is said of it: %+v", report.Done)
			}
			if now := f.known("a.test").Published; now != published {
				t.Errorf("published is %s, was %s", now, published)
			}
			if differ := faultfs.Differ(before, f.installed()); len(differ) != 0 {
				t.Errorf("changed: %q", differ)
			}
			if err := os.Rename(aside, filepath.Join(f.dir, "a.csr")); err != nil {
				t.Fatal(err)
			}
			f.configure(given)
			f.apply()
			if n := len(finalized(f.ca)); n != 2 || f.known("a.test").Published != published {
				t.Errorf("%d orders, want two", n)
			}
			if differ := faultfs.Differ(before, f.installed()); len(differ) != 0 {
				t.Errorf("changed in the end: %q", differ)
			}
			f.request("a", keys.ECDSAP384, true, "a.test")
			f.configure(given)
			f.apply()
			v, _ := f.known("a.test").Version(f.known("a.test").Published)
			if n := len(finalized(f.ca)); n != 3 || len(v.Pairs) != 1 || v.Pairs[0].KeyType != "ecdsa-p384" || v.Pairs[0].Misfit != "" {
				t.Errorf("%d orders, published %+v", n, v)
			}
			f.checkIdle()
		})
	}
}
