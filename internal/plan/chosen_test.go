package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// A person moves a certificate to another issuer of its list: also where an
// order is open at the first one. It stays there until it is renewed; and where
// that CA fails again and again the list counts.
func TestRenewalFromAnotherIssuer(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.known.Orders = map[string]plan.Order{ec: {Issuer: "le", URL: "https://le.example/1", Request: s.want.Request(), Created: s.now}}
	s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskRenew: {At: s.now, Issuer: "corp"}}
	if step := s.the(t, plan.KindIssue); step.Issuer != "corp" || !step.Due(s.now) || !step.Asked {
		t.Errorf("step %+v, want an order at corp", step)
	}
	blamed(s, 4, plan.BlameCA, "corp", time.Time{})
	if step := s.the(t, plan.KindResume); step.Issuer != "le" {
		t.Errorf("asks %s after corp failed four times", step.Issuer)
	}
	s.known.Tries, s.known.Orders = nil, nil
	s.known.Asks[plan.AskRenew] = plan.Ask{At: s.now, Issuer: "gone"}
	if step := s.the(t, plan.KindIssue); step.Issuer != "le" {
		t.Errorf("asks %s where the issuer is no longer listed", step.Issuer)
	}
	s.known.Asks = nil
	s.v1().Issuer = "corp"
	s.none(t, plan.KindIssue)
	s.now = day(61)
	if step := s.the(t, plan.KindIssue); step.Issuer != "le" {
		t.Errorf("the next renewal asks %s", step.Issuer)
	}
}
