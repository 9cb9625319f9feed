package sim

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/engine"
	answers "github.com/certkeep/certkeep/internal/ocsp"
)

// ocspLife is how long the CAs' OCSP responses are believed.
const ocspLife = 4 * day

// ocspGrace is how long a responder must have been well before a response that
// is missing, or has ended, is the engine's fault: it is asked again a day
// after several failures, and one of a hundred requests goes wrong.
const ocspGrace = 5 * day

// ocspConfig is what the config says of a certificate's OCSP responses.
func (w *world) ocspConfig(p *cert) string {
	if !p.ocsp {
		return ""
	}
	return fmt.Sprintf("    ocsp: {file: \"%s/out/ocsp/{name}.{key_type}.ocsp\"}\n", w.root)
}

// ocspFile is where the response of a side is kept.
func (w *world) ocspFile(s side) string {
	return filepath.Join(w.root, "out/ocsp", s.cert.name+"."+s.keyType()+".ocsp")
}

// response is what lies in the file of an OCSP response.
type response struct {
	digest [32]byte
	serial string // of the certificate that it is about; "" where it says nothing
	ends   time.Time
}

// staples holds that what is kept to be stapled says good, and that it is about
// what is served, and has not ended, where the responder has been well for a
// while.
func (j *judge) staples(p *cert) {
	now := j.world.now()
	j.mu.Lock()
	since := j.badOCSP[p.name]
	if j.bad[p.name].After(since) {
		since = j.bad[p.name]
	}
	j.mu.Unlock()
	for _, s := range p.sides() {
		kept, ok := j.readResponse(s)
		seen, there := j.seen(s)
		if kept.serial != seen.serial {
			j.look(p) // it was looked at hours ago
			seen, there = j.seen(s)
		}
		onItsWay := kept.serial != seen.serial && j.another("response of "+s.String(), kept.serial)
		if !ok || !there || seen.placeholder || onItsWay || now.Sub(since) < ocspGrace || now.Sub(seen.since) < ocspGrace {
			continue
		}
		switch {
		case kept.serial != seen.serial:
			j.breach("%s: there is no OCSP response of its %s certificate (but of %q), though all was well for %v", s, s.keyType(), kept.serial, now.Sub(since))
		case !kept.ends.After(now):
			j.breach("%s: its OCSP response ended %v ago, though all was well for %v", s, now.Sub(kept.ends), now.Sub(since))
		default:
			continue
		}
		j.excuseOCSP(p, now) // say it once
	}
}

// another takes note that a response or receipt is of another certificate than is
// served, and reports whether it was not so an hour ago: one is put in place before
// its certificate is, which a failing disk may keep from it for some minutes.
func (j *judge) another(what, serial string) bool {
	now := j.world.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	was := j.strange[what]
	j.strange[what] = strange{serial, now}
	return was.serial != serial || now.Sub(was.at) > 2*time.Hour
}

// strange is a response or receipt of another certificate than is served.
type strange struct {
	serial string // of that one
	at     time.Time
}

// readResponse reads the file of a response. Ok is false where it holds what it
// must not, which is said once.
func (j *judge) readResponse(s side) (kept response, ok bool) {
	der, err := os.ReadFile(j.world.ocspFile(s))
	if err != nil || bytes.Equal(der, answers.TryLater()) {
		return response{}, true
	}
	digest := sha256.Sum256(der)
	j.mu.Lock()
	kept = j.responses[s.String()]
	j.mu.Unlock()
	if kept.digest == digest {
		return kept, true
	}
	kept = response{digest: digest}
	defer func() {
		j.mu.Lock()
		j.responses[s.String()] = kept
		j.mu.Unlock()
	}()
	said, err := ocsp.ParseResponse(der, nil)
	switch {
	case err != nil:
		j.breach("%s: what is to be stapled is no OCSP response: %v", s, err)
		return kept, false
	case said.Status != ocsp.Good:
		j.breach("%s: what is to be stapled says that the certificate is not good: %d", s, said.Status)
		return kept, false
	}
	kept.serial, kept.ends = fmt.Sprintf("%x", said.SerialNumber), said.NextUpdate
	return kept, true
}

// respondersWell reports whether all CAs that a certificate may be from could
// be asked for its response now.
func (j *judge) respondersWell(p *cert) bool {
	for _, name := range p.issuers {
		if !j.world.gates[name].isUp() || j.world.cas[name].OCSPFrozen() {
			return false
		}
	}
	return j.world.well(p)
}

func (j *judge) excuseOCSP(p *cert, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.badOCSP[p.name] = now
}

// ended is a certificate that is served though its CA revoked it.
type ended struct {
	serial string
	well   time.Duration // for how long it was, while all was well
}

// lookEvery is how often the judge looks at such things.
const lookEvery = 6 * time.Hour

// revoked holds that a certificate which its CA revoked is replaced: by the
// window that the CA names, or by what its responder says.
func (j *judge) revoked(p *cert, up bool) {
	well := up && j.respondersWell(p) && p.held.Load() == 0
	for _, s := range p.sides() {
		seen, there := j.seen(s)
		revoked := slices.ContainsFunc(caNames(), func(name string) bool { return !j.world.cas[name].RevokedAt(seen.serial).IsZero() })
		j.mu.Lock()
		was := j.revokedYet[s.String()]
		if !there || !revoked || was.serial != seen.serial {
			was = ended{serial: seen.serial}
		} else if well {
			was.well += lookEvery
		}
		j.revokedYet[s.String()] = was
		j.mu.Unlock()
		if known := ocspLife * 3 / 4; was.well > known+p.grace(true) {
			j.breach("%s: it serves a certificate that was revoked, though all was well for %v", s, was.well)
			j.mu.Lock()
			delete(j.revokedYet, s.String())
			j.mu.Unlock()
		}
	}
}

// freeze is a responder that signs nothing anew.
func (w *world) freeze(dice *rand.Rand, at time.Time) []event {
	name, long := pick(dice, []string{"one", "two"}), between(dice, time.Hour, 10*day)
	return []event{{at, func(*engine.Engine) {
		w.note("the responder of %s gives old answers for %v", name, long)
		w.fault("old answers")
		w.cas[name].FreezeOCSP(w.now().Add(long))
	}}}
}

// revokeQuietly revokes what a certificate serves whose OCSP responses, or whose
// CA's revocation list, are looked at, and says so nowhere else.
func (w *world) revokeQuietly(dice *rand.Rand, at time.Time) []event {
	watched := slices.DeleteFunc(slices.Clone(w.people), func(p *cert) bool {
		return !p.ocsp && !p.crl || p.life < 10*day // those of a few days are replaced before anybody asks
	})
	if len(watched) == 0 {
		return nil
	}
	p := pick(dice, watched)
	s := pick(dice, p.sides())
	return []event{{at, func(*engine.Engine) {
		seen, there := w.judge.seen(s)
		if !there || seen.placeholder {
			return
		}
		for _, name := range caNames() {
			if ca := w.cas[name]; ca.RevokeQuietly(seen.serial) == nil {
				w.note("%s revokes the %s certificate of %s, and says so by OCSP and in its list", name, s.keyType(), p.name)
				w.judge.needed(p)
			}
		}
	}}}
}
