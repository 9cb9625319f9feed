package engine

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestReceiptsInNamedFiles: receipts lie in files of the administrator's names,
// and move to others without being asked for again.
func TestReceiptsInNamedFiles(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	one, two := newTestLog(t), newTestLog(t)
	configure := func(place string) {
		f.configure(fmt.Sprintf(`
ct_logs: {own: [%s, %s]}
certificates: {a.test: {key_types: [ecdsa-p256], sct: {%s, logs: [one, two], mode: "0640"}}}
`, one.config("one"), two.config("two"), place))
		f.apply()
	}
	for _, c := range []struct{ place, one, two string }{
		{`file: "` + f.dir + `/by/{log}/{name}{suffix}"`, "by/one/a.test.ecdsa", "by/two/a.test.ecdsa"},
		{`file: "` + f.dir + `/flat/{name}.{kind}.{log}.sct"`, "flat/a.test.ecdsa.one.sct", "flat/a.test.ecdsa.two.sct"},
		{`directory: "` + f.dir + `/plain"`, "plain/one.sct", "plain/two.sct"},
	} {
		configure(c.place)
		f.checkReceipt(one, filepath.Join(f.dir, c.one))
		f.checkReceipt(two, filepath.Join(f.dir, c.two))
	}
	if a, b := len(one.received()), len(two.received()); a != 1 || b != 1 {
		t.Errorf("the logs received %d and %d certificates, want 1 each", a, b)
	}
}
