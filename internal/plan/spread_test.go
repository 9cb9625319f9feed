package plan_test

import (
	"fmt"
	"testing"
	"time"
)

// Ten thousand certificates that were issued on one day do not renew in one
// hour, whatever their life: no hour has more than twice the share that an even
// spread over the time that is left would give it. None comes into its warning
// window by waiting.
func TestTenThousandAreSpread(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for _, life := range []float64{90, 6} {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			t.Parallel()
			left := days(life / 3)
			if life < 10 {
				left = days(life / 2)
			}
			start := day(life).Add(-left)
			begun := paced(t, fleet(n, day0(), days(life)), start, days(life), true)
			over := min(48*time.Hour, left/2)
			if most, even := mostInAnHour(begun), n/int(over.Hours()); most > 2*even {
				t.Errorf("%d renewals began within one hour, more than twice %d", most, even)
			}
			if last := begun[len(begun)-1]; last.After(day(life * 0.9)) {
				t.Errorf("the last one begins at %s, in the warning window", last)
			}
		})
	}
}
