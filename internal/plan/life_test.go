package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// promised fails when a plan breaks what holds for every plan of every world.
func promised(t *testing.T, now time.Time, w plan.World, steps []plan.Step) {
	t.Helper()
	orders := map[string]bool{}
	for i, s := range steps {
		known := w.Known.Cert(s.Cert)
		if s.Cert == "" || s.Reason.Code == "" || s.At.Before(now) {
			t.Fatalf("step %+v at %s", s, now)
		}
		if i > 0 && s.Due(now) && !steps[i-1].Due(now) {
			t.Fatalf("what is due comes after what is not: %+v", s)
		}
		switch s.Kind {
		case plan.KindIssue, plan.KindResume:
			if orders[s.Cert+s.KeyType] {
				t.Fatalf("two orders for one pair: %+v", s)
			}
			orders[s.Cert+s.KeyType] = true
			patient(t, now, w, s)
		case plan.KindPublish, plan.KindInstall, plan.KindVerify, plan.KindAdvice:
			if _, ok := known.Version(s.Version); !ok {
				t.Fatalf("step for a version that is not stored: %+v", s)
			}
		case plan.KindPrune:
			for _, id := range s.Drop {
				if id == known.Published || slices.ContainsFunc(targets(known), func(f plan.Target) bool { return f.Version == id }) {
					t.Fatalf("prunes %s, which is in use: %+v", id, s)
				}
			}
		}
	}
}

func targets(k *plan.KnownCert) []plan.Target {
	var all []plan.Target
	for _, f := range k.Targets {
		all = append(all, f)
	}
	return all
}

// patient fails when an order asks a CA before the instant that it named.
func patient(t *testing.T, now time.Time, w plan.World, s plan.Step) {
	t.Helper()
	sane := func(at time.Time) bool { return !at.After(now.Add(time.Minute)) }
	if ca := w.Known.Issuers[s.Issuer]; sane(ca.At) && s.At.Before(ca.NotBefore) {
		t.Fatalf("%s asked to wait until %s: %+v", s.Issuer, ca.NotBefore, s)
	}
	tries := w.Known.Cert(s.Cert).Tries[s.KeyType]
	bound := tries.ImposedBy == "" || tries.ImposedBy == s.Issuer
	if bound && sane(tries.Last) && sane(tries.Ended) && s.At.Before(tries.Imposed) {
		t.Fatalf("%s imposed %s on this certificate: %+v", s.Issuer, tries.Imposed, s)
	}
}

func (s *simulator) install(k *plan.KnownCert, want plan.WantedCert, step plan.Step) {
	i := slices.IndexFunc(want.Targets, func(t plan.WantedTarget) bool { return t.Name == step.Target })
	target := want.Targets[i]
	fact := k.Targets[step.Target]
	refused := &plan.Refused{Version: step.Version, Config: target.Config, RolledBack: s.chance(2)}
	if fact.Refused == nil || fact.Refused.Version != step.Version || fact.Refused.Config != target.Config {
		fact.Tries = plan.Tries{}
	}
	fact.Refused, fact.Tries = refused, fact.Tries.Begin(s.now(), s.dice.Float64())
	switch {
	case s.killed && s.chance(10):
	case s.killed && s.chance(5):
		fact.Tries = fact.Tries.Failed(s.now(), plan.Fault{Code: plan.CodeDeploy, Words: "no"}, time.Time{})
	default:
		fact = plan.Target{Version: step.Version, State: plan.TargetReloaded, Config: target.Config, At: s.now(), Hooks: slices.Clone(target.Hooks), Verify: fact.Verify}
	}
	set(&k.Targets, step.Target, fact)
}

func (s *simulator) follow(k *plan.KnownCert, step plan.Step) {
	fact := k.Targets[step.Target]
	fails := s.killed && s.chance(5)
	fault := plan.Fault{Code: plan.CodeHook, Words: "no"}
	switch {
	case step.Kind == plan.KindHook && fails:
		fact = fact.HookFailed(step.Hook, s.now(), 0, fault)
	case step.Kind == plan.KindHook:
		fact = fact.HookDone(step.Hook)
	case fails:
		if fact.Verify.Version != step.Version {
			fact.Verify = plan.VerifyFact{}
		}
		fact.Verify.Version, fact.Verify.At = step.Version, s.now()
		fact.Verify.Tries = fact.Verify.Tries.Begin(s.now(), 0).Failed(s.now(), fault, time.Time{})
		if fact.State == plan.TargetVerified {
			fact.State = plan.TargetReloaded
		}
	default:
		fact.Verify = plan.VerifyFact{Version: step.Version, At: s.now()}
		if fact.Version == step.Version {
			fact.State = plan.TargetVerified
		}
	}
	k.Targets[step.Target] = fact
}

func (s *simulator) advise(k *plan.KnownCert, step plan.Step) {
	v, _ := k.Version(step.Version)
	p, _ := v.Pair(step.KeyType)
	a := k.Advice[step.KeyType]
	if a.CertID != p.CertID {
		start := p.NotBefore.Add(p.Lifetime() * 65 / 100)
		a = plan.Advice{CertID: p.CertID, Start: start, End: start.Add(p.Lifetime() / 50)}
		if s.chance(20) { // a window in the past: renew now
			a.Start, a.End = p.NotBefore, p.NotBefore.Add(time.Second)
		}
		a.At = a.Start.Add(time.Duration(s.dice.Float64() * float64(a.End.Sub(a.Start))))
	}
	a.Asked, a.AskAgain = s.now(), s.now().Add(12*time.Hour)
	set(&k.Advice, step.KeyType, a)
}

func simulated(name string, keyTypes ...string) plan.WantedCert {
	return plan.WantedCert{
		Name: name, Names: []string{name + ".example"}, Issuers: []string{"le", "corp"}, KeyTypes: keyTypes, Keep: 3, Renew: plan.RenewPolicy{ARI: true},
		Targets: []plan.WantedTarget{{Name: "default", Config: "c", Services: []string{"nginx"}, Hooks: []string{"installed"}, Verify: true}},
	}
}

// Without any trouble each certificate is renewed once per window, for years,
// whatever its life is.
func TestQuietYears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		life          time.Duration
		years, orders int
	}{{days(90), 3, 19}, {days(45), 3, 37}, {days(6), 1, 123}} {
		s := newSimulator(t, 1, simulated("a", ec))
		s.lives["a"] = c.life
		s.world.Wanted.Certs[0].Renew.ARI = false
		s.runUntil(day0().AddDate(c.years, 0, 0))
		if got := len(s.attempts); got != c.orders {
			t.Errorf("certificates of %s: %d orders in %d years, want %d", c.life, got, c.years, c.orders)
		}
	}
}

// A CA that fails for ever is asked after 1, 10 and 100 minutes, then daily.
func TestCAThatFailsForEver(t *testing.T) {
	t.Parallel()
	for _, issuers := range [][]string{{"le"}, {"le", "corp"}} {
		want := simulated("a", ec)
		want.Issuers = issuers
		s := newSimulator(t, 2, want)
		for _, ca := range s.cas {
			ca.down = true
		}
		s.skew = 11 * time.Minute // the clock is wrong as well, so that no CA names an instant
		s.calm = day(1000)
		s.runUntil(day(100))
		for i, least := range []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute, days(1), days(1)} {
			if wait := s.attempts[i+1].Sub(s.attempts[i]); wait < least || wait > least+least/5+time.Second {
				t.Errorf("attempt %d came after %s, want %s and up to a fifth more", i+2, wait, least)
			}
		}
		if n := len(s.attempts); n < 80 || n > 104 {
			t.Errorf("%d attempts in 100 days", n)
		}
	}
}
