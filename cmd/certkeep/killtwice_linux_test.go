package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestKilledTwice lets the next run go wrong too, at one change after the
// other: killed, or refused by the disk. What the first one left is taken
// away all the same.
func TestKilledTwice(t *testing.T) {
	needTracing(t)
	program := buildProgram(t)
	for _, kill := range []bool{true, false} {
		if !kill && !canAnswer {
			continue
		}
		t.Run(map[bool]string{true: "killed", false: "refused"}[kill], func(t *testing.T) {
			t.Parallel()
			w := newScene(t)
			for n, more := 1, true; more && !t.Failed(); n++ {
				more = t.Run(fmt.Sprintf("at %d", n), func(t *testing.T) {
					v := newVictim(t, program, w)
					v.run("apply")
					v.wasKilled()
					w.ResetRequests()
					r, _ := v.traced(tampering{at: n, refusal: badDisk(v.dir), kill: kill}, "apply")
					more = n <= r.calls
					v.goOn(0)
				}) && more
			}
		})
	}
}

// wasKilled leaves what a killed holder of the state leaves: its note, and a
// file that it was about to write.
func (v *victim) wasKilled() {
	v.Helper()
	err := errors.Join(
		os.WriteFile(v.at("state/lock"), []byte(`{"pid":1,"command":"certkeep"}`+"\n"), 0o600),
		os.WriteFile(durable.Temp(filepath.Join(v.dir, "state/records/groups/a.json")), []byte("{"), 0o600),
	)
	if err != nil {
		v.Fatal(err)
	}
}
