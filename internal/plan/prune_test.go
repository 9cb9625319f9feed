package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestPrune(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		disturb func(*scene)
		drop    []string
	}{
		{"beyond those kept", func(*scene) {}, []string{"v1", "v2"}},
		{"as many as kept", func(s *scene) { s.want.Keep = 5 }, nil},
		{"no limit", func(s *scene) { s.want.Keep = 0 }, nil},
		{"only one", func(s *scene) { s.want.Keep = 1 }, []string{"v1", "v2", "v3", "v4"}},
		{"an old one is published", func(s *scene) {
			s.want.Profile, s.known.Versions[0].Pairs[0].Request.Profile = "p", "p"
			s.publish("v1", s.now)
		}, []string{"v2", "v3"}},
		{"an old one is installed elsewhere", func(s *scene) { s.known.Targets["gone"] = plan.Target{Version: "v1"} }, []string{"v2", "v3"}},
		{"an open order uses its key", func(s *scene) {
			s.known.Orders = map[string]plan.Order{ec: {Issuer: "le", Key: s.v1().Key}}
		}, []string{"v2", "v3"}},
		{"an old one is held: what it goes back to stays", func(s *scene) { s.restore("v2") }, []string{"v1"}},
		{"something is due", func(s *scene) { s.known.Inspected = time.Time{} }, nil},
		{"a restore is asked for", func(s *scene) { askRestore(s, "v1") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.known.Versions = nil
			for i := range 5 {
				made := day(float64(i))
				s.known.Versions = append(s.known.Versions, version(fmt.Sprintf("v%d", i+1), made, pair(s.want, ec, made, days(90))))
			}
			s.publish("v5", s.now)
			c.disturb(s)
			var drop []string
			for _, step := range s.all(plan.KindPrune) {
				drop = append(drop, step.Drop...)
			}
			if !slices.Equal(drop, c.drop) {
				t.Errorf("drops %v, want %v", drop, c.drop)
			}
		})
	}
}

// The certificate that a change of keys brought is not dropped while it waits
// for its TLSA record, which somebody took away since the switch.
func TestPruneWhileTLSAWaits(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.reuse(false)
	l.want.Keep = 1
	l.until(day(11))
	l.rolled()
	l.on["r1"] = "k2"
	l.known.Versions[1].Pairs[0].Keys = "mail"
	l.sets.Rolling = &plan.Rollover{At: l.now, Keys: map[string]string{ec: "k2"}}
	l.sets.Switch(l.now)
	l.look()
	l.told = nil
	l.until(l.now.Add(tlsaTTL))
	if _, held := l.known.Version("r1"); !held {
		t.Error("it was dropped")
	}
	l.until(day(12))
	if l.serves != "r1" || slices.Contains(l.told, "issue") {
		t.Errorf("%s is served after %q", l.serves, l.told)
	}
}
