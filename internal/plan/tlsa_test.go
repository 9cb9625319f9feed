package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

const tlsaTTL = 5 * time.Minute

func minute(minutes int) time.Time { return day(0).Add(time.Duration(minutes) * time.Minute) }

// chains are lists of one chain each.
func chains(records ...string) [][]string { return [][]string{records} }

// seen is what is known after these looks, a minute each from minute 0 on.
func seen(looks ...[]string) plan.TLSAFacts {
	var facts plan.TLSAFacts
	for i, shown := range looks {
		facts = facts.See(minute(i), shown, tlsaTTL)
	}
	return facts
}

// The examples of RFC 7671 sections 8.1 to 8.3, and what departs from them.
func TestTLSA(t *testing.T) {
	const oldKey, newKey, anchor, oldStrong, newStrong = "3 1 1 01d0", "3 1 1 7aa7", "2 0 1 c57b", "3 1 2 d994", "3 1 2 7aa8"
	with := func(records ...string) []string { return records }
	none := []string(nil)
	for name, tt := range map[string]struct {
		tlsa    plan.TLSA
		set     []string
		differs bool
		minute  int // -1: not known, -2: at once
	}{
		"8.1, before":                   {plan.TLSA{Facts: seen(none, with(oldKey)), Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), true, -1},
		"8.1, published":                {plan.TLSA{Facts: seen(none, with(oldKey), with(oldKey, newKey)), Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), false, 12},
		"8.1, switched":                 {plan.TLSA{Facts: seen(none, with(oldKey), with(oldKey, newKey)), Served: chains(newKey)}, with(newKey), true, -2},
		"8.1, done":                     {plan.TLSA{Facts: seen(none, with(oldKey, newKey), with(newKey)), Served: chains(newKey)}, with(newKey), false, -2},
		"kept ready":                    {plan.TLSA{Facts: seen(none, with(oldKey, newKey)), Served: chains(oldKey), Ahead: with(newKey)}, with(oldKey, newKey), false, -2},
		"ready long ago":                {plan.TLSA{Facts: seen(none, with(oldKey, newKey)), Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), false, 1},
		"8.2, next key by an anchor":    {plan.TLSA{Facts: seen(none, with(oldKey)), Served: chains(oldKey, anchor), Next: chains(newKey, anchor)}, with(anchor, oldKey, newKey), true, -1},
		"8.2, anchor alone":             {plan.TLSA{Facts: seen(none, with(oldKey), with(anchor)), Served: chains(anchor), Next: chains(anchor)}, with(anchor), false, 12},
		"8.3, digest":                   {plan.TLSA{Facts: seen(none, with(oldKey)), Served: chains(oldKey, oldStrong), Ahead: with(newKey, newStrong)}, with(oldKey, newKey, newStrong, oldStrong), true, -2},
		"8.3, half":                     {plan.TLSA{Facts: seen(none, with(oldKey, oldStrong, newKey)), Served: chains(oldKey, oldStrong), Next: chains(newKey, newStrong)}, with(oldKey, newKey, newStrong, oldStrong), true, -1},
		"same key":                      {plan.TLSA{Facts: seen(none, with(oldKey)), Served: chains(oldKey), Next: chains(oldKey)}, with(oldKey), false, 1},
		"no records":                    {plan.TLSA{Facts: seen(none), Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), true, -2},
		"never looked":                  {plan.TLSA{Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), true, -1},
		"foreign, unknown for how long": {plan.TLSA{Facts: seen(with(oldKey, newKey)), Served: chains(oldKey), Next: chains(newKey)}, with(oldKey, newKey), false, 10},
		"nothing is wanted":             {plan.TLSA{Facts: seen(none, with(oldKey))}, with(oldKey), false, -2},
		"no longer wanted":              {plan.TLSA{Facts: seen(none, with(oldKey)), Served: [][]string{{}}}, nil, true, -2},
		"one of two key types":          {plan.TLSA{Facts: seen(none, with(oldKey)), Served: [][]string{{oldKey}, {newKey}}, Next: [][]string{{oldKey}, {"3 1 1 b"}}}, with(oldKey, newKey, "3 1 1 b"), true, -1},
		"a chain without authority":     {plan.TLSA{Facts: seen(none, with(oldKey, anchor)), Served: chains(oldKey, anchor), Next: chains(newKey)}, with(oldKey, newKey), true, -1},
		"one chain without authority":   {plan.TLSA{Facts: seen(none, with(oldKey)), Served: [][]string{{oldKey, anchor}, {newKey}}}, with(oldKey, newKey), true, -2},
		"withdrawn":                     {plan.TLSA{Facts: seen(none, with(oldKey, newKey)), Withdrawn: true, Ahead: with(newKey)}, nil, true, -2},
		"withdrawn, beside another one": {plan.TLSA{Facts: seen(none, with(oldKey, newKey)), Withdrawn: true, Served: chains(newKey)}, with(newKey), true, -2},
		"withdrawn, the next was ready": {plan.TLSA{Facts: seen(none, with(oldKey, newKey), none), Withdrawn: true, Next: chains(newKey)}, nil, false, 1},
		"withdrawn, the next was late":  {plan.TLSA{Facts: seen(none, with(oldKey), with(oldKey, newKey), none), Withdrawn: true, Next: chains(newKey)}, nil, false, 12},
		"withdrawn, the next is new":    {plan.TLSA{Facts: seen(none, with(oldKey), none), Withdrawn: true, Next: chains(newKey)}, nil, false, 12},
		"unknown, none published":       {plan.TLSA{Facts: seen(none), Next: chains(newKey)}, nil, false, -2},
		"unknown, same combination":     {plan.TLSA{Facts: seen(none, with(oldKey)), Next: chains(newKey, anchor)}, with(oldKey, newKey), true, -1},
		"unknown, another combination":  {plan.TLSA{Facts: seen(none, with(anchor)), Next: chains(newKey)}, nil, true, -1},
		"unknown, now without":          {plan.TLSA{Facts: seen(none, with(anchor), none), Next: chains(newKey)}, nil, false, 12},
	} {
		t.Run(name, func(t *testing.T) {
			set, differs := tt.tlsa.Set()
			slices.Sort(tt.set)
			if !slices.Equal(set, tt.set) || differs != tt.differs {
				t.Errorf("publish %q (%v), want %q (%v)", set, differs, tt.set, tt.differs)
			}
			when, ok := tt.tlsa.SwitchAt()
			switch {
			case ok != (tt.minute != -1), tt.minute == -2 && !when.IsZero(), tt.minute >= 0 && !when.Equal(minute(tt.minute)):
				t.Errorf("switch at %v (%v), want minute %d", when, ok, tt.minute)
			}
		})
	}
}

// RFC 7671 section 5: where validators look at expiry it ends the wait.
func TestTLSAAtTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		served, next, published string
		hidden                  bool // DNS was never seen
		end                     time.Time
		at                      time.Time
		ok                      bool
	}{
		"DANE-EE":                 {"3 1 1 a", "3 1 1 b", "3 1 1 a", false, minute(60), time.Time{}, false},
		"DANE-TA":                 {"2 1 1 a", "2 1 1 b", "2 1 1 a", false, minute(60), minute(60), true},
		"PKIX-TA":                 {"0 1 1 a", "0 1 1 b", "0 1 1 a", false, minute(60), minute(60), true},
		"PKIX-EE":                 {"1 1 1 a", "1 1 1 b", "1 1 1 a", false, minute(60), minute(60), true},
		"PKIX-EE, waits anyhow":   {"1 1 1 a", "1 1 1 b", "1 1 1 b", false, minute(60), minute(10), true},
		"PKIX-EE, ends in time":   {"1 1 1 a", "1 1 1 b", "1 1 1 b", false, minute(5), minute(5), true},
		"DANE-EE, ends in time":   {"3 1 1 a", "3 1 1 b", "3 1 1 b", false, minute(5), minute(10), true},
		"DANE-TA, foreign EE":     {"2 1 1 a", "2 1 1 b", "3 1 1 x", false, minute(60), time.Time{}, false},
		"DANE-TA, no end":         {"2 1 1 a", "2 1 1 b", "2 1 1 a", false, time.Time{}, time.Time{}, false},
		"DANE-EE, DNS is silent":  {"3 1 1 a", "3 1 1 b", "", true, minute(60), time.Time{}, false},
		"PKIX-EE, DNS is silent":  {"1 1 1 a", "1 1 1 b", "", true, minute(60), minute(60), true},
		"DANE-EE, DNS has nobody": {"3 1 1 a", "3 1 1 b", "", false, minute(60), time.Time{}, true},
	} {
		facts := plan.TLSAFacts{}
		if !tt.hidden {
			facts = seen(slices.DeleteFunc([]string{tt.published}, func(s string) bool { return s == "" }))
		}
		got, ok := plan.TLSA{Facts: facts, Served: chains(tt.served), Next: chains(tt.next), Ends: tt.end}.SwitchAt()
		if ok != tt.ok || !got.Equal(tt.at) {
			t.Errorf("%s: got %v, %v", name, got, ok)
		}
	}
}

func TestTLSAFacts(t *testing.T) {
	facts := seen([]string{"a", "b"}, []string{"b", "c", "c"})
	want := []plan.TLSARecord{{Text: "b", From: minute(10)}, {Text: "c", From: minute(11)}, {Text: "a", From: minute(10), Gone: minute(11)}}
	if !slices.Equal(facts.Records, want) {
		t.Errorf("got %v", facts.Records)
	}
	if same := facts.See(minute(2), []string{"c", "b"}, tlsaTTL); !slices.Equal(same.Records, want) || !same.Stale.Equal(minute(11)) {
		t.Errorf("the same again: %v", same)
	}
	if later := facts.See(minute(11), []string{"b", "c"}, tlsaTTL); !slices.Equal(later.Records, want[:2]) {
		t.Errorf("when no cache can have it: %v", later.Records)
	}
	// A day's TTL that was lowered counts for those who came before.
	day := plan.TLSAFacts{}.See(minute(0), nil, 0).See(minute(1), []string{"a"}, 24*time.Hour).See(minute(2), []string{"a"}, tlsaTTL).See(minute(3), []string{"a", "b"}, tlsaTTL)
	if got := day.Records; !got[0].From.Equal(minute(1)) || !got[1].From.Equal(minute(2+2*24*60)) {
		t.Errorf("after a long TTL: %v", got)
	}
	// No TTL makes anybody wait for years, and no clock that was set back.
	if got := (plan.TLSAFacts{}).See(minute(0), []string{"a"}, 1<<62); !got.Records[0].From.Equal(minute(14 * 24 * 60)) {
		t.Errorf("with a TTL without end: %v", got)
	}
	if got := seen([]string{"a"}, []string{"a", "b"}).See(minute(-1000), []string{"a", "b"}, tlsaTTL); !got.Records[1].From.Equal(minute(-990)) {
		t.Errorf("under another clock: %v", got)
	}
}

// zone is a name's records, all sets that a cache may hold, and the server.
type zone struct {
	served  [][]string
	current []string
	ttl     time.Duration
	cached  []cachedSet
}

type cachedSet struct {
	records []string
	until   time.Time
}

func (z *zone) publish(now time.Time, records []string, ttl time.Duration) {
	z.cached = append(z.cached, cachedSet{z.current, now.Add(z.ttl)})
	z.current, z.ttl = records, ttl
}

// refused returns a set by which some client refuses what is served: one of
// its combinations matches some chain by none of its records.
func (z *zone) refused(now time.Time) []string {
	for _, set := range append(z.cached, cachedSet{z.current, now}) {
		for _, record := range set.records {
			for _, chain := range z.served {
				if !set.until.Before(now) && !slices.ContainsFunc(set.records, func(r string) bool { return r[:5] == record[:5] && slices.Contains(chain, r) }) {
					return set.records
				}
			}
		}
	}
	return nil
}

// serve has the server show the keys: each has a certificate of its own, and
// an authority.
func (z *zone) serve(keys []string) {
	z.served = nil
	for _, key := range keys {
		z.served = append(z.served, tlsaRecords(key, tlsaParams()))
	}
}

func tlsaParams() []string { return []string{"3 1 1", "3 1 2", "2 0 1", "1 1 1"} }

func tlsaRecords(key string, params []string) (records []string) {
	for _, p := range params {
		records = append(records, p+" "+key)
	}
	return records
}

// tlsaLife is a name whose keeper follows Set and SwitchAt.
type tlsaLife struct {
	zone
	*rand.Rand

	facts      plan.TLSAFacts
	params     []string
	keys, next []string
	wantedTTL  time.Duration
	made       int // keys
	switches   int
}

// wish changes what is wanted, now and then.
func (l *tlsaLife) wish() {
	switch what := l.IntN(40); {
	case what == 0 && l.next == nil:
		l.made++
		l.next = []string{fmt.Sprint("k", l.made), fmt.Sprint("l", l.made)}[:1+l.IntN(2)]
	case what == 1:
		l.params = tlsaParams()
		l.Shuffle(len(l.params), func(i, j int) { l.params[i], l.params[j] = l.params[j], l.params[i] })
		l.params = l.params[:1+l.IntN(3)]
	case what == 2:
		l.wantedTTL = time.Duration(1+l.IntN(10)) * time.Minute
	}
}

// keep does one thing that is due, unless it fails.
func (l *tlsaLife) keep(now time.Time) {
	records := func(keys []string) (all [][]string) {
		for _, key := range keys {
			all = append(all, tlsaRecords(key, l.params))
		}
		return all
	}
	l.facts = l.facts.See(now, l.current, l.ttl)
	tlsa := plan.TLSA{Facts: l.facts, Served: records(l.keys), Next: records(l.next)}
	set, differs := tlsa.Set()
	when, ok := tlsa.SwitchAt()
	switch fails := l.IntN(3) == 0; {
	case fails:
	case differs || l.wantedTTL != l.ttl:
		l.publish(now, set, l.wantedTTL)
	case ok && l.next != nil && !when.After(now):
		l.keys, l.next, l.switches = l.next, nil, l.switches+1
		l.serve(l.keys)
	}
}

// Lives of rollovers, changes of what is published, changes of the TTL, and
// servers that fail: whoever follows Set and SwitchAt never shuts anybody out,
// and gets on.
func TestTLSALives(t *testing.T) {
	for seed := range uint64(100) {
		l := tlsaLife{Rand: rand.New(rand.NewPCG(seed, 7)), params: tlsaParams()[:1], keys: []string{"k0"}, wantedTTL: tlsaTTL}
		l.serve(l.keys)
		for step := range 400 {
			now := minute(step)
			l.wish()
			l.keep(now)
			if refused := l.refused(now); refused != nil {
				t.Fatalf("seed %d, step %d: %q refuses %q", seed, step, refused, l.served)
			}
		}
		if l.switches == 0 {
			t.Errorf("seed %d: nothing was ever switched", seed)
		}
	}
}
