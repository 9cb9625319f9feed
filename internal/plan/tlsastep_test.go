package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestTLSAFirstIssue(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.known.Published, l.known.Versions, l.known.Targets, l.on, l.serves = "", nil, map[string]plan.Target{}, map[string]string{}, ""
	l.until(l.now)
	l.story("issue tlsa-look publish install verify tlsa")
	l.settled("v1", "3 1 1 k1")
	// Where a set is there already whatever is served, a new one waits.
	l = newDANELife(t, "3 1 1")
	l.known.Published, l.known.Versions, l.known.Targets, l.on, l.serves = "", nil, map[string]plan.Target{}, map[string]string{}, ""
	l.shows, l.lossy = []daneSet{{records: []string{"3 1 1 foreign"}}}, true
	l.until(l.now)
	l.story("issue tlsa-look tlsa")
	at(t, l.waits(t, "waits until 2027-01-11 00:10 UTC for the TLSA records of "+tlsaName+" to reach every cache"), l.now.Add(2*tlsaTTL))
	l.until(l.now.Add(2 * tlsaTTL))
	l.story("publish install verify tlsa")
	l.settled("v1", "3 1 1 k1")
}

// TestTLSARecordsFollowTheFirstInstall: where the first certificate cannot be
// installed, a placeholder is served, and no client may be told to refuse it.
func TestTLSARecordsFollowTheFirstInstall(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	refused := plan.Target{State: plan.TargetPending, Refused: &plan.Refused{Version: "v1", Config: "c1"}}
	refused.Tries = refused.Tries.Begin(l.now, 0).Failed(l.now, plan.Fault{Code: plan.CodeDisk, At: l.now}, time.Time{})
	l.known.Targets["default"] = refused
	l.shows = []daneSet{{l.now, nil}}
	l.known.TLSA = map[string]plan.KnownTLSA{}
	l.look()
	if steps := l.all(plan.KindTLSA); len(steps) > 0 {
		t.Errorf("nothing is installed, and records are published: %+v", steps)
	}
	if problems := plan.Problems(l.now, l.world()); slices.ContainsFunc(problems, func(p plan.Problem) bool { return p.Code == plan.CodeTLSANone }) {
		t.Errorf("%+v", problems)
	}
	l.known.Targets["default"] = verified("v1", l.now)
	if step := l.the(t, plan.KindTLSA); !slices.Equal(step.Records, []string{"3 1 1 k1"}) {
		t.Errorf("installed, and published are %q", step.Records)
	}
}

// Records that the config asks for later are published at once.
func TestTLSAWantedLater(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.story("tlsa-look tlsa")
	l.settled("v1", "3 1 1 k1")
	next := l.the(t, plan.KindLookTLSA)
	at(t, next, l.now.Add(6*time.Hour))
	// Somebody changes them meanwhile.
	l.shows = append(l.shows, daneSet{l.now, []string{"3 1 1 k1", "3 1 1 other"}})
	l.until(next.At)
	l.story("tlsa")
	l.settled("v1", "3 1 1 k1")
}

func TestTLSARenewal(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.newKey = false
	l.until(l.now)
	l.story("tlsa-look tlsa")
	l.ask(plan.AskRenew, l.now)
	l.until(l.now)
	l.story("issue tlsa-look publish install verify answer")
	l.settled("v2", "3 1 1 k1")
	// DNS is not needed for it.
	l.down = true
	l.now = l.now.Add(time.Hour)
	l.ask(plan.AskRenew, l.now)
	l.until(l.now)
	l.story("issue tlsa-look publish install verify answer")
	l.settled("v3", "3 1 1 k1")
}

// Nor is it where nobody has ever learned what it shows.
func TestTLSASameKeyWithoutDNS(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.newKey, l.down = false, true
	l.ask(plan.AskRenew, l.now)
	l.until(l.now)
	if l.serves != "v2" {
		t.Errorf("%s is served: %q", l.serves, l.told)
	}
	// With a key kept ready that cannot be published, the old key is renewed
	// before what is served ends.
	l = newDANELife(t, "3 1 1")
	l.reuse(true)
	l.keys[0].EachTime, l.want.FreshKey, l.down = true, true, true
	l.until(day(89.9))
	if l.serves == "v1" || l.record(l.serves) != "3 1 1 k1" {
		t.Errorf("%s is served with %s", l.serves, l.record(l.serves))
	}
}

func TestTLSAKeyChange(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now.Add(time.Hour))
	l.told = nil
	l.ask(plan.AskRenew, l.now)
	l.until(l.now)
	l.story("issue tlsa-look tlsa")
	at(t, l.waits(t, "for the TLSA records"), l.now.Add(2*tlsaTTL))
	if want := []string{"3 1 1 k1", l.record("v2")}; !slices.Equal(l.shown(), want) {
		t.Errorf("in DNS %q", l.shown())
	}
	if problems := l.problems(); len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	l.until(l.now.Add(2*tlsaTTL - time.Second))
	l.story("")
	l.until(l.now.Add(time.Second))
	l.story("publish install verify tlsa answer")
	l.settled("v2", l.record("v2"))
	// Gone back to by a person, the old key waits too.
	l.now = l.now.Add(time.Hour)
	l.known.Asks = map[plan.AskKind]plan.Ask{plan.AskRestore: {At: l.now, Version: "v1"}}
	l.until(l.now)
	l.story("tlsa")
	l.waits(t, "restore of an archived version was asked for; waits until")
	l.until(l.now.Add(time.Hour))
	l.story("publish install verify tlsa")
	l.settled("v1", "3 1 1 k1")
}

// While nothing can be learned of DNS a new key waits, and DANE-EE goes by no
// end; with PKIX-EE the end of what is served is the end of the wait.
func TestTLSAWithoutDNS(t *testing.T) {
	t.Parallel()
	for usage, waits := range map[string]bool{"3 1 1": true, "1 1 1": false} {
		l := newDANELife(t, usage)
		l.until(l.now)
		l.told = nil
		l.down = true
		l.until(day(89))
		if l.serves != "v1" || l.known.Ready != "v2" {
			t.Errorf("%s: served %s, ready %s", usage, l.serves, l.known.Ready)
		}
		problems := l.problems()
		if !slices.ContainsFunc(problems, func(p plan.Problem) bool {
			return p.Code == plan.CodeDNSLookup && p.Words == "look; a new certificate waits for it"
		}) {
			t.Errorf("%s: problems %v", usage, problems)
		}
		l.lossy = !waits
		l.until(day(91))
		if (l.serves == "v1") != waits {
			t.Errorf("%s: after the end %s is served", usage, l.serves)
		}
		l.down = false
		l.until(day(91.5))
		l.lossy = false
		l.until(day(92))
		l.settled(l.known.Versions[len(l.known.Versions)-1].ID, l.record(l.serves))
	}
}

// A server that lags keeps the new key waiting, and nothing else.
func TestTLSAServerLags(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.told, l.lag = nil, 30*time.Minute
	l.ask(plan.AskRenew, l.now)
	l.until(l.now.Add(10 * time.Minute))
	if l.serves != "v1" || len(l.shown()) != 2 {
		t.Errorf("served %s, in DNS %q", l.serves, l.shown())
	}
	l.waits(t, "for the TLSA records of "+tlsaName+" to be published, and then to reach every cache")
	l.until(l.now.Add(24 * time.Hour))
	l.settled("v2", l.record("v2"))
	if l.changes != 3 {
		t.Errorf("DNS was changed %d times, want 3", l.changes)
	}
}

// A person who asks is not kept waiting by failures.
func TestTLSAAsked(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.down = true
	l.until(l.now.Add(5 * time.Hour))
	look := l.the(t, plan.KindLookTLSA)
	if wait := look.At.Sub(l.now); wait <= 0 || wait > time.Hour || !strings.Contains(look.Reason.Words, "; waits after 7 failures") {
		t.Errorf("after hours: %+v", look)
	}
	l.ask(plan.AskApply, l.now)
	if look := l.the(t, plan.KindLookTLSA); !look.Due(l.now) || !look.Asked {
		t.Errorf("asked: %+v", look)
	}
}

// What some target still serves keeps its records, whatever is published.
func TestTLSAOfTargetsThatLag(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.want.Targets = append(l.want.Targets, plan.WantedTarget{Name: "late", Config: "c1"})
	l.known.Targets["late"] = plan.Target{Version: "v1", State: plan.TargetReloaded, Config: "c1"}
	l.until(l.now)
	l.on["v2"] = "k2"
	l.known.Versions = append(l.known.Versions, version("v2", l.now, pair(l.want, ec, l.now, days(90))))
	l.publish("v2", l.now)
	records := func() []string {
		l.look()
		l.known.TLSA[tlsaName] = plan.KnownTLSA{Config: "t1", Chains: l.known.TLSA[tlsaName].Chains, Facts: l.known.TLSA[tlsaName].Facts}
		if steps := l.all(plan.KindTLSA); len(steps) > 0 {
			return steps[0].Records
		}
		return l.shown()
	}
	both := []string{"3 1 1 k1", "3 1 1 k2"}
	l.known.Targets["late"] = plan.Target{Version: "v1", State: plan.TargetReloaded, Config: "c1"}
	if got := records(); !slices.Equal(got, both) {
		t.Errorf("one target lags: %q", got)
	}
	l.shows = append(l.shows, daneSet{l.now, both})
	l.known.Targets["late"] = plan.Target{Version: "v2", State: plan.TargetReloaded, Config: "c1"}
	l.target(func(t *plan.Target) { t.State = plan.TargetReloaded })
	if got := records(); !slices.Equal(got, both) {
		t.Errorf("one target has not been verified: %q", got)
	}
	l.known.Targets["default"] = verified("v2", l.now)
	if got := records(); !slices.Equal(got, []string{"3 1 1 k2"}) {
		t.Errorf("all are there: %q", got)
	}
	// Of a version that cannot be read nobody knows the records: all stay.
	l.known.Versions[1].Broken = "unreadable"
	k := l.known.TLSA[tlsaName]
	delete(k.Chains, "v2")
	l.known.TLSA[tlsaName] = k
	for _, s := range l.all(plan.KindTLSA) {
		if !slices.Equal(s.Records, both) {
			t.Errorf("unreadable: %q", s.Records)
		}
	}
}

// A certificate that keeps its key needs no DNS at a renewal. Where it changes,
// the switch waits; where the next one was ready, it had its record before.
func TestTLSARollover(t *testing.T) {
	t.Parallel()
	for _, backup := range []bool{false, true} {
		l := newDANELife(t, "3 1 1")
		l.reuse(backup)
		l.until(l.now)
		before := []string{"3 1 1 k1"}
		if backup {
			before = append(before, "3 1 1 made1")
		}
		l.settled("v1", before...)
		l.until(l.now.Add(time.Hour))
		l.ask(plan.AskRenew, l.now)
		l.until(l.now)
		l.settled("v2", before...)

		l.told = nil
		l.sets.Ask = &plan.AskedRollover{At: l.now}
		l.until(l.now)
		if !backup {
			l.story("rollover issue tlsa-look tlsa")
			s := l.next(t, plan.KindSwitch)
			at(t, s, l.now.Add(2*tlsaTTL))
			if want := "; waits until 2027-01-11 01:10 UTC for the TLSA records of " + tlsaName + " to reach every cache"; !strings.HasSuffix(s.Reason.Words, want) {
				t.Errorf("the switch: %s", s.Reason.Words)
			}
			l.until(s.At)
			l.story("switch-keys publish install verify tlsa")
			l.settled("v3", "3 1 1 made1")
			continue
		}
		if l.serves != "v3" {
			t.Errorf("with a next key at hand %s is served: %q", l.serves, l.told)
		}
		l.settled("v3", "3 1 1 made1", "3 1 1 made2")
	}
}

// Certificates that are served at one name have one set together, and each
// waits for the record of its own key.
func TestTLSAOfTwoCertificates(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	other := &plan.KnownCert{Name: "other", Published: "o1", Ready: "o2", Versions: []plan.Version{
		version("o1", day0(), pair(l.want, rsa, day0(), days(90))), version("o2", day0(), pair(l.want, rsa, day0(), days(90))),
	}}
	l.want.TLSA[0].Beside = []plan.Neighbour{{Cert: "other"}}
	world := func() plan.World {
		w := l.world()
		w.Known.Certs["other"] = other
		return w.Around(l.want, &l.known)
	}
	step := func(kind plan.Kind) *plan.Step {
		for _, s := range plan.Cert(l.now, world(), l.want) {
			if s.Kind == kind {
				return &s
			}
		}
		return nil
	}
	l.look()
	if s := step(plan.KindLookTLSA); s == nil || !s.Due(l.now) {
		t.Errorf("the records of another's versions are not made: %+v", s)
	}
	k := l.known.TLSA[tlsaName]
	k.Chains["o1"], k.Chains["o2"] = [][]string{{"3 1 1 o1"}}, [][]string{{"3 1 1 o2"}}
	l.known.TLSA[tlsaName] = k
	all := []string{"3 1 1 k1", "3 1 1 o1", "3 1 1 o2"}
	if s := step(plan.KindTLSA); s == nil || !slices.Equal(s.Records, all) {
		t.Errorf("to publish: %+v", s)
	}
	// What cannot be known of the other one keeps its records where they are.
	l.shows = append(l.shows, daneSet{l.now, all})
	chains := k.Chains
	l.look()
	k = l.known.TLSA[tlsaName]
	k.Chains = chains
	l.known.TLSA[tlsaName] = k
	whole := *other
	*other = plan.KnownCert{Name: "other", Damage: "unreadable"}
	if s := step(plan.KindTLSA); s != nil {
		t.Errorf("beside a damaged record: %+v", s)
	}
	*other = whole
	for name, versions := range l.want.TLSA[0].Versions(world(), l.want) {
		if want := map[string]int{"mail": 1, "other": 2}[name]; len(versions) != want {
			t.Errorf("%d versions of %s, want %d", len(versions), name, want)
		}
	}
}

// A chain without an authority has no record of the kind that is wanted.
func TestTLSAImpossible(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "2 0 1")
	l.known.TLSA = map[string]plan.KnownTLSA{tlsaName: {Config: "t1", Chains: map[string][][]string{"v1": {{}}}, Facts: plan.TLSAFacts{Seen: l.now}}}
	problems := l.problems()
	if len(problems) != 1 || problems[0].Code != plan.CodeTLSANone || problems[0].Severity != plan.Warning {
		t.Errorf("problems: %v", problems)
	}
	// Other records that the config asks for are made first.
	l.want.TLSA[0].Config = "t2"
	if s := l.the(t, plan.KindLookTLSA); !s.Due(l.now) || len(l.problems()) != 0 {
		t.Errorf("%+v, %v", s, l.problems())
	}
}

// A TTL that was changed in the config is a difference, where it is ours to set.
func TestTLSATTL(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.want.TLSA[0].TTL = time.Hour
	if s := l.the(t, plan.KindTLSA); s.Reason.Words != "their TTL is to change" || !slices.Equal(s.Records, l.shown()) {
		t.Errorf("%+v", s)
	}
	l.want.TLSA[0].TTL = 0
	l.none(t, plan.KindTLSA)
}
