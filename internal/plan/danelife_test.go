package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

const tlsaName = "_25._tcp.mail.example"

// daneLife carries out what the plan says of a certificate with TLSA records,
// in a time of its own, and looks at every step whether some client is shut
// out that goes by what a cache may hold.
type daneLife struct {
	*testing.T
	*scene
	usage   string            // and selector and matching type, as in "3 1 1"
	ttl     time.Duration     // of what is in DNS
	shows   []daneSet         // what DNS has shown, the newest last
	down    bool              // nothing is to be learned of DNS
	lag     time.Duration     // how long after a change the servers differ
	on      map[string]string // the key of each version
	keys    []plan.WantedKeys
	sets    *plan.KnownKeys
	newKey  bool     // at each renewal
	serves  string   // version
	lossy   bool     // clients were shut out, and that is meant
	told    []string // what was done
	changes int
	made    int // keys
}

// reuse has the certificate keep its key, with the next one ready or not.
func (l *daneLife) reuse(backup bool) {
	l.want.Keys = "mail"
	l.keys = []plan.WantedKeys{{Name: "mail", KeyTypes: []string{ec}, Certs: []string{"mail"}, Backup: backup}}
	l.sets = &plan.KnownKeys{Name: "mail"}
	l.v1().Key = "k1"
}

func (l *daneLife) world() plan.World {
	w := l.scene.world()
	if l.sets != nil {
		w.Wanted.Keys, w.Known.Keys = l.keys, map[string]*plan.KnownKeys{"mail": l.sets}
	}
	return w
}

func (l *daneLife) steps() []plan.Step { return plan.Make(l.now, l.world()) }

type daneSet struct {
	from    time.Time
	records []string
}

func newDANELife(t *testing.T, usage string) *daneLife {
	l := &daneLife{T: t, scene: quiet(), usage: usage, ttl: tlsaTTL, on: map[string]string{"v1": "k1"}, newKey: true, serves: "v1"}
	l.want.Renew.ARI = false
	l.want.Targets[0].Hooks = nil
	l.known.Advice = nil
	l.want.TLSA = []plan.WantedTLSA{{Name: tlsaName, Config: "t1", TTL: l.ttl}}
	l.shows = []daneSet{{}}
	return l
}

func (l *daneLife) record(version string) string {
	return l.usage + " " + l.on[version]
}

func (l *daneLife) shown() []string { return l.shows[len(l.shows)-1].records }

// look is what the engine learns of DNS.
func (l *daneLife) look() {
	k := l.known.TLSA[tlsaName]
	k.Config, k.Chains = "t1", map[string][][]string{}
	for _, v := range l.known.Versions {
		k.Chains[v.ID] = [][]string{{l.record(v.ID)}}
	}
	if l.down || l.now.Sub(l.shows[len(l.shows)-1].from) < l.lag {
		k.Tries = k.Tries.Begin(l.now, 0).Failed(l.now, plan.Fault{Code: plan.CodeDNSLookup, Words: "look", At: l.now}, time.Time{})
	} else {
		k.Tries, k.Facts = plan.Tries{}, k.Facts.See(l.now, l.shown(), l.ttl)
	}
	k.Keys = map[string][]string{}
	for _, key := range l.want.TLSA[0].Ahead(l.world(), l.want) {
		k.Keys[key] = []string{l.usage + " " + key}
	}
	l.known.TLSA = map[string]plan.KnownTLSA{tlsaName: k}
}

// do carries out a step.
func (l *daneLife) do(s plan.Step) {
	l.Helper()
	switch s.Kind {
	case plan.KindIssue:
		id := fmt.Sprintf("v%d", len(l.on)+1)
		l.on[id] = l.on[l.serves]
		if l.newKey {
			l.on[id] = "k" + id[1:]
		}
		if s.Key != "" {
			l.on[id] = s.Key
		}
		p := pair(l.want, ec, l.now, days(90))
		p.Key = l.on[id]
		l.known.Versions = append(l.known.Versions, version(id, l.now, p))
		if s.Rolled {
			l.known.Rolled = id
		} else if l.known.Ready = id; !s.Gather {
			l.Error("a version is published with its issue")
		}
	case plan.KindPublish:
		l.known.Published, l.known.Ready = s.Version, ""
		if s.Reason.Code == plan.ReasonAsked {
			l.known.Held, l.known.HeldAt, l.known.Asks = true, l.now, nil
		}
	case plan.KindInstall:
		l.serves = s.Version
		l.target(func(t *plan.Target) { t.Version, t.State, t.Config = s.Version, plan.TargetReloaded, "c1" })
	case plan.KindVerify:
		l.known.Targets["default"] = verified(s.Version, l.now)
	case plan.KindLookTLSA:
		l.look()
	case plan.KindTLSA:
		if !l.down && !slices.Equal(s.Records, l.shown()) {
			l.shows = append(l.shows, daneSet{l.now, s.Records})
			l.changes++
		}
		l.look()
	case plan.KindKeys:
		set := l.sets.Keys[ec]
		key := plan.Key{SHA256: s.Key, Made: l.now}
		if s.Key == "" {
			l.made++
			key.SHA256 = fmt.Sprintf("made%d", l.made)
		}
		if s.Next {
			set.Next = key
		} else {
			set.Primary = key
		}
		l.sets.Keys = map[string]plan.KeySet{ec: set}
	case plan.KindRoll:
		if s.Reason.Code == plan.ReasonCancelled {
			l.sets.GiveUp(l.now)
			break
		}
		l.sets.Rolling = &plan.Rollover{At: l.now, Keys: s.Roll, Reason: s.Reason, Asked: s.Asked}
		if s.Roll[ec] == "" {
			l.made++
			s.Roll[ec] = fmt.Sprintf("made%d", l.made)
		}
		l.sets.Ask = nil
	case plan.KindSwitch:
		l.sets.Switch(l.now)
	case plan.KindInspect:
		l.known.Inspected = l.now
	case plan.KindPrune:
		l.known.Versions = slices.DeleteFunc(l.known.Versions, func(v plan.Version) bool { return slices.Contains(s.Drop, v.ID) })
	case plan.KindAnswer:
		for _, kind := range s.Drop {
			delete(l.known.Asks, plan.AskKind(kind))
		}
	default:
		l.Errorf("a step of kind %s", s.Kind)
	}
}

// until lives on to an instant.
func (l *daneLife) until(end time.Time) {
	l.Helper()
	for same := 0; !l.now.After(end); {
		steps := l.steps()
		if next := slices.IndexFunc(steps, func(s plan.Step) bool { return s.Due(l.now) }); next >= 0 {
			s := steps[next]
			if s.Keys == "" {
				cert := plan.Cert(l.now, l.world(), l.want) // in the order in which they are done
				s = cert[slices.IndexFunc(cert, func(s plan.Step) bool { return s.Due(l.now) })]
			}
			l.do(s)
			if s.Kind != plan.KindInspect && s.Reason.Code != plan.ReasonRoutine {
				l.told = append(l.told, string(s.Kind))
			}
			l.check()
			if same++; same > 40 {
				l.Fatalf("nothing ends it: %+v", s)
			}
			continue
		}
		same = 0
		next := plan.Next(l.now, steps)
		if next.IsZero() {
			return
		}
		l.now = next
	}
	l.now = end
}

// check fails the test where a client that holds what some cache may hold
// refuses what is served.
func (l *daneLife) check() {
	l.Helper()
	for i, set := range l.shows {
		if i+1 < len(l.shows) && l.shows[i+1].from.Add(l.ttl+l.lag).Before(l.now) {
			continue // gone from all caches
		}
		if len(set.records) > 0 && !slices.Contains(set.records, l.record(l.serves)) && !l.lossy {
			l.Errorf("%s: %s is served, and a cache may hold %q", l.now, l.record(l.serves), set.records)
		}
	}
}

func (l *daneLife) story(want string) {
	l.Helper()
	if got := strings.Join(l.told, " "); got != want {
		l.Errorf("done:\n%s\nwant:\n%s", got, want)
	}
	l.told = nil
}

func (l *daneLife) settled(version string, records ...string) {
	l.Helper()
	if l.serves != version || l.known.Published != version || l.known.Ready != "" || !slices.Equal(l.shown(), records) {
		l.Errorf("served %s, published %s, ready %q, in DNS %q", l.serves, l.known.Published, l.known.Ready, l.shown())
	}
}

// next is the only step of a kind.
func (l *daneLife) next(t *testing.T, kind plan.Kind) plan.Step {
	t.Helper()
	var found []plan.Step
	for _, s := range l.steps() {
		if s.Kind == kind {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d steps of kind %s, want one of\n%v", len(found), kind, l.steps())
	}
	return found[0]
}

// waits is the step that publishes what waits.
func (l *daneLife) waits(t *testing.T, words string) plan.Step {
	t.Helper()
	s := l.next(t, plan.KindPublish)
	if s.Due(l.now) || !strings.Contains(s.Reason.Words, words) {
		t.Errorf("publish: %+v", s)
	}
	return s
}
