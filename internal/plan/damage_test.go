package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.known = plan.KnownCert{Damage: "cut off after 12 bytes", Vacant: map[string]bool{"default": true}}
	steps := s.steps()
	if len(steps) != 1 || steps[0].Kind != plan.KindAdopt || steps[0].Reason.Code != plan.ReasonDamaged || !steps[0].Urgent || !steps[0].Due(s.now) {
		t.Errorf("plan %v, want an urgent adoption alone", steps)
	}
	problems := s.problems()
	if len(problems) != 1 || problems[0].Code != plan.CodeDamaged || problems[0].Severity != plan.Critical || problems[0].Words != s.known.Damage {
		t.Errorf("problems %+v, want the damage alone: nothing else is known", problems)
	}
}

// A damaged record of one certificate changes nothing for another.
func TestDamageStopsNothingElse(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	w := s.world()
	alone := len(plan.Make(s.now, w))
	w.Wanted.Certs = append([]plan.WantedCert{{Name: "broken", Names: []string{"b.example"}, KeyTypes: []string{ec}, Issuers: []string{"le"}}}, w.Wanted.Certs...)
	w.Known.Certs["broken"] = &plan.KnownCert{Damage: "no JSON"}
	if got := len(plan.Make(s.now, w)); got != alone+1 {
		t.Errorf("%d steps, want %d", got, alone+1)
	}
}

func TestNewerRecordIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"", "format 2 is newer than 1"} {
		s := quiet()
		s.now = day(91)
		s.known.Newer, s.known.Damage = true, damage
		if steps := s.steps(); len(steps) != 0 {
			t.Errorf("plan %v, want nothing", steps)
		}
		problems := s.problems()
		if len(problems) != 1 || problems[0].Code != plan.CodeNewer || problems[0].Severity != plan.Critical || problems[0].Words == "" {
			t.Errorf("problems %+v", problems)
		}
	}
}

// Nothing is known of a certificate that was just added to the config.
func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	s := quiet()
	w := s.world()
	w.Known = plan.Known{}
	steps := plan.Make(s.now, w)
	if len(steps) != 1 || steps[0].Kind != plan.KindAdopt || steps[0].Reason.Code != plan.ReasonMissing {
		t.Errorf("plan %v, want a look at the target", steps)
	}
	w.Wanted.Certs[0].Targets = nil
	steps = plan.Make(s.now, w)
	if len(steps) != 1 || steps[0].Kind != plan.KindIssue || !steps[0].Urgent || !steps[0].Until.Equal(time.Time{}) {
		t.Errorf("plan %v, want an urgent order", steps)
	}
	known := w.Known.Cert("mail")
	known.Published = "x"
	if again := w.Known.Cert("mail"); again.Published != "" {
		t.Error("what is not known is shared")
	}
}
