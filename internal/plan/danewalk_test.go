package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestDANEWalks lives through many histories of a certificate whose key
// outlives it, in which persons ask, DNS is away, somebody else adds to it, and
// keys are lost. More seeds take a second each. No client is ever shut out, and in the end all is at rest.
func TestDANEWalks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 7))
			l := newDANELife(t, "3 1 1")
			l.reuse(dice.IntN(2) == 0)
			l.want.Keep = 1 + dice.IntN(3)
			l.keys[0].EachTime = l.keys[0].Backup && dice.IntN(3) == 0
			l.want.FreshKey = l.keys[0].EachTime
			l.newKey = false
			if !l.keys[0].EachTime && dice.IntN(2) == 0 {
				l.keys[0].Expires, l.keys[0].AutoRollover = days(40+float64(dice.IntN(200))), true
			}
			l.until(day(11))
			for range 12 {
				what := l.stir(dice)
				l.until(l.now.Add(time.Duration(dice.Int64N(int64(days(20))))))
				if t.Failed() {
					t.Fatalf("after %s", what)
				}
			}
			l.down = false
			l.until(l.now.Add(days(3)))
			v, _ := l.known.Version(l.known.Published)
			set := l.sets.Keys[ec]
			if l.serves != l.known.Published || v.Pairs[0].Key != set.Primary.SHA256 || l.sets.Rolling != nil || l.known.Ready != "" {
				t.Errorf("served %s, published %s on %s, keys %+v, rolling %+v", l.serves, l.known.Published, v.Pairs[0].Key, set, l.sets.Rolling)
			}
			want := []string{l.record(l.serves)}
			if set.Next.Usable() {
				want = append(want, "3 1 1 "+set.Next.SHA256)
			}
			slices.Sort(want)
			if got := slices.Sorted(slices.Values(l.shown())); !slices.Equal(got, want) {
				t.Errorf("in DNS %q, want %q", got, want)
			}
		})
	}
}

// stir has something happen.
func (l *daneLife) stir(dice *rand.Rand) string {
	set := l.sets.Keys[ec]
	switch dice.IntN(8) {
	case 0:
		l.ask(plan.AskRenew, l.now)
		return "renew"
	case 1:
		if l.sets.Rolling == nil {
			l.sets.Ask = &plan.AskedRollover{At: l.now, Force: dice.IntN(2) == 0}
		}
		return "rollover"
	case 2:
		l.sets.Ask = &plan.AskedRollover{At: l.now, Cancel: true}
		return "cancel"
	case 3:
		l.down = !l.down
		return "down or up"
	case 4: // somebody adds a record
		l.shows = append(l.shows, daneSet{l.now, append(slices.Clone(l.shown()), "3 1 1 foreign")})
		return "added"
	case 5:
		if set.Next.SHA256 != "" {
			set.Next.Lost = "torn"
			l.sets.Keys[ec] = set
		}
		return "lost next"
	case 6:
		l.lag = time.Duration(dice.IntN(3)) * time.Minute
		return "lag"
	}
	return "nothing"
}
