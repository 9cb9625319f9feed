package engine

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// What only the process around the engine knows goes the same way to people as
// all else: once, with its remedy, and again when it is solved.
func TestConditionsOfTheProcessAreTold(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	conditions := []plan.Problem{{Code: plan.CodeConfig, Severity: plan.Warning, Words: "line 3 says nothing", Since: time.Now()}}
	start := func() {
		f.reopen()
		f.Conditions = func() []plan.Problem { return conditions }
		tell := f.script("tell", "cat >> "+filepath.Join(f.dir, "told")+"\n")
		f.configure(fmt.Sprintf("notify: {command: %s}\n", tell))
	}
	start()
	f.pass()
	f.says(1, "problem appeared config-refused 1")
	if g := f.messages()[0].Groups[0]; g.Remedy != plan.CodeConfig.Remedy() || g.Notices[0].Words != "line 3 says nothing" || g.Severity != plan.Warning {
		t.Errorf("it was told %+v", g)
	}
	f.pass()
	f.says(1, "problem appeared config-refused 1")
	conditions = nil
	f.pass()
	f.says(2, "solved solved config-refused 1")
}
