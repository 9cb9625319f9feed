//go:debug tlsmlkem=0

package sim

import (
	"os"
	"strconv"
	"testing"
)

// TestYears lives through some histories: as many as the environment asks for.
func TestYears(t *testing.T) {
	for seed := number(t, "CERTKEEP_SEED", 1); seed < number(t, "CERTKEEP_SEED", 1)+number(t, "CERTKEEP_SEEDS", seeds); seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			r := Run(t, Options{Seed: uint64(seed), Years: years * float64(number(t, "CERTKEEP_YEARS", 1)), Certificates: 20, Requests: 0.03, Disk: 0.002, Cheap: seeds < 20})
			r.report(t)
		})
	}
}

// report fails the test for each breach, and shows what led there.
func (r Result) report(t *testing.T) {
	t.Helper()
	t.Logf("seed %d: %d lives, %d certificates issued, %d faults: %v", r.Seed, r.Lives, r.Issued, r.Injected(), r.Faults)
	for _, b := range r.Breaches {
		t.Error(b)
	}
	if len(r.Breaches) > 0 {
		for _, line := range r.Trace {
			t.Log(line)
		}
	}
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
