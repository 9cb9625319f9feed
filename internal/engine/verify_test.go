package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestVerdictSettles: while services take over what they were told, right counts
// only twice in a row, and anything else is looked at again; later the first
// verdict counts. The last of the verdicts stays.
func TestVerdictSettles(t *testing.T) {
	verdicts := map[rune]plan.Verdict{'r': plan.VerdictRight, 'w': plan.VerdictWrong, 'u': plan.VerdictUnstapled, '?': plan.VerdictUnknown}
	for _, test := range []struct {
		shown          string // look after look
		fresh, stapled time.Duration
		want           int // looks
	}{
		{"rr", freshFor, 0, 2},
		{"rwrr", freshFor, 0, 4},
		{"wrwwrr", freshFor, 0, 6},
		{"?r?rr", freshFor, 0, 5},
		{"r", 0, 0, 1},
		{"w", 0, 0, 1},
		{"u", freshFor, 0, 1},
		{"uuur", 0, time.Minute, 4},
		{"uurr", freshFor, time.Minute, 4},
		{"w", freshFor, 0, 12}, // after 0.1, 0.2, 0.4, 0.8, 1.6 and then each 2 seconds
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			look := func() []plan.Result {
				shown := []rune(test.shown)
				looks++
				return []plan.Result{{Verdict: verdicts[shown[min(looks, len(shown))-1]]}}
			}
			now := time.Now()
			got := plan.WorstVerdict(untilSettled(t.Context(), look, now.Add(test.stapled), now.Add(test.fresh)))
			if want := verdicts[rune(test.shown[len(test.shown)-1])]; looks != test.want || got != want {
				t.Errorf("%q: %d looks, %s; want %d, %s", test.shown, looks, got, test.want, want)
			}
		})
	}
}
