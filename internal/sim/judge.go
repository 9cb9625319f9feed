package sim

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	shown    map[string]shown       // what a reader of its files last saw
	before   map[string]shown       // what he saw before that
	needs    map[string]int         // issues beyond those that time asks for
	counted  map[string]int         // issuances looked at, by CA
	last     map[string]issue       // by CA and certificate
	signed   map[string][]time.Time // when CAs signed, by certificate
	read     map[string][32]byte    // digest of the files that were last looked at
	// generation counts the changes of a certificate's config.
	generation map[string]int
	keyShown   map[string]string   // fingerprint of the key that a reader of its files last saw
	keysShown  map[string][]string // and of all that readers ever saw
}

// shown is a pair of files as a reader finds it.
type shown struct {
	notBefore, notAfter time.Time
	placeholder         bool
	generation          int // how often its config had changed by then
}

// issue is one that a CA finalised.
type issue struct {
	at   time.Time
	life time.Duration
	made time.Time // NotBefore of the certificate
	ends time.Time // of its order
}

func newJudge(w *world) *judge {
	return &judge{
		world: w, bad: map[string]time.Time{}, shown: map[string]shown{}, before: map[string]shown{}, needs: map[string]int{},
		counted: map[string]int{}, last: map[string]issue{}, generation: map[string]int{},
		signed: map[string][]time.Time{}, read: map[string][32]byte{}, keyShown: map[string]string{}, keysShown: map[string][]string{},
	}
}

// breach is an invariant that does not hold.
func (j *judge) breach(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	j.world.note("BREACH: %s", words)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.breaches = append(j.breaches, j.world.now().Format("2006-01-02 15:04:05 ")+words)
}

// needed counts a reason to issue that time does not give: a changed config, a
// person's wish, a revocation.
func (j *judge) needed(p *cert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.needs[p.name] += 2 // at each of two CAs
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
	pair, err := j.load(p)
	if pair == nil && err == nil {
		return // as before
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, before := j.seen(p); before && !j.world.isSpoilt(p) {
			j.breach("%s: its files are gone: %v", p.name, err)
		}
		return
	}
	if err != nil {
		if p.spread && !j.world.noJournal(p) { // on its way from the old to the new
			j.forgetRead(p)
			return
		}
		if !j.world.isSpoilt(p) {
			j.breach("%s: a reader sees what does not fit together: %v", p.name, err)
		}
		return
	}
	was, before := j.seen(p)
	now := j.show(p, pair.Leaf)
	// One that was made for the next keys waits until all are there that share
	// them, and may be older then than what was renewed meanwhile.
	rolled := j.showKey(p, pair.Leaf) && p.keySet() != ""
	if now.placeholder && before && !was.placeholder {
		j.breach("%s: a certificate was replaced by a placeholder", p.name)
	}
	if before && !was.placeholder && now.notBefore.Before(was.notBefore) && now.generation == was.generation && p.held.Load() == 0 && !rolled {
		j.breach("%s: a certificate of %v was replaced by one of %v", p.name, was.notBefore, now.notBefore)
	}
}

// load reads the pair. It returns nothing where the files are those that were
// looked at before.
func (j *judge) load(p *cert) (*tls.Certificate, error) {
	chain, err := os.ReadFile(j.world.chainFile(p))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(j.world.keyFile(p))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(slices.Concat(key, chain))
	j.mu.Lock()
	same := j.read[p.name] == digest
	j.read[p.name] = digest
	j.mu.Unlock()
	if same {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// forgetRead has the files looked at again next time.
func (j *judge) forgetRead(p *cert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.read, p.name)
}

// show takes note of what a reader sees.
func (j *judge) show(p *cert, leaf *x509.Certificate) shown {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := shown{
		notBefore: leaf.NotBefore, notAfter: leaf.NotAfter, generation: j.generation[p.name],
		placeholder: leaf.Issuer.String() == leaf.Subject.String(),
	}
	if was, ok := j.shown[p.name]; ok {
		j.before[p.name] = was
	}
	j.shown[p.name] = now
	return now
}

func (j *judge) seen(p *cert) (shown, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.shown[p.name]
	return s, ok
}

// powerLost looks at what a power cut left: the last installation may not have
// been durable yet, but what was there before it has to be.
func (j *judge) powerLost() {
	for _, p := range j.world.people {
		j.mu.Lock()
		now, was := j.shown[p.name], j.before[p.name]
		delete(j.read, p.name)
		j.mu.Unlock()
		if j.world.isSpoilt(p) || p.spread && !j.world.noJournal(p) {
			continue
		}
		pair, err := j.load(p)
		switch {
		case err != nil && was == (shown{}) && errors.Is(err, fs.ErrNotExist):
			j.mu.Lock()
			delete(j.shown, p.name)
			j.mu.Unlock()
		case err != nil:
			j.breach("%s: a power cut left: %v", p.name, err)
		case pair.Leaf.NotBefore.Equal(was.notBefore) && !was.notBefore.Equal(now.notBefore):
			j.mu.Lock()
			j.shown[p.name] = was
			j.mu.Unlock()
		}
		j.forgetRead(p)
	}
}

// tick looks at how everything is, once an hour of the world, and at the files
// four times a day.
func (j *judge) tick(up bool) {
	w := j.world
	now := w.now()
	for _, p := range w.people {
		if !p.wanted {
			j.excuse(p, now)
			continue
		}
		if !up || !w.well(p) || p.held.Load() > 0 {
			j.excuse(p, now)
		}
		if now.Hour()%6 == 0 {
			j.look(p)
		}
		j.expiry(p, now)
	}
	j.finalized()
}

// excuse says that a certificate could not have been renewed just now.
func (j *judge) excuse(p *cert, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bad[p.name] = now
}

// grace is how long everything must have been well before a certificate that
// is missing or expired is the engine's fault: two CAs are asked in turn, each
// spoils two attempts before one, and a day with its jitter lies between two
// attempts, or a tenth of the life of what is served.
func (p *cert) grace(served bool) time.Duration {
	wait := 29 * time.Hour
	if served {
		wait = min(wait, p.life*12/100)
	}
	return 6*wait + 12*time.Hour
}

// expiry holds that no certificate expires while a CA could have renewed it.
func (j *judge) expiry(p *cert, now time.Time) {
	j.mu.Lock()
	since, known := j.bad[p.name]
	seen, there := j.shown[p.name]
	j.mu.Unlock()
	if !known {
		j.excuse(p, now)
		return
	}
	well := now.Sub(since)
	switch left := seen.notAfter.Sub(now); {
	case well < p.grace(there):
		return
	case !there:
		j.breach("%s: nothing is installed though all was well for %v", p.name, well)
	case left <= 0:
		j.breach("%s: it expired %v ago though all was well for %v", p.name, -left, well)
	case p.calm && left < p.life/5:
		j.breach("%s: %v of %v are left though all was well for %v: something else held it up", p.name, left, p.life, well)
	default:
		return
	}
	j.excuse(p, now) // say it once
}

// finalized holds that a CA signs at most one certificate for one need.
func (j *judge) finalized() {
	w := j.world
	for _, name := range caNames() {
		fresh := w.cas[name].IssuancesSince(j.counted[name])
		j.counted[name] += len(fresh)
		for _, i := range fresh {
			p := w.owner(i.Names)
			if p == nil {
				j.breach("%s issued for %q, which nobody asked for", name, i.Names)
				continue
			}
			j.weigh(name, p, issue{at: i.At, life: i.NotAfter.Sub(i.NotBefore), made: i.NotBefore, ends: i.OrderEnds})
		}
	}
}

func (j *judge) weigh(ca string, p *cert, i issue) {
	j.mu.Lock()
	j.signed[p.name] = append(j.signed[p.name], i.at)
	key := ca + " " + p.name
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
	installed := j.shown[p.name].notBefore.Equal(i.made) || j.before[p.name].notBefore.Equal(i.made)
	return !installed && !now.Before(i.ends)
}

// tidy holds that nothing grows without bound and nothing is left behind.
func (j *judge) tidy() {
	count := map[string]int{}
	root := j.world.root
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.Contains(entry.Name(), ".tmp-") {
			j.breach("left behind: %s", path)
		}
		rest, _ := filepath.Rel(root, path)
		parts := strings.Split(rest, "/")
		count[strings.Join(parts[:min(3, len(parts)-1)], "/")]++
		return nil
	})
	j.world.must(err)
	n := len(j.world.people)
	for folder, most := range map[string]int{
		"state/records/versions": 6 * n, "state/records/keys": 16 * n, "state/records/groups": n, "state/records/events": n,
		"state/journal": 0,
	} {
		got := 0
		for f, c := range count {
			if f == folder || strings.HasPrefix(f, folder+"/") {
				got += c
			}
		}
		if got > most {
			j.breach("%s has %d files, more than %d", folder, got, most)
		}
	}
	j.histories(root)
}

// histories holds that they are trimmed: 64 events, and those of one worker.
func (j *judge) histories(root string) {
	files, err := filepath.Glob(filepath.Join(root, "state/records/events/*.jsonl"))
	j.world.must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		j.world.must(err)
		if n := strings.Count(string(text), "\n"); n > 200 {
			j.breach("%s has %d lines", file, n)
		}
	}
}

// promises holds that no CA is asked before the time that it named, unless the
// process could not know it.
func (j *judge) promises() {
	for _, name := range caNames() {
		for _, b := range j.world.cas[name].Breaches() {
			excused := slices.ContainsFunc(j.world.upsets, func(u upset) bool {
				return !b.Told.IsZero() && !u.to.Before(b.Told) && !u.from.After(b.At)
			})
			if !excused {
				j.breach("%s: %s", name, b)
			}
		}
	}
}

// end looks at the whole once more.
func (j *judge) end() {
	j.finalized()
	j.promises()
	j.tidy()
}
