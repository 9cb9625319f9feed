package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// ending is a certificate that a person wants revoked.
type ending struct {
	cert     *cert
	serial   string
	ends     time.Time // of itself
	withdraw bool      // and its files taken away
	sure     bool      // the process said that it will do so
	at       time.Time // when he said so
	well     time.Duration
	revoked  time.Time // when its CA did; zero: not yet
}

// personRevokes is a person who has what a certificate serves revoked: because
// it was superseded, or its key known to others, after the replacement or before,
// or with its files taken away.
func (w *world) personRevokes(dice *rand.Rand, at time.Time) []event {
	p := w.troubled(dice)
	wish := pick(dice, []engine.RevokeWish{
		{Reason: plan.RevokeSuperseded},
		{Reason: plan.RevokeSuperseded, First: true},
		{Reason: plan.RevokeSuperseded, Withdraw: true},
		{Reason: plan.RevokeCompromise},
		{Reason: plan.RevokeCompromise, Withdraw: true},
	})
	wish.Withdraw = wish.Withdraw && p.tlsa == ""
	return []event{{at, func(e *engine.Engine) {
		if e == nil || !p.wanted || p.held.Load() > 0 {
			return
		}
		all, err := e.World(context.Background())
		if err != nil {
			return // the disk
		}
		before := map[*cert]plan.Version{}
		for _, s := range w.alongside(p) {
			before[s] = toRevoke(all.Known, s)
			w.judge.needed(s)
			w.judge.needed(s) // on keys that others share it is issued as for a rollover, too
			w.judge.attends(s)
		}
		err = e.Revoke(context.Background(), []string{p.name}, wish)
		w.note("%s is to be revoked: %+v, said: %v", p.name, wish, err)
		compromised := wish.Reason == plan.RevokeCompromise
		for s, version := range before {
			for _, pair := range version.Pairs {
				if s == p || wish.Withdraw || compromised && slices.ContainsFunc(before[p].Pairs, func(other plan.Pair) bool { return other.Key == pair.Key }) {
					w.judge.toEnd(s, pair, wish, err == nil)
				}
			}
			if compromised && err == nil && (s == p || wish.Withdraw) {
				w.judge.ban(version)
			}
		}
	}}}
}

// toRevoke is what a wish is about of what a certificate serves. Where another
// one is to be revoked already, that is what the person is taken to mean.
func toRevoke(known plan.Known, p *cert) plan.Version {
	k := known.Cert(p.name)
	version, _ := k.Version(k.Published)
	meant := k.ToRevoke(time.Now(), known.Banned)
	version.Pairs = slices.DeleteFunc(slices.Clone(version.Pairs), func(pair plan.Pair) bool {
		return !slices.ContainsFunc(meant, func(one plan.Pair) bool { return one.SHA256 == pair.SHA256 })
	})
	return version
}

// toEnd takes note of what is to be revoked. Sure is false where the process
// failed to say that it will do so.
func (j *judge) toEnd(p *cert, pair plan.Pair, wish engine.RevokeWish, sure bool) {
	now := j.world.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.endings = append(j.endings, &ending{
		cert: p, serial: pair.Serial, ends: pair.NotAfter, withdraw: wish.Withdraw, sure: sure && !pair.Revoked, at: now,
	})
}

// ban takes note of keys that are known to others.
func (j *judge) ban(version plan.Version) {
	now := j.world.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, pair := range version.Pairs {
		if j.banned[pair.Key].IsZero() {
			j.banned[pair.Key] = now
		}
	}
}

// withdrawn reports whether a person had the files of a certificate taken away,
// and another one has not been there for long.
func (j *judge) withdrawn(p *cert) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.endings, func(e *ending) bool { return e.cert == p && e.withdraw })
}

// afterWithdrawal is how long files may still be taken away once there are
// others.
const afterWithdrawal = 2 * day

// followed reports whether a certificate was replaced by another one a while ago.
func (j *judge) followed(e *ending, now time.Time) bool {
	for _, s := range e.cert.sides() {
		seen, there := j.seen(s)
		if !there || seen.placeholder || seen.serial == e.serial || seen.since.Before(e.at) || now.Sub(seen.since) < afterWithdrawal {
			return false
		}
	}
	return true
}

// endedAsAsked holds that what a person wants revoked is revoked in the end.
func (j *judge) endedAsAsked(up bool) {
	now := j.world.now()
	j.mu.Lock()
	endings := slices.Clone(j.endings)
	j.mu.Unlock()
	for _, e := range endings {
		ca := j.world.signer(e.serial)
		well := up && e.cert.wanted && e.cert.held.Load() == 0 && j.respondersWell(e.cert) && ca != "" && j.world.gates[ca].isUp()
		followed := j.followed(e, now)
		j.mu.Lock()
		if ca != "" && e.revoked.IsZero() {
			e.revoked = j.world.cas[ca].RevokedAt(e.serial)
		}
		if well && e.revoked.IsZero() {
			e.well += lookEvery
		}
		late := e.sure && e.revoked.IsZero() && e.ends.After(now) && e.well > 2*e.cert.grace(true)+2*day
		over := late || !e.sure && now.Sub(e.at) > 60*day
		if ended := !e.revoked.IsZero() || !e.ends.After(now); ended {
			over = over || !e.withdraw || followed
		}
		if over {
			j.endings = slices.DeleteFunc(j.endings, func(one *ending) bool { return one == e })
		}
		j.mu.Unlock()
		if late {
			j.breach("%s: %s was to be revoked on %s, and is not, though all was well for %v", e.cert.name, e.serial, e.at.Format(time.DateTime), e.well)
		}
	}
}

// signer is the CA that signed a certificate; "" where none did.
func (w *world) signer(serial string) string {
	for _, name := range caNames() {
		if w.cas[name].Signed(serial) {
			return name
		}
	}
	return ""
}

// onBanned holds that nothing is signed for a key that is known to others.
func (j *judge) onBanned(p *cert, ca, key string, at time.Time) {
	j.mu.Lock()
	since := j.banned[key]
	j.mu.Unlock()
	if !since.IsZero() && at.After(since.Add(time.Minute)) {
		j.breach("%s: %s signed for a key that was said to be compromised %v before", p.name, ca, at.Sub(since))
	}
}
