package sim

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// judge holds the invariants against what is there. It looks at the world as
// readers of files and clients of services do; only at the end it also asks
// what the store says.
type judge struct {
	world *world

	mu       sync.Mutex // guards what follows
	breaches []string
	bad      map[string]time.Time   // by certificate: when something last kept it from being renewed
	shown    map[string]shown       // by side: what a reader of its files last saw
	before   map[string]shown       // by side: what he saw before that
	needs    map[string]int         // issues beyond those that time asks for
	counted  map[string]int         // issuances looked at, by CA
	last     map[string]issue       // by CA, certificate and kind of key
	signed   map[string][]time.Time // when CAs signed, by certificate and kind of key
	read     map[string][32]byte    // by side: digest of the files that were last looked at
	unlocked map[string][]byte      // by a key as it lies under the passphrase: without
	// generation counts the changes of a certificate's config.
	generation map[string]int
	keyShown   map[string]string   // fingerprint of the key that a reader of its files last saw
	keysShown  map[string][]string // and of all that readers ever saw

	presented  map[string][]*x509.Certificate // by side: the chain that a reader last saw, where TLSA records speak of it
	responses  map[string]response            // by side: the OCSP response that lies in its file
	rolled     map[string]time.Time           // by certificate: when the keys that it shares may have changed by themselves
	strange    map[string]strange             // by file: when that was last of another certificate
	revokedYet map[string]ended               // by side
	badOCSP    map[string]time.Time           // by certificate: when something last kept its CAs and their responders from being asked
	badNames   map[string]time.Time           // by certificate: when one of its names last could not be reached
	attended   map[string]time.Time           // by certificate: when a person last asked for something
	rejected   int                            // refusals looked at
	began      time.Time                      // when this life of the process did
	endings    []*ending
	unproven   map[string]time.Time // since when names that are kept proven are not, or can not be
	banned     map[string]time.Time // when keys, by fingerprint, were said to be known to others
}

// shown is a pair of files as a reader finds it.
type shown struct {
	notBefore, notAfter time.Time
	placeholder         bool
	generation          int       // how often its config had changed by then
	since               time.Time // it is shown
	serial              string
	names               []string
	keyType             string
}

// issue is one that a CA finalised.
type issue struct {
	at   time.Time
	kind string // of its key
	life time.Duration
	made time.Time // NotBefore of the certificate
	ends time.Time // of its order
}

func newJudge(w *world) *judge {
	return &judge{
		world: w, bad: map[string]time.Time{}, shown: map[string]shown{}, before: map[string]shown{}, needs: map[string]int{},
		counted: map[string]int{}, last: map[string]issue{}, generation: map[string]int{},
		signed: map[string][]time.Time{}, read: map[string][32]byte{}, unlocked: map[string][]byte{}, keyShown: map[string]string{}, keysShown: map[string][]string{},
		presented: map[string][]*x509.Certificate{}, responses: map[string]response{}, rolled: map[string]time.Time{}, strange: map[string]strange{}, revokedYet: map[string]ended{}, badOCSP: map[string]time.Time{},
		badNames: map[string]time.Time{}, attended: map[string]time.Time{}, unproven: map[string]time.Time{}, banned: map[string]time.Time{},
	}
}

// newLife takes note that a process was started.
func (j *judge) newLife() {
	now := j.world.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.began = now
}

// breach is an invariant that does not hold.
func (j *judge) breach(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	j.world.note("BREACH: %s", words)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.breaches = append(j.breaches, j.world.now().Format("2006-01-02 15:04:05 ")+words)
}

// says reports whether there is a breach with such words.
func (j *judge) says(words string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.breaches, func(b string) bool { return strings.Contains(b, words) })
}

// needed counts a reason to issue that time does not give: a changed config, a
// person's wish, a revocation.
func (j *judge) needed(p *cert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.needs[p.name] += 2 * len(p.sides()) // at each of two CAs
	j.generation[p.name]++
	j.bad[p.name] = j.world.now()
}

// changed looks at a change of the disk: whether readers of a folder ever see
// a key that does not fit its certificate, or an older certificate.
func (j *judge) changed(verb faultfs.Verb, path string) {
	rest, installed := strings.CutPrefix(path, filepath.Join(j.world.root, "out")+"/")
	if !installed || verb == faultfs.Create || verb == faultfs.SyncDir || verb == faultfs.Mkdir {
		return
	}
	for _, p := range j.world.people {
		if !p.spread && rest == p.name {
			j.look(p)
		}
	}
}

// look reads a certificate's files as a service does.
func (j *judge) look(p *cert) {
	for _, s := range p.sides() {
		j.lookAt(s)
	}
}

func (j *judge) lookAt(s side) {
	p := s.cert
	pair, err := j.load(s)
	if pair == nil && err == nil {
		return // as before
	}
	if errors.Is(err, fs.ErrNotExist) {
		if j.withdrawn(p) {
			j.forgetAll(p)
			return
		}
		was, before := j.seen(s)
		if s.second && (was.placeholder || p.restored) {
			j.forget(p) // the first version, or an earlier one, may have one kind only
			return
		}
		if before && !j.world.isSpoilt(p) {
			j.breach("%s: its files are gone: %v", s, err)
		}
		return
	}
	if err != nil {
		if p.spread && !j.world.noJournal(p) { // on its way from the old to the new
			j.forgetRead(s)
			return
		}
		if !j.world.isSpoilt(p) {
			j.breach("%s: a reader sees what does not fit together: %v", s, err)
		}
		return
	}
	was, before := j.seen(s)
	now := j.show(s, pair.Leaf)
	// One that was made for the next keys waits until all are there that share
	// them, and may be older then than what was renewed meanwhile.
	rolled := (s.second || j.showKey(p, pair.Leaf)) && p.keySet() != ""
	if p.tlsa != "" {
		j.showDANE(s, j.parse(pair), was)
	}
	if before {
		j.disturbed(s, was, now)
	}
	if now.placeholder && before && !was.placeholder && !j.withdrawn(p) {
		j.breach("%s: a certificate was replaced by a placeholder", s)
	}
	// So may one be that has a name which was set aside, and is back.
	back := p.quarantine && slices.ContainsFunc(now.names, func(name string) bool { return !slices.Contains(was.names, name) })
	if before && !was.placeholder && now.notBefore.Before(was.notBefore) && now.keyType == was.keyType && now.generation == was.generation && p.held.Load() == 0 && !rolled && !back {
		j.breach("%s: a certificate of %v was replaced by one of %v", s, was.notBefore, now.notBefore)
	}
}

// tick looks at how everything is, once an hour of the world, and at the files
// four times a day.
func (j *judge) tick(up bool) {
	w := j.world
	now := w.now()
	w.paper.tick(up)
	for _, p := range w.people {
		if !p.wanted {
			j.excuse(p, now)
			continue
		}
		j.aged(p, now)
		if !up || !w.well(p) || p.held.Load() > 0 {
			j.excuse(p, now)
		}
		if p.away.any() || p.lost.Load() > 0 {
			j.excuseNames(p, now)
		}
		if now.Hour()%int(lookEvery/time.Hour) == 0 {
			j.look(p)
			j.together(p)
			j.besideKeys(p)
			j.paramsWhole(p, false)
			j.pinnedTo(p)
			j.revoked(p, up)
		}
		if !up || !j.respondersWell(p) || !slices.ContainsFunc(p.issuers, w.solvable) { // of what is revoked nothing good is said, and it may have to wait
			j.excuseOCSP(p, now)
		}
		if p.ocsp && up {
			j.staples(p)
		}
		if p.logged && up {
			j.receipts(p)
		}
		for _, s := range p.sides() {
			j.expiry(s, now)
		}
	}
	if now.Hour()%int(lookEvery/time.Hour) == 0 {
		j.endedAsAsked(up)
	}
	j.keptProven(up)
	j.finalized()
}

// excuse says that a certificate could not have been renewed just now.
func (j *judge) excuse(p *cert, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad[p.name] = now
}

// excuseNames says that a name could not have been proven just now.
func (j *judge) excuseNames(p *cert, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.badNames[p.name] = now
}

// grace is how long everything must have been well before a certificate that
// is missing or expired is the engine's fault. Chance may spoil an attempt, and
// hardly six in a row; a day with its jitter lies between two of them, or a tenth
// of the life of what is served.
func (p *cert) grace(served bool) time.Duration {
	wait := 29 * time.Hour
	if served {
		wait = min(wait, p.life*12/100)
	}
	return 6*wait + 12*time.Hour
}

// expiry holds that no certificate expires while a CA could have renewed it.
func (j *judge) expiry(s side, now time.Time) {
	p := s.cert
	j.mu.Lock()
	since, known := j.bad[p.name]
	seen, there := j.shown[s.String()]
	there = there && !seen.placeholder
	j.mu.Unlock()
	if !known {
		j.excuse(p, now)
		return
	}
	well, extra := now.Sub(since), j.world.extraGrace(p, since)
	switch left := seen.notAfter.Sub(now); {
	case well < p.grace(there)+extra:
		return
	case !there:
		j.breach("%s: nothing is installed, or a placeholder, though all was well for %v", s, well)
	case left <= 0:
		j.breach("%s: it expired %v ago though all was well for %v", s, -left, well)
	case p.calm && left < p.life/5:
		j.breach("%s: %v of %v are left though all was well for %v: something else held it up", s, left, p.life, well)
	default:
		return
	}
	j.excuse(p, now) // say it once
}

// finalized holds that a CA signs at most one certificate for one need.
func (j *judge) finalized() {
	w := j.world
	j.refusals()
	for _, name := range caNames() {
		fresh := w.cas[name].IssuancesSince(j.counted[name])
		j.counted[name] += len(fresh)
		for _, i := range fresh {
			p := w.owner(i.Names)
			if p == nil {
				j.breach("%s issued for %q, which nobody asked for", name, i.Names)
				continue
			}
			if !slices.Contains(i.Names, p.name) {
				j.breach("%s: %s signed for %q, without its first name", p.name, name, i.Names)
			}
			if !slices.Contains(p.issuers, name) && i.At.Sub(p.changed) > time.Hour {
				j.breach("%s: %s signed it, which it is not to be asked of: %q", p.name, name, p.issuers)
			}
			j.byHand(name, p, i.At)
			j.onBanned(p, name, i.SPKI, i.At)
			j.weigh(name, p, issue{at: i.At, kind: i.KeyType, life: i.NotAfter.Sub(i.NotBefore), made: i.NotBefore, ends: i.OrderEnds})
		}
	}
}

func (j *judge) weigh(ca string, p *cert, i issue) {
	j.mu.Lock()
	j.signed[p.name+" "+i.kind] = append(j.signed[p.name+" "+i.kind], i.at)
	key := ca + " " + p.name + " " + i.kind
	before, again := j.last[key]
	j.last[key] = i
	share := i.life / 2 // under ten days half of the life is the window
	if i.life > 10*day {
		share = i.life / 3
	}
	early := again && i.at.Before(before.at.Add(before.life-share-before.life/8)) &&
		!j.lost(p, before, i.at) && !j.world.clockWrong(before.at, i.at)
	needed := j.needs[p.name] > 0
	if early && needed {
		j.needs[p.name]--
	}
	j.mu.Unlock()
	if early && !needed {
		j.breach("%s: %s signed again after %v, without a need", p.name, ca, i.at.Sub(before.at))
	}
}

// lost reports whether a certificate was never installed before its order
// ended at the CA: after that nobody can fetch it. The caller holds mu.
func (j *judge) lost(p *cert, i issue, now time.Time) bool {
	installed := slices.ContainsFunc(p.sides(), func(s side) bool {
		return j.shown[s.String()].notBefore.Equal(i.made) || j.before[s.String()].notBefore.Equal(i.made)
	})
	return !installed && !now.Before(i.ends.Truncate(time.Second)) // the CA says it in whole seconds
}

// end looks at the whole once more.
func (j *judge) end() {
	j.finalized()
	j.promises()
	j.tidy()
}
