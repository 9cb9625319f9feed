package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// closed is a maintenance window that opens in two hours.
func closed() string {
	from := time.Now().UTC().Add(2 * time.Hour)
	return fmt.Sprintf(`maintenance: {from: %q, to: %q, timezone: UTC}`, from.Format("15:04"), from.Add(time.Hour).Format("15:04"))
}

// TestWaitsForItsWindow: a missing certificate is obtained and installed at any
// time. What changes later waits for the window, unless a person names it: then
// it is obtained and installed in one go.
func TestWaitsForItsWindow(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`certificates: {a.test: {` + closed() + `}}`)
	f.apply()
	first := f.known("a.test")
	if first.Published == "" || first.Targets["default"].Version != first.Published {
		t.Fatalf("the first certificate was put off: %+v", first)
	}
	f.configure(`certificates: {a.test: {names: [a.test, b.test], ` + closed() + `}}`)
	f.apply()
	if k := f.known("a.test"); k.Published != first.Published {
		t.Fatal("a certificate with another name was obtained outside of the window")
	}
	f.ask(plan.AskApply, "a.test")
	f.apply()
	k := f.known("a.test")
	if k.Published == first.Published || k.Targets["default"].Version != k.Published {
		t.Errorf("what a person named was not obtained and installed: %s published, %+v", k.Published, k.Targets)
	}
	if len(k.Asks) != 0 {
		t.Errorf("asks are left: %v", k.Asks)
	}
}
