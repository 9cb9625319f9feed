package engine

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestRolloverSweep has every change of the disk go wrong, in every way, while
// two certificates get another key, whose files are switched with theirs. The
// next process ends it: with one order for each.
func TestRolloverSweep(t *testing.T) {
	l := newLife(t)
	l.rollover(t, "")
	l.sweep(t, 17)
}

// rollover makes it a life in which two certificates get another key. More is
// said of their keys.
func (l *life) rollover(t *testing.T, more string) {
	t.Helper()
	l.orders, l.certs = 2, []string{"a.test", "b.test"}
	l.config = `keys:
  both:
    ` + more + `
    files:
      - {path: $DIR/both.key, content: key}
      - {path: $DIR/both_backup.key, content: backup-key}
      - {path: $DIR/both_previous.key, content: previous-key}
certificates:
  a.test: {key: both, files: [{path: $DIR/a.pem, content: fullchain}]}
  b.test: {key: both, files: [{path: $DIR/b.pem, content: fullchain}]}
`
	var was plan.KeySet
	l.prepare(t, func(f *fixture) {
		f.apply()
		was = f.keySet("both").Keys[ec256]
		f.ask(plan.AskRollover, "a.test")
	})
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkKeyFiles()
		set := f.keySet("both").Keys[ec256]
		if set.Primary.SHA256 != was.Next.SHA256 || set.Previous.SHA256 != was.Primary.SHA256 || set.Next.IsZero() {
			f.Errorf("keys are %+v, were %+v", set, was)
		}
		for _, name := range []string{"a.test", "b.test"} {
			if f.key(name, ec256) != set.Primary.SHA256 {
				f.Errorf("%s is on another key", name)
			}
		}
		left, err := f.store.Keys(f.Context())
		if err != nil || len(left) > 4 { // three in use, and one that a kill left, for some days
			f.Errorf("keys left: %q, %v", left, err)
		}
	}
}
