package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// troubled lives three certificates through a time in which every few days
// something goes wrong, and mends.
func troubled(t *testing.T, seed uint64, end time.Time) *simulator {
	s := newSimulator(t, seed, simulated("a", ec), simulated("b", rsa, ec), simulated("short", ec))
	s.lives["short"], s.lives["b"] = days(6), days(45)
	s.killed = true
	s.runUntil(day(1))
	for s.real.Before(end) {
		s.disturb()
		// Trouble lasts up to a day and a half: half of a short life.
		s.runUntil(s.real.Add(time.Duration(s.dice.Int64N(int64(36 * time.Hour)))))
		s.mend()
		s.runUntil(s.real.Add(time.Duration(s.dice.Int64N(int64(days(9))))))
	}
	return s
}

func (s *simulator) disturb() {
	want := &s.world.Wanted.Certs[s.dice.IntN(len(s.world.Wanted.Certs))]
	k := s.world.Known.Certs[want.Name]
	switch s.dice.IntN(9) {
	case 0:
		for _, ca := range s.cas {
			ca.down = true
		}
	case 1:
		s.cas["le"].down = true
	case 2: // the clock goes wrong, by minutes or by years, ahead or behind
		s.skew = time.Duration(s.dice.NormFloat64() * float64([]time.Duration{time.Minute, time.Hour, days(30), days(3650)}[s.dice.IntN(4)]))
		for _, ca := range s.cas {
			clear(ca.barred) // stored by another clock
		}
	case 3: // a name comes or goes
		if len(want.Names) > 1 {
			want.Names = want.Names[:1]
		} else {
			want.Names = append(slices.Clone(want.Names), "more.example")
		}
		s.quiet[want.Name] = s.real
	case 4:
		want.Profile = []string{"", "tlsserver"}[s.dice.IntN(2)]
		want.Targets[0].Config += "x"
	case 5:
		kind := []plan.AskKind{plan.AskApply, plan.AskRenew, plan.AskVerify, plan.AskRelease}[s.dice.IntN(4)]
		s.ask(k, kind, "")
	case 6:
		if len(k.Versions) > 0 {
			s.ask(k, plan.AskRestore, k.Versions[s.dice.IntN(len(k.Versions))].ID)
		}
	case 7: // the process starts again
		for _, known := range s.world.Known.Certs {
			known.Looked, known.Inspected, known.Vacant = false, time.Time{}, nil
		}
	case 8:
		if fact, ok := k.Targets["default"]; ok {
			fact.Altered = []string{"/etc/ssl/key.pem"}
			k.Targets["default"] = fact
		}
	}
}

func (s *simulator) mend() {
	for _, ca := range s.cas {
		ca.down = false
		for _, until := range ca.barred {
			s.calm = later(s.calm, until)
		}
		if s.skew != 0 {
			clear(ca.barred)
		}
	}
	s.skew = 0
	s.calm = later(s.calm, s.real)
}

func (s *simulator) ask(k *plan.KnownCert, kind plan.AskKind, version string) {
	asks := map[plan.AskKind]plan.Ask{kind: {At: s.now(), Version: version}}
	for other, ask := range k.Asks {
		if other != kind {
			asks[other] = ask
		}
	}
	k.Asks = asks
}

func TestTroubledYears(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := troubled(t, seed, day0().AddDate(0, 6, 0))
		if len(s.attempts) < 60 {
			t.Errorf("seed %d: only %d attempts, the simulation is too quiet", seed, len(s.attempts))
		}
	}
}

func FuzzTroubledLife(f *testing.F) {
	f.Add(uint64(10))
	f.Fuzz(func(t *testing.T, seed uint64) { troubled(t, seed, day(60)) })
}
