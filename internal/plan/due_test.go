package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestDueAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		reason  plan.ReasonCode
	}{
		{"missing", func(s *scene) { s.known = plan.KnownCert{Looked: true} }, plan.ReasonMissing},
		{"published version is gone", func(s *scene) { s.known.Versions = nil }, plan.ReasonMissing},
		{"published version has no pairs", func(s *scene) { s.known.Versions[0].Pairs = nil }, plan.ReasonMissing},
		{"unreadable", func(s *scene) { s.known.Versions[0].Broken = "key lost" }, plan.ReasonUnreadable},
		{"name added", func(s *scene) { s.want.Names = append(s.want.Names, "new.example") }, plan.ReasonNames},
		{"name replaced", func(s *scene) { s.want.Names = []string{"mail.example", "new.example"} }, plan.ReasonNames},
		{"profile", func(s *scene) { s.want.Profile = "shortlived" }, plan.ReasonProfile},
		{"profile taken out", func(s *scene) { s.v1().Request.Profile = "shortlived" }, plan.ReasonProfile},
		{"must-staple", func(s *scene) { s.want.MustStaple = true }, plan.ReasonMustStaple},
		{"CSR given", func(s *scene) { s.want.CSR = "abc" }, plan.ReasonCSR},
		{"CSR exchanged", func(s *scene) { s.want.CSR, s.v1().Request.CSR = "abc", "def" }, plan.ReasonCSR},
		{"key type exchanged", func(s *scene) { s.want.KeyTypes = []string{rsa} }, plan.ReasonKeyType},
		{"common name given", func(s *scene) { s.want.CommonName, s.want.CommonNameGiven = "smtp.example", true }, plan.ReasonCommonName},
		{"issuer not listed", func(s *scene) { s.want.Issuers = []string{"corp"} }, plan.ReasonIssuer},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, plan.ReasonRevoked},
		{"asked", func(s *scene) { s.ask(plan.AskRenew, day(10)) }, plan.ReasonAsked},
		{"ended", func(s *scene) { s.now = day(91) }, plan.ReasonExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			c.disturb(s)
			step := s.the(t, plan.KindIssue)
			if step.Reason.Code != c.reason || step.Reason.Words == "" {
				t.Errorf("reason %s (%q), want %s", step.Reason.Code, step.Reason.Words, c.reason)
			}
			at(t, step, s.now)
			if step.Cert != "mail" || step.Issuer != s.want.Issuers[0] || step.KeyType != s.want.KeyTypes[0] {
				t.Errorf("step %+v", step)
			}
		})
	}
}

func TestNotDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
	}{
		{"order of names", func(s *scene) { s.want.Names = []string{"smtp.example", "mail.example"} }},
		{"order of names with the default common name", func(s *scene) {
			s.want.Names, s.want.CommonName = []string{"smtp.example", "mail.example"}, "smtp.example"
		}},
		{"name removed", func(s *scene) { s.want.Names = []string{"mail.example"} }},
		{"name removed that was the default common name", func(s *scene) {
			s.want.Names, s.want.CommonName = []string{"smtp.example"}, "smtp.example"
		}},
		{"all short names removed", func(s *scene) { s.want.Names, s.want.CommonName = []string{"smtp.example"}, "" }},
		{"same common name given", func(s *scene) { s.want.CommonNameGiven = true }},
		{"order of issuers", func(s *scene) { s.want.Issuers = []string{"corp", "le"} }},
		{"adopted, issuer not known", func(s *scene) { s.v1().Issuer, s.known.Versions[0].Adopted = "", true }},
		{"what the CA made of it", func(s *scene) { s.v1().Misfit = "the CA left out a name" }},
		{"key type removed", func(s *scene) {
			s.known.Versions[0].Pairs = append(s.known.Versions[0].Pairs, pair(s.want, rsa, day0(), days(90)))
		}},
		{"asked before it was made", func(s *scene) { s.ask(plan.AskRenew, day(-1)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			c.disturb(s)
			for _, kind := range []plan.Kind{plan.KindIssue, plan.KindResume, plan.KindPublish, plan.KindAdopt} {
				s.none(t, kind)
			}
		})
	}
}

// Each key type is a pair of its own, with its own time.
func TestKeyTypeAdded(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.KeyTypes = []string{ec, rsa}
	steps := s.all(plan.KindIssue)
	if len(steps) != 2 {
		t.Fatalf("%d orders, want one for each key type: %v", len(steps), steps)
	}
	at(t, steps[0], s.now)
	if steps[0].KeyType != rsa || steps[0].Reason.Code != plan.ReasonKeyType {
		t.Errorf("first step %+v, want the missing rsa pair", steps[0])
	}
	at(t, steps[1], day(90).Add(-33*days(90)/100))
	if steps[1].KeyType != ec {
		t.Errorf("second step %+v, want the next renewal of the other pair", steps[1])
	}
}

// A pair whose key type was taken out of the config is renewed no more. That
// it ends neither hurries nor alarms anybody.
func TestEndOfUnwantedKeyType(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.known.Versions[0].Pairs = append(s.known.Versions[0].Pairs, pair(s.want, rsa, day(-85), days(90)))
	s.now = day(10)
	if problems := s.problems(); len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	step := s.the(t, plan.KindIssue)
	if step.Urgent || !step.Until.Equal(day(90)) {
		t.Errorf("urgent %v, until %s; want the wanted pair to count alone", step.Urgent, step.Until)
	}
}

func TestUrgency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		urgent  bool
		until   time.Time
	}{
		{"long valid", func(*scene) {}, false, day(90)},
		{"in its window", func(s *scene) { s.now = day(61) }, false, day(90)},
		{"below the default warning", func(s *scene) { s.now = day(81.5) }, true, day(90)},
		{"below a fixed warning", func(s *scene) { s.want.Warn, s.now = plan.Span{Fixed: days(20)}, day(71) }, true, day(90)},
		{"warning longer than the life", func(s *scene) { s.want.Warn = plan.Span{Fixed: days(100)} }, false, day(90)},
		{"ended", func(s *scene) { s.now = day(91) }, true, time.Time{}},
		{"missing", func(s *scene) { s.known = plan.KnownCert{Looked: true} }, true, time.Time{}},
		{"key type exchanged", func(s *scene) { s.want.KeyTypes = []string{rsa} }, false, day(90)},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, true, day(90)},
		{"unreadable", func(s *scene) { s.known.Versions[0].Broken = "key lost" }, true, day(90)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			c.disturb(s)
			step := s.the(t, plan.KindIssue)
			if step.Urgent != c.urgent || !step.Until.Equal(c.until) {
				t.Errorf("urgent %v until %s, want %v until %s", step.Urgent, step.Until, c.urgent, c.until)
			}
		})
	}
}
