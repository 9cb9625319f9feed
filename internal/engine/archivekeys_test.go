package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestArchiveByKeys: what is replaced is kept by the name of the keys, or of a
// certificate that has none, but for placeholders.
func TestArchiveByKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("keep: {archive_directory: " + f.dir + "/archive}\nservices: {web: {reload: " + f.noted("web") + `}}
keys: {both: {files: [{path: ` + f.dir + `/both.key, content: key}]}}
certificates:
  a.test: {key: both, services: [web], files: [{path: ` + f.dir + `/a.pem, content: fullchain}]}
  b.test: {services: [web]}
`)
	f.apply()
	if kept := f.archivedByKeys(); len(kept) != 0 {
		t.Errorf("archived where nothing was before: %q", kept)
	}
	was := f.text("a.pem")
	f.ask(plan.AskRenew, "a.test", "b.test")
	f.apply()
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	got := strings.Join(f.archivedByKeys(), " ")
	if want := "b.test/certificate.cert.pem b.test/certificate.fullchain.pem b.test/chain.chain.pem b.test/private_key.privkey.pem " +
		"both/certificate.a.pem both/certificate.a.pem both/private_key.both.key"; got != want {
		t.Errorf("archived\n%s\nwant\n%s", got, want)
	}
	first, err := filepath.Glob(f.dir + "/archive/both/*/certificate.a.pem")
	if err != nil || len(first) == 0 {
		t.Fatal(err)
	}
	if old, err := os.ReadFile(first[0]); err != nil || string(old) != was {
		t.Errorf("the first copy is not what was there: %v", err)
	}
}

// archivedByKeys are the copies in such an archive, without their times.
func (f *fixture) archivedByKeys() []string {
	f.Helper()
	files, err := filepath.Glob(f.dir + "/archive/*/*/*")
	if err != nil {
		f.Fatal(err)
	}
	for i, path := range files {
		files[i] = filepath.Base(filepath.Dir(filepath.Dir(path))) + "/" + filepath.Base(path)
	}
	return files
}
