package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestSweepAdoption sweeps the taking over of what another tool installed. No
// order is opened in the end, the pair is known, and each file that stood there
// holds what it held.
func TestSweepAdoption(t *testing.T) {
	plain := func(f *fixture, from string) string { return f.copyPEMs(from, "ssl") }
	for _, c := range []struct {
		name, config string
		make         func(f *fixture, from string) string // a tool's files; returns the folder that servers read them in
		still        bool                                 // not even a time of a file may change
		every        int
	}{
		{"files", "certificates: {a.test: {files: [" + pemFiles("privkey.pem", "cert.pem", "chain.pem", "fullchain.pem") + "]}}", plain, true, 2},
		{"key", "keys: {own: {files: [" + pemFiles("privkey.pem") + "]}}\n" +
			"certificates: {a.test: {key: own, files: [" + pemFiles("cert.pem", "chain.pem", "fullchain.pem") + "]}}", plain, true, 3},
		{"folder", "certificates: {a.test: {path: $DIR/ssl}}", func(f *fixture, from string) string { return f.copyPEMs(from, "ssl/a.test") }, false, 2},
		{"certbot", "certificates: {a.test: {layout: certbot, path: $DIR/letsencrypt}}", func(f *fixture, from string) string {
			return filepath.Join(f.certbotTree(from, "a.test"), "live/a.test")
		}, false, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLife(t)
			l.orders = 0
			l.config = c.config + "\n"
			var folder string
			var texts, before map[string]string
			l.prepare(t, func(f *fixture) {
				f.configure("certificates: {a.test: {}}\n")
				f.apply()
				folder = c.make(f, f.aside("out/a.test"))
				texts, before = f.pems(folder), f.treeOf(folder)
				f.forget()
			})
			l.judge = func(f *fixture) {
				f.Helper()
				f.checkTakenOver(folder, texts)
				if differ := faultfs.Differ(before, f.treeOf(folder)); c.still && len(differ) != 0 {
					f.Errorf("changed: %q", differ)
				}
			}
			l.sweep(t, c.every)
		})
	}
}

// pemFiles are lines of a config for files in that folder.
func pemFiles(names ...string) string {
	content := map[string]string{"privkey.pem": "key", "cert.pem": "certificate", "chain.pem": "chain", "fullchain.pem": "fullchain"}
	var files []string
	for _, name := range names {
		files = append(files, "{path: $DIR/ssl/"+name+", content: "+content[name]+"}")
	}
	return strings.Join(files, ", ")
}

// aside moves the certificates that were installed to where nothing looks for
// them.
func (f *fixture) aside(folder string) string {
	f.Helper()
	to := filepath.Join(f.TempDir(), "from")
	copyTree(f.T, filepath.Join(f.dir, folder)+"/.", to)
	if err := os.RemoveAll(filepath.Join(f.dir, "out")); err != nil {
		f.Fatal(err)
	}
	return to
}

// copyPEMs puts them into a plain folder, as many tools do.
func (f *fixture) copyPEMs(from, to string) string {
	f.Helper()
	folder := filepath.Join(f.dir, to)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		f.Fatal(err)
	}
	for name, text := range f.pems(from) {
		mode := os.FileMode(0o644)
		if name == "privkey.pem" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), mode); err != nil {
			f.Fatal(err)
		}
	}
	return folder
}

// pems are the texts that servers read in a folder.
func (f *fixture) pems(folder string) map[string]string {
	f.Helper()
	texts := map[string]string{}
	for _, name := range []string{"privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			f.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

// checkTakenOver fails the test unless what servers read in a folder is what it
// was, and is known as a version that nobody ordered.
func (f *fixture) checkTakenOver(folder string, texts map[string]string) {
	f.Helper()
	now := f.pems(folder)
	for name, text := range texts {
		if now[name] != text {
			f.Errorf("%s was changed", name)
		}
	}
	if n := f.ca.Count(acmetest.NewOrder); n != 0 {
		f.Errorf("%d orders were opened", n)
	}
	k := f.known("a.test")
	v, _ := k.Version(k.Published)
	if len(k.Versions) == 0 || !v.Adopted || len(v.Pairs) != 1 || k.Targets["default"].Version != k.Published || k.Targets["default"].State != plan.TargetReloaded {
		f.Errorf("known %+v", k)
	}
	if key, err := f.store.Key(f.Context(), v.Pairs[0].Key); err != nil || key == nil {
		f.Errorf("its key is not kept: %v", err)
	}
}
