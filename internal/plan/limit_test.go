package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// published are Let's Encrypt's limits.
func published() plan.Limits {
	return plan.Limits{
		Orders: plan.Limit{Most: 300, Per: 3 * time.Hour}, Domain: plan.Limit{Most: 50, Per: days(7)},
		Names: plan.Limit{Most: 5, Per: days(7)}, Failures: plan.Limit{Most: 5, Per: time.Hour}, RenewalsFree: true,
	}
}

// A limit is a bucket: all of it at once, then one at a time as it fills.
func TestLimitIsABucket(t *testing.T) {
	t.Parallel()
	spend := []plan.Spending{{Kind: plan.LimitDomain, Whom: "example.com", Limit: published().Domain}}
	now := day(0)
	var k plan.KnownIssuer
	had := 0
	for ; ; had++ {
		after, ok := k.Spend(now, spend)
		if !ok {
			break
		}
		k = after
	}
	if had != 50 {
		t.Errorf("%d at once, want 50", had)
	}
	each := days(7) / 50
	if _, ok := k.Spend(now.Add(each-time.Second), spend); ok {
		t.Error("the 51st comes before one has come back")
	}
	if _, ok := k.Spend(now.Add(each), spend); !ok {
		t.Errorf("the 51st does not come after %s", each)
	}
	if _, ok := k.Return(now, published(), plan.SpentKeys(spend)).Spend(now, spend); !ok {
		t.Error("one that was not signed is not given back")
	}
	if k = k.Count(now.Add(days(8)), []plan.Spending{{Kind: plan.LimitOrders, Limit: published().Orders}}); len(k.Ledger) != 1 {
		t.Errorf("what is full again is still known: %v", k.Ledger)
	}
}

// What was spent under a clock that was years ahead binds nobody.
func TestLedgerFromTheFuture(t *testing.T) {
	t.Parallel()
	spend := []plan.Spending{{Kind: plan.LimitNames, Limit: plan.Limit{Most: 1, Per: days(7)}}}
	k, _ := plan.KnownIssuer{}.Spend(day(1000), spend)
	k = k.Refused(day(1000), day(1001), plan.Limits{}, "names")
	if _, ok := k.Spend(day(0), spend); !ok {
		t.Errorf("ledger %v", k.Ledger)
	}
}

// A renewal that says what it replaces is held against no limit, another one
// for the same names against theirs alone, and a new one against all.
func TestWhatAnOrderSpends(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Domains = []string{"mail.example", "smtp.example"}
	w := s.world()
	w.Wanted.Limits = map[string]plan.Limits{"le": published()}
	issue := plan.Step{Kind: plan.KindIssue, Issuer: "le", KeyType: ec}
	count := func(what string, want int) {
		t.Helper()
		if got := plan.SpentKeys(w.Spends(s.want, issue)); len(got) != want {
			t.Errorf("%s spends %q, want %d", what, got, want)
		}
	}
	count("a renewal", 0)
	s.v1().CertID = ""
	count("a renewal that cannot say what it replaces", 1)
	s.want.Names = append(s.want.Names, "new.example")
	count("a certificate for other names", 4)
	issue.Kind = plan.KindResume
	count("an order that goes on", 0)
}

// A CA counts certificates when it signs. What it signs long after the order was
// opened comes back later than what was taken then.
func TestSignedLongAfterItWasTaken(t *testing.T) {
	t.Parallel()
	limits := plan.Limits{Domain: plan.Limit{Most: 2, Per: days(7)}}
	one := []plan.Spending{{Kind: plan.LimitDomain, Whom: "example.com", Limit: limits.Domain}}
	keys, each, now := plan.SpentKeys(one), days(7)/2, day(0)
	both := plan.KnownIssuer{}.Count(now, append(one, one...))
	for _, c := range []struct {
		what   string
		ledger plan.KnownIssuer
		free   time.Time
	}{
		{"two at once", both, now.Add(each)},
		{"both half an hour later", both.Signed(now.Add(30*time.Minute), limits, keys, now).Signed(now.Add(30*time.Minute), limits, keys, now), now.Add(each + 30*time.Minute)},
		{"one at once, and one an hour later", both.Signed(now, limits, keys, now).Signed(now.Add(time.Hour), limits, keys, now), now.Add(each + time.Hour)},
		{"one five days later", plan.KnownIssuer{}.Count(now, one).Signed(day(5), limits, keys, now).Count(day(5), one), day(5).Add(each)},
		{"one nine days later", plan.KnownIssuer{}.Count(now, one).Signed(day(9), limits, keys, now).Count(day(9), one), day(9).Add(each)},
		{"under a clock that was ahead", both.Signed(now, limits, keys, day(1000)), now.Add(each)},
	} {
		t.Log(c.what)
		fullUntil(t, c.ledger, one, c.free)
	}
}

// fullUntil fails unless there is room from an instant on, and not before.
func fullUntil(t *testing.T, k plan.KnownIssuer, one []plan.Spending, free time.Time) {
	t.Helper()
	_, early := k.Spend(free.Add(-time.Second), one)
	if _, there := k.Spend(free, one); early || !there {
		t.Errorf("there is room before %s: %t, and then: %t; ledger %+v", free, early, there, k.Ledger)
	}
}

// So it is with orders that the CA never got, as the process was killed: they
// are sent when the process is back.
func TestUnsentOrdersAreCountedWhenTheyAreSent(t *testing.T) {
	t.Parallel()
	limits := plan.Limits{Domain: plan.Limit{Most: 2, Per: days(7)}}
	one := []plan.Spending{{Kind: plan.LimitDomain, Whom: "example.com", Limit: limits.Domain}}
	keys, now := plan.SpentKeys(one), day(0)
	k := plan.KnownIssuer{}.Count(now, append(one, one...))
	back := now.Add(time.Hour)
	for range 2 {
		var ok bool
		if k, ok = k.SpendAgain(back, limits, one, keys, now); !ok {
			t.Fatalf("there is no room for what was taken; ledger %+v", k.Ledger)
		}
	}
	fullUntil(t, k, one, back.Add(days(7)/2))
}

// What came back by itself while the CA could not be asked is not counted twice.
func TestUnsentLongAgo(t *testing.T) {
	t.Parallel()
	limits := plan.Limits{Domain: plan.Limit{Most: 2, Per: days(7)}}
	one := []plan.Spending{{Kind: plan.LimitDomain, Whom: "example.com", Limit: limits.Domain}}
	keys, now := plan.SpentKeys(one), day(30)
	k, ok := plan.KnownIssuer{}.Count(day(0), one).SpendAgain(now, limits, one, keys, day(0))
	if !ok {
		t.Fatal("there is no room in a month")
	}
	if k, ok = k.Spend(now, one); !ok {
		t.Errorf("one of two is spent, and there is no room; ledger %+v", k.Ledger)
	}
	fullUntil(t, k, one, now.Add(days(7)/2))
}

// Where what an order cost was given back, the next one has nothing of it, and
// takes its own when it is made.
func TestReturnedIsNotUnsent(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.known = plan.KnownCert{Name: "mail", Looked: true, Inspected: s.now}
	s.known.Begin(ec, plan.Order{Issuer: "le", Request: s.want.Request(), Created: s.now.Add(-days(9))})
	w := s.world()
	if spent, taken := w.Unsent(s.want, plan.Step{Kind: plan.KindIssue, KeyType: ec, Issuer: "le"}); len(spent) > 0 || !taken.IsZero() {
		t.Errorf("spent %q at %s", spent, taken)
	}
}

// newcomers are n certificates below example.com that do not exist yet.
func newcomers(n int, issuers ...string) (plan.World, time.Time) {
	s := quiet()
	w := s.world()
	w.Wanted = plan.Wanted{Limits: map[string]plan.Limits{"le": published()}}
	w.Known.Certs = map[string]*plan.KnownCert{}
	for i := range n {
		name := fmt.Sprintf("n%03d.example.com", i)
		w.Wanted.Certs = append(w.Wanted.Certs, plan.WantedCert{
			Name: name, Names: []string{name}, Domains: []string{"example.com"}, Issuers: issuers, KeyTypes: []string{ec},
		})
		w.Known.Certs[name] = &plan.KnownCert{Name: name, Looked: true}
	}
	return w, s.now
}

// The 51st certificate of a domain waits, and the plan says until when; where
// another CA is listed it goes there.
func TestThePlanKeepsToLimits(t *testing.T) {
	t.Parallel()
	w, now := newcomers(60, "le")
	due := 0
	var waits []plan.Step
	for _, step := range plan.Make(now, w) {
		switch {
		case step.Kind != plan.KindIssue:
		case step.Due(now):
			due++
			if len(step.Spends) != 3 {
				t.Errorf("spends %q", step.Spends)
			}
		default:
			waits = append(waits, step)
		}
	}
	if due != 50 || len(waits) != 10 {
		t.Fatalf("%d are due and %d wait", due, len(waits))
	}
	const words = "it would be the 51st certificate below example.com within 7 days, and le allows 50: it waits until Monday 2027-01-11 03:21 UTC"
	if !strings.Contains(waits[0].Reason.Words, words) {
		t.Errorf("words %q", waits[0].Reason.Words)
	}
	w, now = newcomers(60, "le", "corp")
	asked := map[string]int{}
	for _, step := range plan.Make(now, w) {
		if step.Kind == plan.KindIssue && step.Due(now) {
			asked[step.Issuer]++
		}
	}
	if asked["le"] != 50 || asked["corp"] != 10 {
		t.Errorf("asked: %v", asked)
	}
}

// A name that is to be proven again waits where an order takes the last room at
// the same instant: the CA would refuse it.
func TestProofBesideAnOrder(t *testing.T) {
	t.Parallel()
	for newOnes, waits := range map[int]bool{49: false, 50: true} {
		w, now := newcomers(newOnes, "le")
		s := quiet()
		s.want.Names, s.want.Domains = []string{"mail.example.com", "smtp.example.com"}, []string{"example.com"}
		s.want.Quarantine, s.want.Issuers = true, []string{"le"}
		s.known.Aside = map[string]plan.Aside{"smtp.example.com": {Since: now.AddDate(0, 0, -1)}}
		w.Wanted.Certs, w.Known.Certs[s.want.Name] = append([]plan.WantedCert{s.want}, w.Wanted.Certs...), &s.known
		found := 0
		for _, step := range plan.Make(now, w) {
			if step.Kind == plan.KindReadmit {
				found++
				if step.Due(now) == waits {
					t.Errorf("beside %d orders it is tried at %s: %s", newOnes, step.At, step.Reason.Words)
				}
			}
		}
		if found != 1 {
			t.Errorf("beside %d orders there are %d steps", newOnes, found)
		}
	}
}

// A renewal waits for its first CA as long as nobody is warned, and then goes
// to the next; without one, a person is told.
func TestWaitingForALimit(t *testing.T) {
	t.Parallel()
	at61 := func(issuers ...string) *scene {
		s := quiet()
		s.now, s.want.Issuers = day(61), issuers
		return s
	}
	for _, c := range []struct {
		name    string
		until   time.Duration
		issuers []string
		want    string
		waits   bool
		problem bool
	}{
		{"a day", days(1), []string{"le", "corp"}, "le", true, false},
		{"a day, and the CA wants it replaced", days(1), []string{"le", "corp"}, "corp", false, false},
		{"too long, with another CA", days(25), []string{"le", "corp"}, "corp", false, false},
		{"too long, without one", days(25), []string{"le"}, "le", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := at61(c.issuers...)
			s.v1().Recalled = strings.Contains(c.name, "replaced")
			s.issuers["le"] = plan.KnownIssuer{}.Refused(s.now, s.now.Add(c.until), plan.Limits{}, plan.LimitKey(plan.LimitOrders, ""))
			step := s.the(t, plan.KindIssue)
			if step.Issuer != c.want || step.Due(s.now) == c.waits {
				t.Errorf("asks %s at %s: %s", step.Issuer, step.At, step.Reason.Words)
			}
			found := false
			for _, p := range s.problems() {
				found = found || p.Code == plan.CodeLimit
			}
			if found != c.problem {
				t.Errorf("problems %+v", s.problems())
			}
		})
	}
}

// Where an order was put aside at the CA that is asked since the first one's
// limits leave no room, it is gone on with: that CA may have signed already.
func TestOrderPutAsideBesideALimit(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now, s.want.Issuers = day(61), []string{"le", "corp"}
	s.issuers["le"] = plan.KnownIssuer{}.Refused(s.now, s.now.Add(days(25)), plan.Limits{}, plan.LimitKey(plan.LimitOrders, ""))
	order := plan.Order{Issuer: "corp", URL: "https://corp.example/order/1", Request: s.want.Request(), Created: s.now.Add(-48 * time.Hour)}
	s.known.Begin(ec, order)
	s.known.Begin(ec, plan.Order{Issuer: "le", Request: s.want.Request(), Created: s.now.Add(-24 * time.Hour)})
	for _, step := range s.steps() {
		if step.KeyType == ec && step.Issuer == "corp" && step.Kind != plan.KindResume {
			t.Errorf("%s at %s: %s", step.Kind, step.Issuer, step.Reason.Words)
		}
	}
	if step := s.the(t, plan.KindResume); step.Issuer != "corp" || !step.Due(s.now) {
		t.Errorf("it is gone on with at %s, %s: %s", step.Issuer, step.At, step.Reason.Words)
	}
}

// A ledger that is full of others costs a quiet fleet nothing.
func BenchmarkMakeWithLedger(b *testing.B) {
	w, now := newcomers(10_000, "le")
	k := w.Known.Issuers["le"]
	for i := range 3000 {
		k, _ = k.Spend(now, []plan.Spending{{Kind: plan.LimitNames, Whom: fmt.Sprint(i), Limit: published().Names}})
		if i == 20 {
			break // copying is quadratic here, not in a plan
		}
	}
	w.Known.Issuers = map[string]plan.KnownIssuer{"le": k}
	b.ReportAllocs()
	for b.Loop() {
		plan.Make(now, w)
	}
}

// An order that the CA never got is no reason to wait: its place is the next
// one's.
func TestUnsentOrderIsNoReasonToWait(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Domains = []string{"mail.example"}
	s.known = plan.KnownCert{Name: "mail", Looked: true, Inspected: s.now}
	one := published()
	one.Domain.Most = 1
	spent := []plan.Spending{{Kind: plan.LimitDomain, Whom: "mail.example", Limit: one.Domain}}
	s.issuers["le"] = plan.KnownIssuer{}.Count(s.now, spent)
	due := func() bool {
		w := s.world()
		w.Wanted.Limits = map[string]plan.Limits{"le": one}
		steps := plan.Make(s.now, w)
		return slices.ContainsFunc(steps, func(step plan.Step) bool {
			return step.Kind == plan.KindIssue && step.Issuer == "le" && step.Due(s.now)
		})
	}
	if s.want.Issuers = []string{"le"}; due() {
		t.Fatal("an order is due though nothing is left")
	}
	s.known.Begin(ec, plan.Order{Issuer: "le", Spent: plan.SpentKeys(spent), Request: s.want.Request(), Created: s.now.Add(-time.Hour)})
	if !due() {
		t.Error("no order is due, though what is taken was taken for it")
	}
}

// A CA that refuses says that one comes back then, not all: what it counted and we
// did not know, after a clock was wrong say, is known from then on. Of one that
// says a time that no bucket has, only that is known.
func TestRefusedByABucket(t *testing.T) {
	t.Parallel()
	limits := plan.Limits{Domain: plan.Limit{Most: 2, Per: days(7)}}
	key := plan.LimitKey(plan.LimitDomain, "crowd.test")
	one := []plan.Spending{{Kind: plan.LimitDomain, Whom: "crowd.test", Limit: limits.Domain}}
	now := day(10)
	for name, c := range map[string]struct {
		until time.Time
		more  bool // there is room for a second one, at once
	}{
		"a bucket":                       {now.Add(84*time.Hour - time.Second), false},
		"one that lets all in each week": {now.Add(days(6)), true},
	} {
		k := plan.KnownIssuer{}.Refused(now, c.until, limits, key)
		if _, ok := k.Spend(c.until.Add(-time.Second), one); ok {
			t.Errorf("%s: there is room before it said so", name)
		}
		k, ok := k.Spend(c.until, one)
		if !ok {
			t.Errorf("%s: there is no room when it said so", name)
		}
		if _, ok := k.Spend(c.until.Add(time.Minute), one); ok != c.more {
			t.Errorf("%s: room for a second one: %t", name, ok)
		}
		if _, ok := k.Spend(c.until.Add(84*time.Hour), one); !ok {
			t.Errorf("%s: no room when another one has come back", name)
		}
	}
}
