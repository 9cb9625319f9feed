package sim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// fleetOf is a config of n certificates.
func fleetOf(n int, issuers string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "issuers: {one: {directory: \"https://one.test/directory\"}, two: {directory: \"https://two.test/directory\"}}\n")
	fmt.Fprintf(&b, "defaults: {path: $DIR/out, renew: {ari: false}, issuer: [%s]}\ncertificates:\n", issuers)
	for i := range n {
		fmt.Fprintf(&b, "  c%05d.test: {}\n", i)
	}
	return b.String()
}

// TestUnreachableCA: ten thousand certificates that wait for a CA which nobody
// reaches cost a handful of connections: some until it is known, then one
// order at a time, ever more seldom. A person sees why nothing comes of them.
func TestUnreachableCA(t *testing.T) {
	inFleet(t, map[string]fakeca.Options{"one": {}}, func(f *fleet) {
		n := 10000
		if seeds < 10 { // under the race detector
			n = 500
		}
		f.config = fleetOf(n, "one")
		d := &dialled{wire: f.wire, dead: true}
		f.start(d)
		time.Sleep(time.Hour)
		if first := d.taken(); first == 0 || first > 40 {
			t.Errorf("%d connections were tried within an hour", first)
		}
		time.Sleep(24 * time.Hour)
		if later := d.taken(); later == 0 || later > 100 {
			t.Errorf("%d connections were tried within a day", later)
		}
		unreachable := 0
		for _, p := range f.problems() {
			if p.Code == plan.CodeNetwork {
				unreachable++
			}
		}
		if unreachable != n {
			t.Errorf("%d of %d certificates tell of the CA", unreachable, n)
		}
	})
}

// TestReachedAgain: once the CA is back, all get their certificate, also
// those that tried the CA themselves again and again, whatever happened to the process meanwhile.
func TestReachedAgain(t *testing.T) {
	inFleet(t, map[string]fakeca.Options{"one": {}}, func(f *fleet) {
		const n = 100
		f.config = fleetOf(n, "one")
		d := &dialled{wire: f.wire, dead: true}
		f.start(d)
		time.Sleep(24 * time.Hour)
		f.stop()
		d.taken()
		f.start(d)
		time.Sleep(6 * time.Hour)
		if again := d.taken(); again == 0 || again > 30 {
			t.Errorf("%d connections were tried in six hours after a restart", again)
		}
		d.revive()
		time.Sleep(90 * time.Minute)
		if got := len(f.cas["one"].Issuances()); got != n {
			t.Errorf("%d certificates were issued, want %d", got, n)
		}
	})
}

// TestFailingCA: where a CA answers, and fails at every order, the same holds;
// certificates that list another CA get theirs there at once, and go back to
// the first one when they are renewed and it works again.
func TestFailingCA(t *testing.T) {
	inFleet(t, map[string]fakeca.Options{"one": {}, "two": {}}, func(f *fleet) {
		const n = 40
		f.config = fleetOf(n, "one, two")
		f.start(&dialled{wire: f.wire})
		one, two := f.cas["one"], f.cas["two"]
		one.fail(http.StatusInternalServerError)
		time.Sleep(24 * time.Hour)
		if asked := one.count(); asked == 0 || asked > 200 {
			t.Errorf("the CA that fails was asked %d times within a day", asked)
		}
		if got := len(two.Issuances()); got != n {
			t.Errorf("%d certificates were issued by the second CA, want %d", got, n)
		}
		one.fail(0)
		time.Sleep(70 * day)
		// The first one tries whether it works; who is due in that moment goes to the second.
		if got := len(one.Issuances()); got < n*3/4 {
			t.Errorf("%d certificates of %d were renewed by the first CA", got, n)
		}
	})
}

// taken is how many connections were tried since it was last called.
func (d *dialled) taken() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.count = 0 }()
	return d.count
}

func (d *dialled) revive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = false
}
