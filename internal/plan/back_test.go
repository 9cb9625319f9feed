package plan_test

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// twice is a scene whose certificate was issued again on day 5 after the
// config had changed; the first one is still stored and valid.
func twice(change func(*plan.WantedCert)) *scene {
	s := quiet()
	change(&s.want)
	again := pair(s.want, s.want.KeyTypes[0], day(5), days(90))
	again.Issuer = s.want.Issuers[0]
	s.known.Versions = append(s.known.Versions, version("v2", day(5), again))
	s.known.Published = "v2"
	s.target(func(t *plan.Target) { *t = verified("v2", s.now) })
	s.known.Advice = nil
	s.want.Renew.ARI = false
	return s
}

func TestConfigGoesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		forward, again func(*plan.WantedCert)
	}{
		{"names", func(w *plan.WantedCert) { w.Names = []string{"mail.example", "new.example"} }, func(w *plan.WantedCert) { w.Names = []string{"smtp.example", "mail.example"} }},
		{"profile", func(w *plan.WantedCert) { w.Profile = "shortlived" }, func(w *plan.WantedCert) { w.Profile = "" }},
		{"must-staple", func(w *plan.WantedCert) { w.MustStaple = true }, func(w *plan.WantedCert) { w.MustStaple = false }},
		{"CSR", func(w *plan.WantedCert) { w.CSR = "abc" }, func(w *plan.WantedCert) { w.CSR = "" }},
		{"key type", func(w *plan.WantedCert) { w.KeyTypes = []string{rsa} }, func(w *plan.WantedCert) { w.KeyTypes = []string{ec} }},
		{"issuer", func(w *plan.WantedCert) { w.Issuers = []string{"corp"} }, func(w *plan.WantedCert) { w.Issuers = []string{"le"} }},
		{
			"common name",
			func(w *plan.WantedCert) { w.CommonName, w.CommonNameGiven = "smtp.example", true },
			func(w *plan.WantedCert) { w.CommonName = "mail.example" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := twice(c.forward)
			if due := s.due(); len(due) != 0 {
				t.Fatalf("due before the config goes back: %v", due)
			}
			c.again(&s.want)
			step := s.the(t, plan.KindPublish)
			if step.Version != "v1" || step.Reason.Code != plan.ReasonFits || !step.Due(s.now) {
				t.Errorf("step %+v, want v1 published", step)
			}
			s.none(t, plan.KindIssue)

			s.known.Published = "v1"
			s.none(t, plan.KindIssue)
			s.none(t, plan.KindPublish) // not forth and back again
		})
	}
}

// An earlier version that is due, unreadable or revoked itself is no answer.
func TestEarlierVersionThatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*scene){
		"due":        func(s *scene) { s.now = day(62) },
		"ended":      func(s *scene) { s.now = day(91) },
		"unreadable": func(s *scene) { s.known.Versions[0].Broken = "gone" },
		"revoked":    func(s *scene) { s.v1().Revoked = true },
		"other CA":   func(s *scene) { s.v1().Issuer = "third" },
		"nameless":   func(s *scene) { s.known.Versions[0].ID = "" },
		"no pairs":   func(s *scene) { s.known.Versions[0].Pairs = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := twice(func(w *plan.WantedCert) { w.Profile = "shortlived" })
			s.want.Profile = ""
			spoil(s)
			s.none(t, plan.KindPublish)
			if step := s.the(t, plan.KindIssue); !step.Due(s.now) {
				t.Errorf("step %+v, want a new certificate", step)
			}
		})
	}
}

// By a clock that is behind, an earlier version that has ended may look valid:
// the one that is served stays until a CA tells the time.
func TestEarlierVersionUnderAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(*scene){
		"the served one has not begun":   func(s *scene) { s.now = day(4) },
		"the CA was asked in the future": func(s *scene) { s.known.Advice = map[string]plan.Advice{ec: {Asked: s.now.Add(days(2))}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := twice(func(w *plan.WantedCert) { w.Profile = "shortlived" })
			s.want.Profile = ""
			tell(s)
			s.none(t, plan.KindPublish)
			if step := s.the(t, plan.KindIssue); !step.Due(s.now) {
				t.Errorf("step %+v, want a new certificate", step)
			}
			s.known.Versions[1].Broken = "gone" // what cannot be served loses nothing
			s.the(t, plan.KindPublish)
		})
	}
}

// Of several stored versions that fit, the newest is taken.
func TestNewestFittingVersion(t *testing.T) {
	t.Parallel()
	s := twice(func(w *plan.WantedCert) { w.Profile = "shortlived" })
	s.want.Profile = ""
	again := version("v1b", day(2), pair(s.want, ec, day(2), days(90)))
	s.known.Versions = []plan.Version{s.known.Versions[0], again, s.known.Versions[1]}
	if step := s.the(t, plan.KindPublish); step.Version != "v1b" {
		t.Errorf("publishes %s", step.Version)
	}
}

// A crash between storing a version and pointing to it loses nothing.
func TestStoredButNotPublished(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.known.Published = ""
	if step := s.the(t, plan.KindPublish); step.Version != "v1" || !step.Urgent {
		t.Errorf("step %+v, want v1 published", step)
	}
	s.none(t, plan.KindAdopt)
	s.known.Orders = map[string]plan.Order{ec: {Issuer: "le", URL: "https://ca/1", Request: s.want.Request()}}
	s.the(t, plan.KindPublish) // what can be served now is not kept waiting for an order

	s = quiet()
	s.known.Versions = append(s.known.Versions, version("v2", day(-1), pair(s.want, ec, day(-1), days(90)))) // the clock was behind
	if step := s.the(t, plan.KindPublish); step.Version != "v2" {
		t.Errorf("step %+v, want the newer version published", step)
	}
}
