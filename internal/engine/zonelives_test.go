package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestSweepZoneFiles sweeps a first issue that is proven by the file of a local
// zone, and the program that reads it: in the end there is a certificate, and no
// answer is left in the file nor at the name server. The program's work is given
// two seconds each time, so several lives share the cases, and wait at the same
// time however few tests may run at once.
func TestSweepZoneFiles(t *testing.T) {
	t.Parallel()
	const lives = 8
	var all sync.WaitGroup
	for i := range lives {
		all.Go(func() {
			t.Run(fmt.Sprintf("life %d", i), func(t *testing.T) {
				l := zoneLife(t)
				l.shard.number, l.shard.among = i, lives
				l.sweep(t, 59)
			})
		})
	}
	all.Wait()
}

func zoneLife(t *testing.T) *life {
	t.Helper()
	server := startZone(t)
	l := newLifeAt(t, acmetest.Options{DNS: server.Address})
	l.config = fmt.Sprintf(`
dns: {local: {provider: zonefile, zones: [a.test], directory: $DIR/challenges, command: [$DIR/reload-zone], resolver: %[1]q, propagation: {servers: [%[1]q]}}}
challenges: [{dns-01: {via: local}}]
certificates: {a.test: {names: [a.test, "*.a.test"]}}
`, server.Address)
	l.prepare(t, func(f *fixture) { f.zoneProgram(server) })
	l.afresh = func() { // the files are gone, and the name server does not know it
		if said, err := exec.Command(filepath.Join(l.dir, "reload-zone"), "a.test").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("a.test")
		if left := server.TXT(f.T, "_acme-challenge.a.test"); len(left) != 0 {
			f.Errorf("the name server still has %q", left)
		}
		if left, err := os.ReadDir(filepath.Join(f.dir, "challenges")); err == nil && len(left) != 0 {
			f.Errorf("left beside the zone: %v, %s", left, f.text("challenges/a.test"))
		}
		if k := f.known("a.test"); len(k.Presented) != 0 || len(k.Orders) != 0 {
			f.Errorf("known: %+v", k)
		}
	}
	return l
}
