package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestRenewAtOwnWindow(t *testing.T) {
	t.Parallel()
	fixed := func(d float64) plan.Span { return plan.Span{Fixed: days(d)} }
	percent := func(p float64) plan.Span { return plan.Span{Percent: p} }
	for _, c := range []struct {
		name   string
		life   time.Duration
		before plan.Span
		want   time.Duration // after issue
	}{
		{"a third of ninety days", days(90), plan.Span{}, days(90 - 29.7)},
		{"a third of a year", days(365), plan.Span{}, days(365 * 0.67)},
		{"exactly ten days", days(10), plan.Span{}, days(6.7)},
		{"half below ten days", days(10) - time.Second, plan.Span{}, (days(10) - time.Second) / 2},
		{"half of six days", days(6), plan.Span{}, days(3)},
		{"half of thirty seconds", 30 * time.Second, plan.Span{}, 15 * time.Second},
		{"fixed", days(90), fixed(20), days(70)},
		{"percent", days(90), percent(50), days(45)},
		{"percent of a short life", days(6), percent(20), days(4.8)},
		{"fixed as long as the life", days(90), fixed(90), days(90 - 29.7)},
		{"fixed longer than the life", days(6), fixed(30), days(3)},
		{"all of the life", days(90), percent(100), days(90 - 29.7)},
		{"negative", days(90), fixed(-5), days(90 - 29.7)},
		{"no life at all", 0, plan.Span{}, 0},
		{"ends before it begins", -days(3), plan.Span{}, -days(3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := plan.Pair{NotBefore: day0(), NotAfter: day0().Add(c.life)}
			got, reason := plan.RenewAt(p, nil, plan.RenewPolicy{Before: c.before})
			if want := day0().Add(c.want); got.Sub(want).Abs() > time.Microsecond {
				t.Errorf("renewed at %s, want %s", got, want)
			}
			if reason.Code != plan.ReasonWindow || !strings.Contains(reason.Words, p.NotAfter.Format("2006-01-02")) {
				t.Errorf("reason %+v does not name the window and the end", reason)
			}
		})
	}
}

func TestRenewAtAdvice(t *testing.T) {
	t.Parallel()
	p := plan.Pair{NotBefore: day0(), NotAfter: day(90), CertID: "id"}
	own := day(90).Add(-33 * days(90) / 100)
	good := plan.Advice{CertID: "id", Start: day(58), End: day(62), At: day(59)}
	for _, c := range []struct {
		name   string
		change func(*plan.Advice, *plan.RenewPolicy)
		want   time.Time
	}{
		{"its instant", func(*plan.Advice, *plan.RenewPolicy) {}, day(59)},
		{"earlier than our own window", func(a *plan.Advice, _ *plan.RenewPolicy) { a.Start, a.End, a.At = day(2), day(3), day(2.5) }, day(2.5)},
		{"before the certificate was made", func(a *plan.Advice, _ *plan.RenewPolicy) { a.Start, a.End, a.At = day(-2), day(-1), day(-1.5) }, day(-1.5)},
		{"later than our own window", func(a *plan.Advice, _ *plan.RenewPolicy) { a.End, a.At = day(80), day(79) }, day(79)},
		{"a window of one second", func(a *plan.Advice, _ *plan.RenewPolicy) {
			a.Start, a.End, a.At = day(1), day(1).Add(time.Second), day(1)
		}, day(1)},
		{"not followed by policy", func(_ *plan.Advice, p *plan.RenewPolicy) { p.ARI = false }, own},
		{"of another certificate", func(a *plan.Advice, _ *plan.RenewPolicy) { a.CertID = "other" }, own},
		{"of no certificate", func(a *plan.Advice, _ *plan.RenewPolicy) { a.CertID = "" }, own},
		{"as wide as the life", func(a *plan.Advice, _ *plan.RenewPolicy) { a.Start, a.End = day0(), day(90) }, own},
		{"reversed", func(a *plan.Advice, _ *plan.RenewPolicy) { a.Start, a.End = a.End, a.Start }, own},
		{"empty", func(a *plan.Advice, _ *plan.RenewPolicy) { a.Start, a.End = a.At, a.At }, own},
		{"instant before its window", func(a *plan.Advice, _ *plan.RenewPolicy) { a.At = day(57) }, own},
		{"instant after its window", func(a *plan.Advice, _ *plan.RenewPolicy) { a.At = day(63) }, own},
		{"no instant chosen", func(a *plan.Advice, _ *plan.RenewPolicy) { a.At = time.Time{} }, own},
		{"past the last moment", func(a *plan.Advice, _ *plan.RenewPolicy) { a.End, a.At = day(89), day(82) }, own},
		{"past the end", func(a *plan.Advice, _ *plan.RenewPolicy) { a.End, a.At = day(120), day(100) }, own},
		{
			"before a late window of our own",
			func(a *plan.Advice, p *plan.RenewPolicy) {
				a.End, a.At, p.Before = day(89), day(84), plan.Span{Fixed: days(3)}
			},
			day(84),
		},
		{
			"after a late window of our own",
			func(a *plan.Advice, p *plan.RenewPolicy) {
				a.End, a.At, p.Before = day(89), day(88), plan.Span{Fixed: days(3)}
			},
			day(87),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			advice, policy := good, plan.RenewPolicy{ARI: true}
			c.change(&advice, &policy)
			got, reason := plan.RenewAt(p, &advice, policy)
			if !got.Equal(c.want) {
				t.Errorf("renewed at %s, want %s", got, c.want)
			}
			followed := reason.Code == plan.ReasonAdvice
			if followed != got.Equal(advice.At) {
				t.Errorf("reason %s for %s", reason.Code, got)
			}
		})
	}
}

func TestAdviceReasonNamesTheCAsPage(t *testing.T) {
	t.Parallel()
	p := plan.Pair{NotBefore: day0(), NotAfter: day(90), CertID: "id"}
	advice := plan.Advice{CertID: "id", Start: day(58), End: day(62), At: day(59), URL: "https://ca.example/incident"}
	_, reason := plan.RenewAt(p, &advice, plan.RenewPolicy{ARI: true})
	for _, want := range []string{advice.URL, "2027-02-28", "2027-03-04"} {
		if !strings.Contains(reason.Words, want) {
			t.Errorf("%q does not contain %q", reason.Words, want)
		}
	}
}

// The plan takes advice from what is known of the published pair.
func TestAdviceInThePlan(t *testing.T) {
	t.Parallel()
	s := quiet()
	a := s.known.Advice[ec]
	a.Start, a.End, a.At = day(4), day(6), day(5)
	s.known.Advice[ec] = a
	if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonAdvice || !step.Due(s.now) {
		t.Errorf("step %+v, want the CA's instant to be due", step)
	}
	a.CertID = "id-of-its-predecessor"
	s.known.Advice[ec] = a
	s.none(t, plan.KindIssue)
}

func TestWarnAt(t *testing.T) {
	t.Parallel()
	v := plan.Version{Pairs: []plan.Pair{
		{KeyType: ec, NotBefore: day0(), NotAfter: day(90)},
		{KeyType: rsa, NotBefore: day0(), NotAfter: day(60)},
	}}
	for _, c := range []struct {
		name string
		warn plan.Span
		want time.Time
	}{
		{"default", plan.Span{}, day(54)},
		{"percent", plan.Span{Percent: 50}, day(30)},
		{"fixed", plan.Span{Fixed: days(7)}, day(53)},
		{"fixed, longer than one of the lives", plan.Span{Fixed: days(70)}, day(20)},
		{"fixed, longer than both lives", plan.Span{Fixed: days(100)}, day(54)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := plan.WarnAt(v, c.warn); !got.Equal(c.want) {
				t.Errorf("warns at %s, want %s", got, c.want)
			}
		})
	}
	if got := plan.WarnAt(plan.Version{}, plan.Span{}); !got.IsZero() {
		t.Errorf("nothing warns at %s", got)
	}
}
