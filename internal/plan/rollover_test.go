package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// shared is two certificates on one key, quiet at the beginning: the next key
// is ready, and nothing is due.
type shared struct {
	now   time.Time
	want  plan.WantedKeys
	known plan.KnownKeys
	certs []*scene
}

func quietShared() *shared {
	k := &shared{now: day(10), want: plan.WantedKeys{Name: "both", KeyTypes: []string{ec}, Backup: true}}
	k.known = plan.KnownKeys{Name: "both", Keys: map[string]plan.KeySet{ec: {
		Primary: plan.Key{SHA256: "k1", Made: day0(), Since: day0()}, Next: plan.Key{SHA256: "k2", Made: day0()},
	}}}
	for _, name := range []string{"a", "b"} {
		s := quiet()
		s.want.Name, s.known.Name, s.want.Keys = name, name, "both"
		s.v1().Key = "k1"
		k.certs, k.want.Certs = append(k.certs, s), append(k.want.Certs, name)
	}
	return k
}

func (k *shared) world() plan.World {
	w := plan.World{
		Wanted: plan.Wanted{Node: "n", Keys: []plan.WantedKeys{k.want}},
		Known:  plan.Known{Certs: map[string]*plan.KnownCert{}, Keys: map[string]*plan.KnownKeys{"both": &k.known}},
	}
	for _, s := range k.certs {
		w.Wanted.Certs = append(w.Wanted.Certs, s.want)
		w.Known.Certs[s.want.Name] = &s.known
	}
	return w
}

// due lists what is to be done now, without routine: kind, whose, and on which
// key.
func (k *shared) due() []string {
	var all []string
	for _, s := range plan.Make(k.now, k.world()) {
		if !s.Due(k.now) || slices.Contains([]plan.Kind{plan.KindInspect, plan.KindAdvice, plan.KindVerify}, s.Kind) {
			continue
		}
		words := string(s.Kind) + " " + s.Cert + s.Keys
		if s.Key != "" {
			words += " on " + s.Key
		}
		if s.Rolled {
			words += ", rolled"
		}
		if s.Next {
			words += ", next"
		}
		all = append(all, words)
	}
	slices.Sort(all)
	return all
}

func (k *shared) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := k.due(); !slices.Equal(got, want) {
		t.Errorf("due: %q\nwant: %q", got, want)
	}
}

// rolling begins a change to the next key.
func (k *shared) rolling() {
	k.known.Rolling = &plan.Rollover{At: k.now, Keys: map[string]string{ec: "k2"}, Reason: plan.Reason{Code: plan.ReasonAsked, Words: "asked"}}
}

// rolled gives a certificate a version on the next key.
func (s *scene) rolled() {
	p := pair(s.want, ec, s.now, days(90))
	p.Key = "k2"
	s.known.Versions = append(s.known.Versions, version("r1", s.now, p))
	s.known.Rolled = "r1"
}

func TestRollover(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.wants(t)
	k.known.Ask = &plan.AskedRollover{At: k.now}
	k.wants(t, "rollover both")
	k.known.Ask = nil
	k.rolling()
	k.wants(t, "issue a on k2, rolled", "issue b on k2, rolled")
	k.certs[0].rolled()
	k.wants(t, "issue b on k2, rolled")
	k.certs[1].rolled()
	k.wants(t, "switch-keys both")
	k.known.Switch(k.now)
	k.wants(t, "make-keys both, next", "publish a", "publish b")
	if set := k.known.Keys[ec]; set.Primary.SHA256 != "k2" || set.Previous.SHA256 != "k1" || !set.Next.IsZero() || !set.Primary.Since.Equal(k.now) || !set.Primary.Made.Equal(day0()) {
		t.Errorf("keys: %+v", set)
	}
}

// What is near its end is renewed on the old key while a rollover waits.
func TestUrgentWhileRolling(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.rolling()
	k.certs[0].rolled()
	k.certs[1].known.Tries = map[string]plan.Tries{ec: failed(5, day(85))}
	k.now = day(70) // within the window of renewal
	k.certs[0].now, k.certs[1].now = k.now, k.now
	k.wants(t, "issue b on k2, rolled")
	k.now = day(82) // less than a tenth is left
	k.wants(t, "issue a on k1", "issue b on k1")
}

// TestNameAddedWhileRolling: a name is not left for long to a rollover that
// waits for another certificate.
func TestNameAddedWhileRolling(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.rolling()
	k.certs[0].rolled()
	k.certs[1].known.Tries = map[string]plan.Tries{ec: failed(5, day(85))}
	k.certs[0].want.Names = append(k.certs[0].want.Names, "new.example")
	k.wants(t, "issue a on k2, rolled", "issue b on k2, rolled")
	k.now = k.now.Add(time.Hour)
	k.wants(t, "issue a on k1", "issue a on k2, rolled", "issue b on k2, rolled")
	// A rollover that was begun under a clock that was ahead is not waited for.
	k.known.Rolling.At = day(400)
	k.wants(t, "issue a on k1", "issue a on k2, rolled", "issue b on k2, rolled")
}

// A certificate that has never been there gets one on the key in use, and
// nothing waits for it.
func TestNewWhileRolling(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.rolling()
	k.certs[0].rolled()
	b := &k.certs[1].known
	b.Published, b.Versions, b.Targets = "", nil, nil
	k.wants(t, "issue b on k1", "switch-keys both")
}

func TestRolloverByAge(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.want.Expires = days(365)
	k.now = day(400)
	for _, s := range k.certs {
		s.v1().NotBefore, s.v1().NotAfter, s.v1().Made = day(390), day(480), day(390)
	}
	k.wants(t)
	problems := plan.Problems(k.now, k.world())
	if !slices.ContainsFunc(problems, func(p plan.Problem) bool { return p.Code == plan.CodeKeyAge && strings.Contains(p.Words, "400 days") }) {
		t.Errorf("problems: %+v", problems)
	}
	k.want.AutoRollover = true
	k.wants(t, "rollover both")
	k.want.MinBackupAge = days(401)
	k.wants(t)
	k.known.Ask = &plan.AskedRollover{At: k.now}
	k.wants(t)
	k.known.Ask.Force = true
	k.wants(t, "rollover both")
}

// A change of keys that does not come to its end is told, with what it waits
// for.
func TestRolloverWaits(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.rolling()
	k.known.Rolling.At = day(8)
	k.certs[0].rolled()
	k.certs[1].known.Tries = map[string]plan.Tries{ec: failed(2, k.now)}
	for _, p := range plan.Problems(k.now, k.world()) {
		if p.Code == plan.CodeRollover && len(p.Detail) == 1 && strings.HasPrefix(p.Detail[0], "waits for the ecdsa-p256 certificate of b: ") {
			return
		}
	}
	t.Errorf("problems: %+v", plan.Problems(k.now, k.world()))
}

func TestKeyLost(t *testing.T) {
	t.Parallel()
	k := quietShared()
	set := k.known.Keys[ec]
	set.Primary.Lost = "gone"
	k.known.Keys[ec] = set
	k.wants(t, "rollover both")
}

// A damaged record stops what would need it, and is told.
func TestKeysDamaged(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.known = plan.KnownKeys{Name: "both", Damage: "torn"}
	k.certs[0].ask(plan.AskRenew, k.now)
	k.wants(t, "make-keys both")
	if problems := plan.Problems(k.now, k.world()); len(problems) != 2 || problems[0].Code != plan.CodeKeysDamaged {
		t.Errorf("problems: %+v", problems)
	}
}

// A certificate that is held on an earlier version is waited for: its files
// lie beside those of the key.
func TestRolloverWaitsForHeld(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.rolling()
	k.certs[0].rolled()
	b := &k.certs[1].known
	b.Held, b.HeldAt = true, k.now
	k.wants(t)
	b.Held = false
	k.wants(t, "issue b on k2, rolled")
}

// Keys whose record was written under a clock that was ahead are of no age.
func TestAgeFromTheFuture(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.want.Expires, k.want.AutoRollover = days(365), true
	set := k.known.Keys[ec]
	set.Primary.Since = day(4000)
	k.known.Keys[ec] = set
	k.wants(t)
}

// A certificate whose key changes at each renewal is ordered once, however near
// its end is.
func TestFreshKeyNearTheEnd(t *testing.T) {
	t.Parallel()
	k := quietShared()
	k.certs, k.want.Certs, k.want.EachTime = k.certs[:1], k.want.Certs[:1], true
	k.certs[0].want.FreshKey = true
	k.now = day(85)
	k.certs[0].now = k.now
	k.wants(t, "rollover both")
	k.rolling()
	k.wants(t, "issue a on k2, rolled")
	k.certs[0].rolled()
	k.certs[0].known.Versions[1].Pairs[0].NotBefore, k.certs[0].known.Versions[1].Pairs[0].NotAfter = k.now, k.now.Add(days(90))
	k.wants(t, "switch-keys both")
}

// TestSecondKindWithFreshKeys: where the first kind of a certificate whose keys
// change at each renewal was obtained, and the second was not, the second is
// ordered on its own first key. It was left to a rollover, which waited for it.
func TestSecondKindWithFreshKeys(t *testing.T) {
	t.Parallel()
	const other = "ecdsa-p384"
	k := quietShared()
	k.certs, k.want.Certs, k.want.EachTime = k.certs[:1], k.want.Certs[:1], true
	s := k.certs[0]
	s.want.FreshKey, s.want.KeyTypes, k.want.KeyTypes = true, []string{ec, other}, []string{ec, other}
	k.known.Keys[other] = plan.KeySet{Primary: plan.Key{SHA256: "o1", Made: day0(), Since: day0()}, Next: plan.Key{SHA256: "o2", Made: day0()}}
	k.wants(t, "issue a on o1")
	// A renewal of the first waits for it, and is not ordered on the old key.
	k.now = day(65)
	k.wants(t, "issue a on o1")
	second := pair(s.want, other, day0(), days(90))
	second.Key = "o1"
	s.known.Versions[0].Pairs = append(s.known.Versions[0].Pairs, second)
	k.wants(t, "rollover both")
	// A version on another key than the primary one is brought there likewise.
	k.now = day(10)
	s.v1().Key = "k0"
	k.wants(t, "issue a on k1")
}
