package engine

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/chain"
)

// sharedService are certificates on files of shared keys, with a service that
// is sound with all files only, and keeps what it read at each reload in a
// folder of its own.
func (f *fixture) sharedService(names ...string) {
	f.Helper()
	script := f.script("reload", fmt.Sprintf("cd %s\nn=$(ls -d read.* 2>/dev/null | wc -l)\nmkdir read.$n\ncp *.pem *.key read.$n/\n", f.dir))
	check := f.script("check", fmt.Sprintf("cd %s\nfor name in %s; do test -e $name.pem || exit 1; done\n", f.dir, strings.Join(names, " ")))
	text := fmt.Sprintf("services: {web: {check: %s, reload: %s}}\nkeys: {both: {files: [{path: %s/both.key, content: key}]}}\ncertificates:\n", check, script, f.dir)
	for _, name := range names {
		text += fmt.Sprintf("  %[1]s.test: {key: both, services: [web], files: [{path: %[2]s/%[1]s.pem, content: fullchain}]}\n", name, f.dir)
	}
	f.configure(text)
}

// readings are, for each reload, which certificates the service read that fit
// the key, a placeholder with a mark of its own.
func (f *fixture) readings() [][]string {
	f.Helper()
	var all [][]string
	for n := 0; ; n++ {
		dir := filepath.Join(f.dir, fmt.Sprintf("read.%d", n))
		if _, err := os.Stat(dir); err != nil {
			return all
		}
		var read []string
		files, err := filepath.Glob(filepath.Join(dir, "?.pem"))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			pair, err := tls.LoadX509KeyPair(file, filepath.Join(dir, "both.key"))
			if err != nil {
				f.Errorf("reload %d: %s: %v", n, filepath.Base(file), err)
				continue
			}
			name := filepath.Base(file)
			if slices.Contains(pair.Leaf.Subject.Organization, chain.PlaceholderOrganization) {
				name += " (placeholder)"
			}
			read = append(read, name)
		}
		all = append(all, read)
	}
}

// TestSharedKeysHavePlaceholders: a service of certificates on files of shared
// keys can start before the first of them is issued, and where one is added.
func TestSharedKeysHavePlaceholders(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.sharedService("a", "b")
	f.apply()
	read := f.readings()
	if len(read) < 2 || !slices.Equal(read[0], []string{"a.pem (placeholder)", "b.pem (placeholder)"}) {
		t.Fatalf("the service read %q, want placeholders first", read)
	}
	if last := read[len(read)-1]; !slices.Equal(last, []string{"a.pem", "b.pem"}) {
		t.Errorf("the service read %q at last", last)
	}
	key := f.read("both.key")
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}

	f.sharedService("a", "b", "c")
	f.apply()
	added := f.readings()[len(read):]
	if len(added) != 2 || !slices.Equal(added[0], []string{"a.pem", "b.pem", "c.pem (placeholder)"}) || !slices.Equal(added[1], []string{"a.pem", "b.pem", "c.pem"}) {
		t.Errorf("where one is added the service read %q", added)
	}
	if f.read("both.key") != key {
		t.Error("the key changed")
	}
}

// TestPlaceholdersSpareForeignKeys: where a file of the keys holds what cannot
// be read, nothing is put beside it before a certificate is there.
func TestPlaceholdersSpareForeignKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	if err := os.WriteFile(filepath.Join(f.dir, "both.key"), []byte("not a key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.sharedService("a", "b")
	if report, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err, report.Done)
	}
	for _, read := range f.readings() {
		if slices.Contains(read, "a.pem (placeholder)") {
			t.Errorf("the service read %q", read)
		}
	}
}
