package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// renamed is a scene in which the config calls the stored certificate by
// another name.
func renamed(change func(s *scene, old *plan.KnownCert)) (*scene, plan.World) {
	s := quiet()
	old := s.known
	old.Name = "old"
	s.known = plan.KnownCert{Looked: true}
	change(s, &old)
	w := s.world()
	w.Known.Certs["old"] = &old
	w.Unclaimed = plan.Unclaimed(w.Wanted, w.Known)
	return s, w
}

func TestTakesOverAcrossNames(t *testing.T) {
	t.Parallel()
	pairOf := func(old *plan.KnownCert) *plan.Pair {
		old.Versions = []plan.Version{old.Versions[0]}
		p := old.Versions[0].Pairs[0]
		old.Versions[0].Pairs = []plan.Pair{p}
		return &old.Versions[0].Pairs[0]
	}
	for _, c := range []struct {
		name   string
		change func(s *scene, old *plan.KnownCert)
		want   string // kinds that are due
	}{
		{"it fits", func(*scene, *plan.KnownCert) {}, "take-over"},
		{"it has more names", func(s *scene, _ *plan.KnownCert) { s.want.Names = s.want.Names[1:] }, "take-over"},
		{"it has some of the names", func(s *scene, _ *plan.KnownCert) { s.want.Names = append(s.want.Names, "new.example") }, "take-over issue"},
		{"it is due", func(s *scene, _ *plan.KnownCert) { s.now = day(62) }, "take-over issue"},
		{"its issuer is listed no more", func(s *scene, _ *plan.KnownCert) { s.want.Issuers = []string{"corp"} }, "take-over issue"},
		{"one of two key types", func(s *scene, _ *plan.KnownCert) { s.want.KeyTypes = []string{ec, rsa} }, "take-over issue issue"},
		{"another key type", func(s *scene, _ *plan.KnownCert) { s.want.KeyTypes = []string{rsa} }, "issue"},
		{"none of the names", func(s *scene, _ *plan.KnownCert) { s.want.Names = []string{"new.example"} }, "issue"},
		{"it has ended", func(s *scene, _ *plan.KnownCert) { s.now = day(91) }, "issue"},
		{"it was revoked", func(_ *scene, old *plan.KnownCert) { pairOf(old).Revoked = true }, "issue"},
		{"its revocation was asked for", func(_ *scene, old *plan.KnownCert) {
			pairOf(old).SHA256 = "ab"
			old.Revocations = []plan.Revocation{{SHA256: "ab"}}
		}, "issue"},
		{"it is broken", func(_ *scene, old *plan.KnownCert) { old.Versions[0].Broken = "the key is lost" }, "issue"},
		{"it is of a signing request", func(_ *scene, old *plan.KnownCert) { pairOf(old).Request.CSR = "x" }, "issue"},
		{"keys are shared", func(s *scene, _ *plan.KnownCert) { s.want.Keys = "shared" }, ""},
		{"its record is damaged", func(_ *scene, old *plan.KnownCert) { old.Damage = "torn" }, "issue"},
		{"the target was not looked at", func(s *scene, _ *plan.KnownCert) { s.known.Looked = false }, "adopt take-over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, w := renamed(c.change)
			var due []string
			for _, step := range plan.Make(s.now, w) {
				if !step.Due(s.now) || step.Cert != "mail" {
					continue
				}
				due = append(due, string(step.Kind))
				if step.Kind == plan.KindTakeOver && (step.From != "old" || step.Version != "v1" || !strings.Contains(step.Reason.Words, "old is stored")) {
					t.Errorf("step %+v", step)
				}
			}
			if got := strings.Join(due, " "); got != c.want {
				t.Errorf("due: %q, want %q", got, c.want)
			}
		})
	}
}

// What the config names is never taken over, and of several the one that fits,
// else the one that shares the most names.
func TestTakesOverTheBest(t *testing.T) {
	t.Parallel()
	s, w := renamed(func(*scene, *plan.KnownCert) {})
	stored := func(name string, made time.Time, names ...string) {
		want := s.want
		want.Names = names
		w.Known.Certs[name] = &plan.KnownCert{Name: name, Published: "v", Versions: []plan.Version{version("v", made, pair(want, ec, made, days(90)))}}
	}
	from := func() string {
		w.Unclaimed = plan.Unclaimed(w.Wanted, w.Known)
		for _, step := range plan.Make(s.now, w) {
			if step.Kind == plan.KindTakeOver {
				return step.From
			}
		}
		return ""
	}
	stored("aaa", day(5), "mail.example")
	if got := from(); got != "old" {
		t.Errorf("%q is taken over, want the one that fits", got)
	}
	stored("younger", day(5), "mail.example", "smtp.example")
	if got := from(); got != "younger" {
		t.Errorf("%q is taken over, want the one that lives longest", got)
	}
	delete(w.Known.Certs, "younger")
	delete(w.Known.Certs, "old")
	stored("two", day(3), "mail.example", "smtp.example", "x.example")
	w.Wanted.Certs[0].Names = append(w.Wanted.Certs[0].Names, "new.example")
	if got := from(); got != "two" {
		t.Errorf("%q is taken over, want the one with two of the names", got)
	}
	other := s.want
	other.Name = "two"
	w.Wanted.Certs = append(w.Wanted.Certs, other)
	if got := from(); got != "aaa" {
		t.Errorf("%q is taken over, want none that the config names", got)
	}
}
