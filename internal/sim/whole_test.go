package sim

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// TestWholeLife lets each request to the CA and each change of the disk of a
// whole life go wrong in each way, one a life: with CERTKEEP_SWEEP=all every
// one of them, else a sample. The life is lived by commands alone, and by
// commands that find a daemon.
func TestWholeLife(t *testing.T) {
	every := every
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = 1
	}
	for _, daemon := range []bool{false, true} {
		well := liveWell(t, daemon)
		lives, missed := 0, 0
		try := func(what string, i, n int, harm Harm) {
			if (n+i*every/7)%every != 0 {
				return
			}
			t.Run(fmt.Sprintf("%s/%s/%s/%d", means(daemon), what, harm.How, n), func(t *testing.T) {
				if !well.compare(t, daemon, harm) {
					missed++
				}
			})
			lives++
		}
		for i, how := range tolls() {
			for n := 1; n <= well.Requests; n++ {
				try("request", i, n, Harm{Request: n, How: how})
			}
		}
		for i, how := range slices.Sorted(maps.Keys(changeHarms())) {
			for n, change := range well.Changes {
				if change.differs(how) {
					try("change", i, n+1, Harm{Change: n + 1, How: how})
				}
			}
		}
		t.Logf("%s: %d requests, %d changes of the disk, %d certificates; %d lives, in %d nothing went wrong",
			means(daemon), well.Requests, len(well.Changes), well.Signed, lives, missed)
		if missed > 1+lives/50 {
			t.Errorf("in %d of %d lives nothing went wrong", missed, lives)
		}
	}
}

// TestForgettingIsKilled kills the program at each change of the disk while a
// certificate is forgotten: a person who forgets it again finds it by its
// record as long as anything of it is left.
func TestForgettingIsKilled(t *testing.T) {
	well := liveWell(t, false)
	for n := well.Begins["forget"] + 1; n <= well.Begins["nine days of the daemon"]; n += stride {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			well.compare(t, false, Harm{Change: n, How: faultfs.Killed.String()})
		})
	}
}

// TestWindowOnAFullDisk fills the disk while a daemon asks for a window: it
// remembers when it may ask again though it cannot store it.
func TestWindowOnAFullDisk(t *testing.T) {
	well := liveWell(t, true)
	for n := len(well.Changes); n > well.Begins["nine days of the daemon"]; n -= 10 * stride {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			well.compare(t, true, Harm{Change: n, How: faultfs.Full.String()})
		})
	}
}

// means is how commands do their work.
func means(daemon bool) string {
	if daemon {
		return "daemon"
	}
	return "commands"
}

// liveWell lives through a life in which nothing goes wrong.
func liveWell(t *testing.T, daemon bool) Whole {
	t.Helper()
	well := LiveWhole(t, daemon, Harm{})
	for _, b := range well.Breaches {
		t.Error(b)
	}
	if well.Again > 0 {
		t.Errorf("%d commands did not do all that was due", well.Again)
	}
	if well.Again > 0 || len(well.Breaches) > 0 {
		well.tell(t)
		t.FailNow()
	}
	return well
}

// compare lives through another life and compares how it ends. It reports
// whether anything went wrong in it: an instant that is drawn differently may
// leave a life without its last changes of the disk.
func (well Whole) compare(t *testing.T, daemon bool, harm Harm) bool {
	t.Helper()
	got := LiveWhole(t, daemon, harm)
	t.Logf("%s: %q in %q", harm.How, got.Hit, got.Chapter)
	for _, b := range got.Breaches {
		t.Error(b)
	}
	for _, kind := range slices.Sorted(maps.Keys(got.Shape)) {
		if n := got.Shape[kind]; n > well.Shape[kind] {
			t.Errorf("%d files %s are left, %d where nothing goes wrong", n, kind, well.Shape[kind])
		}
	}
	for kind, n := range well.Shape {
		if got.Shape[kind] == 0 {
			t.Errorf("no file %s is there, %d where nothing goes wrong", kind, n)
		}
	}
	if t.Failed() {
		got.tell(t)
	}
	return got.Hit != ""
}

// tell shows what happened in a life.
func (w Whole) tell(t *testing.T) {
	t.Helper()
	for _, line := range w.Trace {
		t.Log(line)
	}
}
