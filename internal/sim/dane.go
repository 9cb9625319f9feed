package sim

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// The ways in which TLSA records speak of a certificate, as they stand in the
// config.
const (
	ofLeafKey   = "usage: dane-ee, selector: spki" // 3 1 1
	ofAuthority = "usage: dane-ta, selector: cert" // 2 0 1
)

// tlsaTTL is that of all TLSA records.
const tlsaTTL = time.Hour

// tlsaName is where a certificate's records stand.
func (p *cert) tlsaName() string { return "_443._tcp." + p.name }

// tlsaConfig is what the config says of them.
func (p *cert) tlsaConfig() string {
	if p.tlsa == "" {
		return ""
	}
	return fmt.Sprintf("    tlsa: [{name: %s, %s, matching: [sha256], ttl: 1h}]\n", p.tlsaName(), p.tlsa)
}

// showDANE takes note of what a reader is shown, and holds that no client that does
// DANE refuses it, whichever set its resolver has.
func (j *judge) showDANE(s side, shown []*x509.Certificate, was shown) {
	j.mu.Lock()
	j.presented[s.String()] = shown
	j.mu.Unlock()
	now := j.world.now()
	if ended := !was.notAfter.IsZero() && !was.notAfter.After(now); ended && s.cert.tlsa == ofAuthority {
		return // whoever goes by these records refuses what has ended: nothing is lost (RFC 7671 section 5.2)
	}
	for _, set := range j.world.zone.caches(s.cert.tlsaName()) {
		j.refused(s, shown, set.records, "a cache may have")
	}
}

// publishedDANE holds that records of a name match what is served there. The
// zone calls it as they change.
func (j *judge) publishedDANE(name string) {
	p := j.world.zone.owner(name)
	if p == nil || p.tlsa == "" {
		return
	}
	j.look(p)
	records := j.world.zone.records(name)
	for _, s := range p.sides() {
		j.mu.Lock()
		shown := j.presented[s.String()]
		j.mu.Unlock()
		j.refused(s, shown, records, "now are published")
	}
}

// refused breaks an invariant where some client refuses what is shown. A
// process whose clock is wrong cannot know how long records were there.
func (j *judge) refused(s side, shown []*x509.Certificate, records []string, words string) {
	if len(shown) == 0 || len(records) == 0 {
		return
	}
	set, err := dane.ParseSet(records)
	if err != nil {
		j.world.must(err)
		return
	}
	missing := set.Missing(dane.Presented{Chain: shown})
	if now := j.world.now(); len(missing) == 0 || j.world.clockOff() || j.world.clockWrong(now.Add(-3*tlsaTTL), now) {
		return
	}
	j.breach("%s: a client that does DANE refuses its certificate: %s %q, of which none matches for %v", s, words, records, missing)
}

// clockOff reports whether the process that lives has a wrong clock.
func (w *world) clockOff() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.offset.Abs() > tlsaTTL/2
}

// stray is somebody who puts a record of nothing beside those of a certificate.
func (w *world) stray(dice *rand.Rand, at time.Time) []event {
	p := w.troubled(dice)
	for p.tlsa == "" && len(w.people) > 2 {
		p = w.troubled(dice)
	}
	combination := "3 1 1"
	if p.tlsa == ofAuthority {
		combination = "2 0 1"
	}
	return []event{{at, func(*engine.Engine) {
		if p.tlsa != "" {
			w.note("somebody adds a TLSA record at %s", p.tlsaName())
			w.fault("record added")
			w.zone.meddle(p.tlsaName(), combination+" "+strings.Repeat("17", 32))
		}
	}}}
}

// daneSettled looks at the records at a calm month's end: they are those of
// what is served, and of the key that is kept ready.
func (j *judge) daneSettled(p *cert, keys *plan.KnownKeys) {
	records := j.world.zone.records(p.tlsaName())
	if len(records) == 0 {
		j.breach("%s: it has no TLSA records at the end", p.name)
	}
	wanted := map[string]bool{}
	for _, s := range p.sides() {
		j.mu.Lock()
		shown := j.presented[s.String()]
		j.mu.Unlock()
		j.refused(s, shown, records, "at the end are published")
		want := dane.Want{Usage: dane.DANEEE, Selector: dane.SPKI, Matching: []dane.Matching{dane.SHA256}}
		if p.tlsa == ofAuthority {
			want.Usage, want.Selector = dane.DANETA, dane.Cert
		}
		made, err := dane.Needs(want, dane.Presented{Chain: shown})
		j.world.must(err)
		for _, text := range made.Texts() {
			wanted[text] = true
		}
		if key := keys.Keys[s.keyType()]; p.tlsa == ofLeafKey && p.ready() && key.Next.Usable() {
			wanted["3 1 1 "+key.Next.SHA256] = true
		}
	}
	for _, text := range records {
		if !wanted[text] && !j.justSigned(p) {
			j.breach("%s: the TLSA record %s is left at the end", p.name, text)
		}
		delete(wanted, text)
	}
	for text := range wanted {
		j.breach("%s: there is no TLSA record %s at the end", p.name, text)
	}
}

// justSigned reports whether a CA signed for a certificate so short a while ago
// that records are still waited for.
func (j *judge) justSigned(p *cert) bool {
	now := j.world.now()
	return slices.ContainsFunc(caNames(), func(name string) bool {
		return slices.ContainsFunc(j.world.cas[name].IssuancesSince(0), func(i fakeca.Issuance) bool {
			return slices.Contains(i.Names, p.name) && now.Sub(i.At) < 4*tlsaTTL
		})
	})
}
