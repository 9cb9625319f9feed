package sim

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// sharedKeys is the entry of `keys` that two certificates are issued on.
const sharedKeys = "both"

// keyAge is at which age these change by themselves.
const keyAge = 50 * day

// onKeys says which of the certificates have keys that outlive them: two share
// theirs, one keeps its own, and of one the next key is always ready.
func (p *cert) onKeys(i int) {
	switch i {
	case 4:
		p.key = sharedKeys
	case 5:
		p.key, p.spread = sharedKeys, true
	case 7:
		p.reuse = true
	case 9:
		p.backup = true
	}
}

// keySet is the name of the keys that outlive a certificate, "" for none.
func (p *cert) keySet() string {
	switch {
	case p.key != "":
		return p.key
	case p.reuse || p.backup:
		return p.name
	}
	return ""
}

// ready reports whether the next key is to be there.
func (p *cert) ready() bool { return p.key != "" || p.backup }

// keyConfig is what the config says of the keys of a certificate.
func (p *cert) keyConfig() string {
	var b strings.Builder
	if p.key != "" {
		fmt.Fprintf(&b, "    key: %s\n", p.key)
	}
	if p.reuse {
		b.WriteString("    key_reuse: true\n")
	}
	if p.backup {
		b.WriteString("    backup_key: true\n")
	}
	if p.alone {
		b.WriteString("    backup_key: false\n")
	}
	return b.String()
}

// alongside are the certificates on the same keys, itself among them.
func (w *world) alongside(p *cert) []*cert {
	return slices.DeleteFunc(slices.Clone(w.people), func(s *cert) bool {
		return s != p && (p.keySet() == "" || s.keySet() != p.keySet())
	})
}

// rollover is a person who wants other keys, or no longer wants them.
func (w *world) rollover(dice *rand.Rand, at time.Time) []event {
	lasting := slices.DeleteFunc(slices.Clone(w.people), func(p *cert) bool { return p.keySet() == "" })
	if len(lasting) == 0 {
		return nil
	}
	p := pick(dice, lasting)
	how := pick(dice, []string{"", "", engine.RolloverForced, engine.RolloverCancelled})
	return []event{{at, func(e *engine.Engine) {
		if e == nil || !p.wanted {
			return
		}
		w.note("%s is asked for other keys (%q)", p.name, how)
		for _, s := range w.alongside(p) {
			w.judge.attends(s)
			w.judge.needed(s)
		}
		_ = e.Ask(context.Background(), plan.AskRollover, []string{p.name}, how) // the disk may refuse it: the person is told
	}}}
}

// showKey takes note of the key that a reader sees, and holds that certificates
// on common keys leave them together: none is installed on other keys before
// the CA has signed for all of them. It reports whether the key is one that
// readers have not seen yet. The caller does not hold mu.
func (j *judge) showKey(p *cert, leaf *x509.Certificate) (fresh bool) {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	key := hex.EncodeToString(sum[:])
	j.mu.Lock()
	before := j.keyShown[p.name]
	j.keyShown[p.name] = key
	fresh = !slices.Contains(j.keysShown[p.name], key)
	if fresh {
		j.keysShown[p.name] = append(j.keysShown[p.name], key)
	}
	var beside []*cert // that are still on the key that this one was on
	for _, s := range j.world.alongside(p) {
		if s != p && before != "" && before != key && j.keyShown[s.name] == before {
			beside = append(beside, s)
		}
	}
	j.mu.Unlock()
	signed := j.signedOn(p, key)
	if signed.IsZero() {
		return fresh // it is a placeholder
	}
	for _, s := range beside {
		// Who was restored keeps what he has, and who was out of the config, or
		// wanted another kind of key, was not waited for.
		if s.wanted && !j.withdrawn(s) && !s.restored && !p.restored && s.keyType == p.keyType && s.changed.Before(signed) && j.signedOn(s, key).IsZero() {
			j.breach("%s: it is installed on other keys, on which %s has no certificate", p.name, s.name)
		}
	}
	return fresh
}

// signedOn is when a CA first signed for a certificate and a key; zero: never.
func (j *judge) signedOn(p *cert, key string) (first time.Time) {
	for _, name := range caNames() {
		ca := j.world.cas[name]
		if ca == nil {
			continue
		}
		for _, i := range ca.Issuances() {
			if i.SPKI == key && j.world.owner(i.Names) == p && (first.IsZero() || i.At.Before(first)) {
				first = i.At
			}
		}
	}
	return first
}

// kept holds that no key is deleted that a version, an order or a set of keys
// refers to.
func (j *judge) kept(ctx context.Context, s *store.Store) {
	referrers, err := s.References(ctx)
	if err != nil {
		j.breach("the references to keys cannot be read: %v", err)
		return
	}
	delete(referrers, "") // of orders for which no key was made yet
	for key, who := range referrers {
		if _, err := s.Key(ctx, key); err != nil {
			j.breach("%q refer to a key that is not there: %v", who, err)
		}
	}
}

// keysSettled looks at keys at a calm month's end: no change of them is under
// way any more, what is served is on them, and keys of nobody are deleted.
func (j *judge) keysSettled(p *process, known plan.Known) {
	j.kept(p.ctx, p.store)
	const week = 7*day + 2*day // they are kept for one, and looked for once a day
	unused, err := p.store.UnusedKeys(p.ctx, time.Now(), week)
	if err != nil || len(unused) > 0 {
		j.breach("keys of nobody are left: %q, %v", unused, err)
	}
	if set := known.Keys[sharedKeys]; set != nil {
		j.keyFilesSettled(set)
	}
	for _, c := range p.people {
		if c.wanted && c.keySet() != "" {
			j.keySettled(p, c, known.Cert(c.name), known.KeysOf(c.keySet()))
		}
	}
}

// aged says that keys which several share may have changed by themselves.
func (j *judge) aged(p *cert, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p.key != "" && now.Sub(j.rolled[p.name]) > keyAge/2 { // each kind of key has an age of its own
		j.rolled[p.name] = now
		j.needs[p.name] += 2 * len(p.sides())
	}
}

func (j *judge) keySettled(p *process, c *cert, k *plan.KnownCert, keys *plan.KnownKeys) {
	version, _ := k.Version(k.Published)
	for _, s := range c.sides() {
		pair, _ := version.Pair(s.keyType())
		set := keys.Keys[s.keyType()]
		switch {
		case keys.Rolling != nil || keys.Ask != nil:
			j.breach("%s: a change of keys is under way at the end: %+v, %+v", s, keys.Rolling, keys.Ask)
		case pair.Key != set.Primary.SHA256 && !k.Held:
			j.breach("%s: it is on the key %s at the end, its keys are %+v", s, pair.Key, set)
		case c.key != "" && p.now().Sub(set.Primary.Since) > keyAge+10*day:
			j.breach("%s: its key is in use since %s at the end, though it is to change by itself", s, set.Primary.Since)
		case c.ready() && (!set.Next.Usable() || set.Next.SHA256 == set.Primary.SHA256):
			j.breach("%s: no next key is ready at the end: %+v", s, set)
		}
	}
}
