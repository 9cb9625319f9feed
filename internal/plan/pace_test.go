package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// fleet is n certificates, all made at one instant, without targets.
func fleet(n int, made time.Time, life time.Duration) plan.World {
	w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	for i := range n {
		want := plan.WantedCert{Name: fmt.Sprintf("c%05d", i), Names: []string{fmt.Sprintf("c%05d.example", i)}, Issuers: []string{"le"}, KeyTypes: []string{ec}}
		w.Wanted.Certs = append(w.Wanted.Certs, want)
		w.Known.Certs[want.Name] = &plan.KnownCert{
			Published: "v1", Looked: true,
			Versions: []plan.Version{version("v1", made, pair(want, ec, made, life))},
		}
	}
	return w
}

func dueIssues(now time.Time, steps []plan.Step) []plan.Step {
	return slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Kind != plan.KindIssue || !s.Due(now) })
}

// renew publishes a new version of a certificate, as an order's end does.
func renew(w plan.World, name string, now time.Time, life time.Duration) {
	known := w.Known.Certs[name]
	i, _ := slices.BinarySearchFunc(w.Wanted.Certs, name, func(c plan.WantedCert, name string) int { return strings.Compare(c.Name, name) })
	want := w.Wanted.Certs[i]
	id := fmt.Sprintf("v%d", len(known.Versions)+1)
	known.Versions = append(known.Versions, version(id, now, pair(want, ec, now, life)))
	known.Published = id
	known.Issued = append(known.Issued, plan.Issued{At: now, Names: plan.Sorted(want.Names), KeyType: ec, Lifetime: life})
	known.Tries = nil
}

// paced drives a flood over virtual time, looking when the plan says, and
// returns when renewals began.
func paced(t *testing.T, w plan.World, now time.Time, life time.Duration, succeeds bool) []time.Time {
	t.Helper()
	var begun []time.Time
	for range 100_000 {
		steps := plan.Make(now, w)
		next := plan.Next(now, steps)
		for _, s := range dueIssues(now, steps) {
			begun = append(begun, now)
			if succeeds {
				renew(w, s.Cert, now, life)
				continue
			}
			known := w.Known.Certs[s.Cert]
			known.Tries = map[string]plan.Tries{ec: known.Tries[ec].Begin(now, 0).Failed(now, fault(plan.BlameAdmin), time.Time{})}
		}
		if len(begun) >= len(w.Wanted.Certs) {
			return begun
		}
		if next.IsZero() {
			break
		}
		now = next
	}
	t.Fatalf("%d of %d renewals began", len(begun), len(w.Wanted.Certs))
	return nil
}

// mostInAnHour counts the fullest hour of a sorted list.
func mostInAnHour(all []time.Time) int {
	most, first := 0, 0
	for i, at := range all {
		for !all[first].After(at.Add(-time.Hour)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// A clock that jumps forward a year puts a thousand certificates of three
// years into their window at one instant; a fleet made on one day does too.
func TestFloodIsSpread(t *testing.T) {
	t.Parallel()
	now := day(0).AddDate(2, 1, 0)
	for _, succeeds := range []bool{true, false} {
		w := fleet(1000, day0(), days(3*365))
		if due := dueIssues(now.AddDate(-1, 0, 0), plan.Make(now.AddDate(-1, 0, 0), w)); len(due) != 0 {
			t.Fatalf("%d due before the clock jumps", len(due))
		}
		begun := paced(t, w, now, days(3*365), succeeds)
		if most := mostInAnHour(begun); most > 100 {
			t.Errorf("success %v: %d renewals began within an hour", succeeds, most)
		}
		if took := begun[len(begun)-1].Sub(now); succeeds && took > 10*time.Hour {
			t.Errorf("a thousand renewals took %s", took)
		}
	}
}

// Of a large fleet a forty-eighth is renewed in an hour.
func TestPaceGrowsWithTheFleet(t *testing.T) {
	t.Parallel()
	now := day(61)
	w := fleet(9600, day0(), days(90))
	if due := dueIssues(now, plan.Make(now, w)); len(due) != 200 {
		t.Errorf("%d due, want 200", len(due))
	}
}

// What the plan shows for later is what will happen.
func TestPaceForeseesItself(t *testing.T) {
	t.Parallel()
	now := day(61)
	w := fleet(350, day0(), days(90))
	foreseen := map[string]time.Time{}
	for _, s := range plan.Make(now, w) {
		foreseen[s.Cert] = s.At
	}
	begun := paced(t, w, now, days(90), true)
	var want []time.Time
	for _, at := range foreseen {
		want = append(want, at)
	}
	slices.SortFunc(want, time.Time.Compare)
	if !slices.EqualFunc(begun, want, time.Time.Equal) {
		t.Errorf("began otherwise than foreseen")
	}
	if last := want[len(want)-1]; !last.Equal(now.Add(3 * time.Hour)) {
		t.Errorf("the last of 350 begins at %s, want three hours from %s", last, now)
	}
}

func TestPaceDelaysTheLeastUrgent(t *testing.T) {
	t.Parallel()
	now := day(61)
	w := fleet(150, day0(), days(90))
	for i := range 50 { // the last ones in the config end first
		want := w.Wanted.Certs[149-i]
		w.Known.Certs[want.Name].Versions = []plan.Version{version("v1", day(-1), pair(want, ec, day(-1), days(90)))}
	}
	delayed := 0
	for _, s := range plan.Make(now, w) {
		if s.Due(now) {
			continue
		}
		delayed++
		if !s.Until.Equal(day(90)) {
			t.Errorf("%s, which ends first, is put off", s.Cert)
		}
	}
	if delayed != 50 {
		t.Errorf("%d put off, want 50", delayed)
	}
}

// Whoever is urgent or asked for is never put off, nor is an attempt that has
// begun, nor one that would come near its end.
func TestPaceNeverDelays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now     time.Time
		disturb func(*plan.KnownCert)
	}{
		"urgent":    {day(85), func(*plan.KnownCert) {}},
		"ended":     {day(91), func(*plan.KnownCert) {}},
		"revoked":   {day(5), func(k *plan.KnownCert) { k.Versions[0].Pairs[0].Revoked = true }},
		"asked":     {day(5), func(k *plan.KnownCert) { k.Asks = map[plan.AskKind]plan.Ask{plan.AskRenew: {At: day(5)}} }},
		"under way": {day(61), func(k *plan.KnownCert) { k.Tries = map[string]plan.Tries{ec: plan.Tries{}.Begin(day(61), 0)} }},
		"little slack": {day(0.7), func(k *plan.KnownCert) {
			p := &k.Versions[0].Pairs[0]
			p.NotAfter = p.NotBefore.Add(days(0.8))
		}},
	} {
		w := fleet(500, day0(), days(90))
		for _, k := range w.Known.Certs {
			c.disturb(k)
		}
		due := len(dueIssues(c.now, plan.Make(c.now, w)))
		if name == "little slack" {
			if due < 200 {
				t.Errorf("%s: only %d due", name, due)
			}
		} else if due != 500 {
			t.Errorf("%s: %d of 500 due", name, due)
		}
	}
}

// Attempts of the last hour count, whoever made them; those in the future of a
// clock that was set back do not.
func TestPaceCountsWhatBegan(t *testing.T) {
	t.Parallel()
	now := day(61)
	for _, c := range []struct {
		name string
		note func(*plan.KnownCert)
		due  int
	}{
		{"issued", func(k *plan.KnownCert) { k.Issued = []plan.Issued{{At: now.Add(-time.Minute)}} }, 40},
		{"issued an hour ago", func(k *plan.KnownCert) { k.Issued = []plan.Issued{{At: now.Add(-time.Hour)}} }, 100},
		{"issued in the future", func(k *plan.KnownCert) { k.Issued = []plan.Issued{{At: now.Add(time.Minute)}} }, 100},
		{"failed", func(k *plan.KnownCert) { k.Tries = map[string]plan.Tries{ec: failed(4, now.Add(-time.Minute))} }, 40},
	} {
		w := fleet(300, day0(), days(90))
		for i := range 60 {
			c.note(w.Known.Certs[fmt.Sprintf("c%05d", i)])
		}
		if due := len(dueIssues(now, plan.Make(now, w))); due != c.due {
			t.Errorf("%s: %d due, want %d", c.name, due, c.due)
		}
	}
}
