package plan_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestMostUrgentFirst(t *testing.T) {
	t.Parallel()
	now := day(85)
	w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	add := func(name string, made time.Time, life time.Duration, asked bool) {
		want := plan.WantedCert{Name: name, Names: []string{name + ".example"}, Issuers: []string{"le"}, KeyTypes: []string{ec}}
		known := &plan.KnownCert{Published: "v1", Versions: []plan.Version{version("v1", made, pair(want, ec, made, life))}}
		if asked {
			known.Asks = map[plan.AskKind]plan.Ask{plan.AskRenew: {At: now}}
		}
		w.Wanted.Certs = append(w.Wanted.Certs, want)
		w.Known.Certs[name] = known
	}
	add("coming later", day(60), days(90), false)
	add("coming sooner", day(50), days(90), false)
	add("in its window", day(20), days(90), false)
	add("earlier in its window", day(15), days(90), false)
	add("in the warning window", day0(), days(90), false)
	add("short, in its window", day(81.5), days(6), false) // ends before the one above, and is less urgent
	add("ended", day(-10), days(90), false)
	add("asked, long valid", day(80), days(90), true)
	add("asked, ended", day(-10), days(90), true)

	var order []string
	for _, s := range plan.Make(now, w) {
		if s.Kind == plan.KindIssue {
			order = append(order, s.Cert)
		}
	}
	want := []string{"asked, ended", "asked, long valid", "ended", "in the warning window", "short, in its window", "earlier in its window", "in its window", "coming sooner", "coming later"}
	if !slices.Equal(order, want) {
		t.Errorf("order\n%q, want\n%q", order, want)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	steps := []plan.Step{{At: day(3)}, {At: day(1)}, {At: day(2)}, {At: day(5)}}
	for _, c := range []struct{ now, want time.Time }{
		{day(0), day(1)}, {day(1), day(2)}, {day(2.5), day(3)}, {day(5), time.Time{}},
	} {
		if got := plan.Next(c.now, steps); !got.Equal(c.want) {
			t.Errorf("after %s comes %s, want %s", c.now, got, c.want)
		}
	}
	if !plan.Next(day(0), nil).IsZero() {
		t.Error("something comes of nothing")
	}
}

// busy is a world in which much is to be done.
func busy() (time.Time, plan.World) {
	w := fleet(300, day0(), days(90))
	now := day(61)
	for i, s := range []*scene{renewed(), ordering(), twice(func(c *plan.WantedCert) { c.Profile = "p" })} {
		s.want.Name = string(rune('A' + i))
		s.want.KeyTypes = append(s.want.KeyTypes, rsa)
		s.ask(plan.AskApply, now)
		s.ask(plan.AskVerify, now)
		s.ask(plan.AskRelease, now)
		s.tries(failed(2, now.Add(-time.Minute)))
		s.target(func(f *plan.Target) { f.Altered, f.Hooks = []string{"x"}, []string{"installed"} })
		w.Wanted.Certs = append(w.Wanted.Certs, s.want)
		w.Known.Certs[s.want.Name] = &s.known
	}
	w.Known.Issuers = map[string]plan.KnownIssuer{"le": {At: now, NotBefore: now.Add(time.Hour)}}
	return now, w
}

// dueOf fails where Due does not say what Make does of a world.
func dueOf(t *testing.T, now time.Time, w plan.World, steps []plan.Step) {
	t.Helper()
	due, next := plan.Due(now, w)
	first := slices.IndexFunc(steps, func(s plan.Step) bool { return !s.Due(now) }) // what is due stands before what comes
	if first < 0 {
		first = len(steps)
	}
	if len(due) != first || first > 0 && !reflect.DeepEqual(due, steps[:first]) {
		t.Fatalf("due are %v\nof %v", due, steps)
	}
	if want := plan.Next(now, steps); !next.Equal(want) {
		t.Fatalf("the next is due at %v, want %v", next, want)
	}
}

// TestDueIsOfMake: of a world with much to do, and too much for the pace.
func TestDueIsOfMake(t *testing.T) {
	t.Parallel()
	now, w := busy()
	for range 3 {
		steps := plan.Make(now, w)
		if due, _ := plan.Due(now, w); len(due) == 0 || len(due) == len(steps) {
			t.Fatalf("%d of %d steps are due: no world for this test", len(due), len(steps))
		}
		dueOf(t, now, w, steps)
		now = now.Add(-20 * 24 * time.Hour)
	}
}

// The same world and instant give the same plan, and the world stays as it is.
func TestPure(t *testing.T) {
	t.Parallel()
	now, w := busy()
	before := text(t, w)
	first, problems := plan.Make(now, w), plan.Problems(now, w)
	if len(first) < 300 || len(problems) < 3 {
		t.Fatalf("%d steps and %d problems: too quiet for this test", len(first), len(problems))
	}
	for range 20 {
		if again := plan.Make(now, w); !reflect.DeepEqual(again, first) {
			t.Fatal("another plan for the same world")
		}
		if again := plan.Problems(now, w); !reflect.DeepEqual(again, problems) {
			t.Fatal("other problems in the same world")
		}
	}
	if after := text(t, w); after != before {
		t.Error("the world was changed by looking at it")
	}
	_, copied := busy()
	if other := plan.Make(now, copied); !reflect.DeepEqual(other, first) {
		t.Error("another plan for an equal world")
	}
}

// text shows a world whole, with what its records leave out.
func text(t *testing.T, w plan.World) string {
	t.Helper()
	type certificate struct {
		Known     plan.KnownCert
		Targets   map[string]plan.Target
		Vacant    map[string]bool
		Looked    bool
		Inspected time.Time
	}
	all := map[string]certificate{}
	for name, k := range w.Known.Certs {
		all[name] = certificate{*k, k.Targets, k.Vacant, k.Looked, k.Inspected}
	}
	out, err := json.Marshal([]any{w.Wanted, w.Known.Issuers, all})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Each step says in words why it is done, and why it waits.
func TestEveryStepHasAReason(t *testing.T) {
	t.Parallel()
	now, w := busy()
	for _, s := range plan.Make(now, w) {
		if s.Reason.Code == "" || s.Reason.Words == "" || s.Cert == "" || s.At.Before(now) {
			t.Errorf("step %+v", s)
		}
	}
}
