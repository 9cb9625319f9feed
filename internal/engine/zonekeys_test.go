package engine

import (
	"fmt"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestReloadsLocalZonesOfSharedKeys: files that are switched with those of
// their keys have zones made anew as any others do, each zone once.
func TestReloadsLocalZonesOfSharedKeys(t *testing.T) {
	t.Parallel()
	l := newLocalZone(t)
	l.configure(fmt.Sprintf(`
dns: {local: {provider: zonefile, zones: [a.test], directory: %[1]s/challenges, command: [%[1]s/reload-zone]}}
keys: {both: {files: [{path: %[1]s/both.key, content: key}, {path: %[1]s/both_backup.key, content: backup-key}]}}
certificates:
  a.test: {key: both, names: [a.test], reload_zones: [a.test], files: [{path: %[1]s/a.pem, content: fullchain}]}
  b.a.test: {key: both, names: [b.a.test], reload_zones: [a.test], files: [{path: %[1]s/b.pem, content: fullchain}]}
`, l.dir))
	l.apply()
	if reloads := l.lines("reloads"); len(reloads) != 1 {
		t.Errorf("reloads %q, want one", reloads)
	}
	l.checkIdle()
	l.ask(plan.AskRenew, "b.a.test")
	l.apply()
	if reloads := l.lines("reloads"); len(reloads) != 2 {
		t.Errorf("reloads %q after a renewal, want two", reloads)
	}
	l.ask(plan.AskRollover, "a.test")
	l.apply()
	if reloads := l.lines("reloads"); len(reloads) != 3 {
		t.Errorf("reloads %q after other keys, want three", reloads)
	}
	placed := l.place("both_backup.key")
	l.apply()
	if reloads := l.lines("reloads"); len(reloads) != 4 || l.text("both_backup.key") != placed {
		t.Errorf("reloads %q after another next key, want four", reloads)
	}
	l.checkIdle()
}
