package plan_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// simulator lives certificates through years in which much goes wrong. It
// carries out steps as the engine does, on facts alone, and at every step
// compares the plan with what it promises.
type simulator struct {
	t    *testing.T
	dice *rand.Rand
	seed uint64

	real  time.Time     // the time of the CAs
	skew  time.Duration // how far this machine's clock is ahead of it
	world plan.World
	cas   map[string]*simulatedCA
	lives map[string]time.Duration // of certificates, by name
	calm  time.Time                // since when nothing has been wrong
	quiet map[string]time.Time     // since when a certificate is wanted as it is

	attempts []time.Time
	issues   map[string][]plan.Issued // automatic ones, by names and key type
	ids      int
	planned  int
	killed   bool
}

// simulatedCA remembers until when it asked to be left alone, as a whole ("")
// and for single pairs.
type simulatedCA struct {
	down   bool
	barred map[string]time.Time
}

// now is what this machine's clock says.
func (s *simulator) now() time.Time { return s.real.Add(s.skew) }

func newSimulator(t *testing.T, seed uint64, wanted ...plan.WantedCert) *simulator {
	s := &simulator{
		t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 1)), real: day0(), calm: day0(),
		cas: map[string]*simulatedCA{}, lives: map[string]time.Duration{}, quiet: map[string]time.Time{}, issues: map[string][]plan.Issued{},
	}
	s.world = plan.World{
		Wanted: plan.Wanted{Certs: wanted},
		Known:  plan.Known{Certs: map[string]*plan.KnownCert{}, Issuers: map[string]plan.KnownIssuer{}},
	}
	for _, want := range wanted {
		s.lives[want.Name] = days(90)
		s.quiet[want.Name] = s.real
		s.world.Known.Certs[want.Name] = &plan.KnownCert{Name: want.Name}
		for _, issuer := range want.Issuers {
			s.cas[issuer] = &simulatedCA{barred: map[string]time.Time{}}
		}
	}
	return s
}

func (s *simulator) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, real %s, clock %s: %s", s.seed, s.real, s.now(), fmt.Sprintf(format, args...))
}

// chance is true once in n times.
func (s *simulator) chance(n int) bool { return s.dice.IntN(n) == 0 }

// runUntil lets time pass up to an instant of the CAs' time.
func (s *simulator) runUntil(end time.Time) {
	s.t.Helper()
	for s.real.Before(end) {
		steps := s.settle()
		s.check()
		next := plan.Next(s.now(), steps)
		if next.IsZero() || !next.Before(end.Add(s.skew)) {
			s.real = end
			return
		}
		s.real = next.Add(-s.skew)
	}
}

// settle does what is due until nothing is, and returns what comes later.
func (s *simulator) settle() []plan.Step {
	s.t.Helper()
	for range 200 {
		steps := s.plan()
		if len(steps) == 0 || !steps[0].Due(s.now()) {
			return steps
		}
		s.do(steps[0])
	}
	s.fail("no end of work at one instant: %v", s.plan())
	return nil
}

// plan makes the plan and compares it with what holds for every plan.
func (s *simulator) plan() []plan.Step {
	s.t.Helper()
	s.planned++
	look := s.planned%200 == 0
	var before string
	if look {
		before = text(s.t, s.world)
	}
	steps := plan.Make(s.now(), s.world)
	promised(s.t, s.now(), s.world, steps)
	if look {
		if again := plan.Make(s.now(), s.world); !reflect.DeepEqual(again, steps) {
			s.fail("another plan for the same world")
		}
		if text(s.t, s.world) != before {
			s.fail("the plan changed the world")
		}
		for _, p := range plan.Problems(s.now(), s.world) {
			if p.Words == "" || p.Remedy == "" || p.Severity == "" {
				s.fail("problem %+v", p)
			}
		}
	}
	return steps
}

// check fails when a certificate has ended although issuing worked in time.
func (s *simulator) check() {
	s.t.Helper()
	for _, want := range s.world.Wanted.Certs {
		k := s.world.Known.Certs[want.Name]
		v, ok := k.Version(k.Published)
		// The longest that our own backoff may wait, and an hour of grace.
		worked := s.real.Sub(later(s.calm, s.quiet[want.Name])) > 30*time.Hour
		if worked && (!ok || !v.Serving(want.KeyTypes).NotAfter().After(s.real)) {
			s.fail("%s has ended, although issuing works since %s: %+v", want.Name, s.calm, *k)
		}
	}
}

func (s *simulator) do(step plan.Step) {
	s.t.Helper()
	k := s.world.Known.Certs[step.Cert]
	want := s.wanted(step.Cert)
	now := s.now()
	switch step.Kind {
	case plan.KindAdopt:
		if k.Damage != "" {
			*k = plan.KnownCert{Name: k.Name}
		}
		k.Looked = true
		k.Vacant = map[string]bool{"default": true}
	case plan.KindIssue, plan.KindResume:
		s.issue(k, want, step)
	case plan.KindPublish:
		k.Published, k.Held = step.Version, step.Asked
		if step.Asked {
			k.HeldAt = now
			delete(k.Asks, plan.AskRestore)
		}
	case plan.KindSpare:
		k.Vacant = nil
	case plan.KindInstall:
		s.install(k, want, step)
	case plan.KindHook, plan.KindVerify:
		s.follow(k, step)
	case plan.KindInspect:
		k.Inspected = now
	case plan.KindAdvice:
		s.advise(k, step)
	case plan.KindPrune:
		k.Versions = slices.DeleteFunc(slices.Clone(k.Versions), func(v plan.Version) bool { return slices.Contains(step.Drop, v.ID) })
	case plan.KindAnswer:
		for _, kind := range step.Drop {
			if plan.AskKind(kind) == plan.AskRelease {
				k.Held = false
			}
			delete(k.Asks, plan.AskKind(kind))
		}
	default:
		s.fail("unknown step %+v", step)
	}
}

func (s *simulator) wanted(name string) plan.WantedCert {
	i := slices.IndexFunc(s.world.Wanted.Certs, func(c plan.WantedCert) bool { return c.Name == name })
	return s.world.Wanted.Certs[i]
}

// issue attempts an order. The attempt is counted first; a kill may come after
// every write.
func (s *simulator) issue(k *plan.KnownCert, want plan.WantedCert, step plan.Step) {
	s.t.Helper()
	ca, pair := s.cas[step.Issuer], step.Cert+" "+step.KeyType
	if until := later(ca.barred[""], ca.barred[pair]); s.real.Before(until) {
		s.fail("%s is asked although it wants to be left alone until %s: %+v", step.Issuer, until, step)
	}
	s.attempts = append(s.attempts, s.real)
	tries := k.Tries[step.KeyType].Begin(s.now(), s.dice.Float64())
	order := plan.Order{Issuer: step.Issuer, Request: want.Request(), Created: s.now(), Reason: step.Reason}
	if step.Kind == plan.KindResume {
		order = k.Orders[step.KeyType]
	}
	tries.Issuer, tries.Request = order.Issuer, &order.Request
	set(&k.Tries, step.KeyType, tries)
	set(&k.Orders, step.KeyType, order)
	if s.kill() {
		return
	}
	if code, blame, failed := s.trouble(ca); failed {
		set(&k.Tries, step.KeyType, tries.Failed(s.now(), plan.Fault{Code: code, Blame: blame, Words: "it did not work", At: s.now()}, s.retryAfter(ca, step.Issuer, pair)))
		return
	}
	if order.URL == "" {
		s.ids++
		order.URL, order.Expires = fmt.Sprintf("https://%s.example/order/%d", step.Issuer, s.ids), s.now().Add(days(7))
		set(&k.Orders, step.KeyType, order)
	}
	if s.kill() {
		return
	}
	s.keep(k, want, step, order)
}

// kill ends the process now and then, where the simulation is of trouble.
func (s *simulator) kill() bool {
	if !s.killed || !s.chance(10) {
		return false
	}
	s.calm = later(s.calm, s.real)
	return true
}

func (s *simulator) trouble(ca *simulatedCA) (plan.Code, plan.Blame, bool) {
	switch {
	case s.skew.Abs() > 10*time.Minute:
		return plan.CodeClock, plan.BlameAdmin, true
	case ca.down:
		return plan.CodeNetwork, plan.BlameNetwork, true
	}
	return "", "", false
}

// retryAfter makes a failing CA ask to be left alone now and then, for a pair
// or by everybody.
func (s *simulator) retryAfter(ca *simulatedCA, issuer, pair string) time.Time {
	if !ca.down || s.skew != 0 || !s.chance(3) {
		return time.Time{}
	}
	until := s.real.Add(time.Duration(s.dice.Int64N(int64(days(1)))))
	if s.chance(2) {
		ca.barred[pair] = until
		return until
	}
	ca.barred[""] = until
	s.world.Known.Issuers[issuer] = plan.KnownIssuer{At: s.now(), NotBefore: until}
	return time.Time{}
}

// keep stores and publishes what the CA gave.
func (s *simulator) keep(k *plan.KnownCert, want plan.WantedCert, step plan.Step, order plan.Order) {
	s.t.Helper()
	s.ids++
	made := plan.Pair{
		KeyType: step.KeyType, Key: fmt.Sprint("key", s.ids), Issuer: order.Issuer, Made: s.now(), Request: order.Request,
		NotBefore: s.real.Add(-time.Hour), NotAfter: s.real.Add(s.lives[want.Name]), CertID: fmt.Sprint("id", s.ids),
	}
	v := plan.Version{ID: fmt.Sprint("v", s.ids), Created: s.now()}
	current, _ := k.Version(k.Published)
	for _, keyType := range want.KeyTypes {
		if keyType == step.KeyType {
			v.Pairs = append(v.Pairs, made)
		} else if old, ok := current.Pair(keyType); ok {
			v.Pairs = append(v.Pairs, old)
		}
	}
	k.Versions = append(slices.Clone(k.Versions), v)
	k.Published, k.Held = v.ID, false
	delete(k.Orders, step.KeyType)
	delete(k.Tries, step.KeyType)
	delete(k.Advice, step.KeyType)
	for _, ca := range s.cas {
		delete(ca.barred, step.Cert+" "+step.KeyType) // forgotten with the attempts
	}
	if !step.Asked {
		count := plan.Issued{At: s.now(), Names: order.Request.Names, KeyType: step.KeyType, Lifetime: made.Lifetime()}
		k.Issued = append(slices.DeleteFunc(slices.Clone(k.Issued), func(i plan.Issued) bool { return s.now().Sub(i.At) > days(14) }), count)
		s.guarded(want.Name, count)
	}
}

// guarded fails when one set of names was issued too often in seven days.
func (s *simulator) guarded(name string, count plan.Issued) {
	s.t.Helper()
	key := fmt.Sprint(name, count.Names, count.KeyType)
	s.issues[key] = slices.DeleteFunc(append(s.issues[key], count), func(i plan.Issued) bool { return s.real.Sub(i.At) >= days(7) })
	if got, limit := len(s.issues[key]), plan.GuardLimit(count.Lifetime); got > limit {
		s.fail("%d automatic issues of %v within 7 days, allowed are %d", got, count.Names, limit)
	}
}

func set[T any](m *map[string]T, key string, value T) {
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[key] = value
}
