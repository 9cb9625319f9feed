package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// beside is what is known of the certificates that are served beside one. The
// planning goroutine goes on changing its own.
func (p *pass) beside(want plan.WantedCert) plan.Known {
	all := plan.Known{Certs: map[string]*plan.KnownCert{}, Keys: map[string]*plan.KnownKeys{}}
	for _, t := range want.TLSA {
		for _, c := range t.Beside {
			all.Certs[c.Cert] = ownCopy(c.Cert, p.world.Known.Certs[c.Cert])
			if c.Keys != "" {
				keys := *p.world.Known.KeysOf(c.Keys)
				all.Keys[c.Keys] = &keys
			}
		}
	}
	return all
}

// refreshBeside reads their facts again.
func (w *worker) refreshBeside(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for name := range w.beside.Certs {
		fresh, err := w.engine.Store.KnownCert(ctx, name)
		if err != nil {
			return err
		}
		w.beside.Certs[name] = fresh
	}
	for name := range w.beside.Keys {
		fresh, err := w.engine.Store.KnownKeys(ctx, name)
		if err != nil {
			return err
		}
		w.beside.Keys[name] = fresh
	}
	return nil
}

// tlsaWanted is what is wanted at a name in DNS; ok is false where the config
// says nothing of it any more.
func (w *worker) tlsaWanted(name string) (want plan.WantedTLSA, entries []config.TLSA, ok bool) {
	entries = w.parts.cfg.TLSAOf(name)
	i := slices.IndexFunc(w.want.TLSA, func(t plan.WantedTLSA) bool { return t.Name == name })
	if i < 0 || len(entries) == 0 {
		return want, nil, false
	}
	return w.want.TLSA[i], entries, true
}

// lookTLSA makes the records of versions that have none yet, and looks at DNS.
func (w *worker) lookTLSA(ctx context.Context, s plan.Step) *plan.Fault {
	want, entries, ok := w.tlsaWanted(s.Name)
	if !ok {
		return nil // the plan looks again
	}
	made, fault := w.makeTLSA(ctx, want, entries)
	if fault != nil {
		return fault
	}
	w.stage("looking up the TLSA records of " + s.Name)
	set, err := w.seenTLSA(ctx, s.Name, entries[0].Via)
	if ctx.Err() != nil {
		return nil // looked at by the next run
	}
	return w.sawTLSA(ctx, s.Name, set, err, func(k *plan.KnownTLSA) {
		k.Config, k.Chains, k.Keys = made.Config, made.Chains, made.Keys
	})
}

// makeTLSA makes the records of all that could be served at a name, as far as
// they are not known yet.
func (w *worker) makeTLSA(ctx context.Context, want plan.WantedTLSA, entries []config.TLSA) (plan.KnownTLSA, *plan.Fault) {
	before := w.known.TLSA[want.Name]
	if before.Config != want.Config {
		before = plan.KnownTLSA{}
	}
	made := plan.KnownTLSA{Config: want.Config, Chains: map[string][][]string{}, Keys: map[string][]string{}}
	for cert, versions := range want.Versions(w.world(), w.want) {
		for _, v := range versions {
			chains, ok := before.Chains[v.ID]
			var err error
			if !ok {
				chains, err = w.chainsTLSA(ctx, cert, v.ID, entries)
			}
			switch {
			case err == nil:
				made.Chains[v.ID] = chains
			case cert == w.want.Name && ctx.Err() == nil:
				return made, w.brokenVersion(ctx, v.ID, err)
			} // else that certificate's own worker finds out
		}
	}
	for _, key := range want.Ahead(w.world(), w.want) {
		texts, ok := before.Keys[key]
		if !ok {
			var err error
			if texts, err = w.keyTLSA(ctx, key, entries); err != nil {
				// What is served does not depend on it. Should it be used in the
				// end, its chain has the records.
				w.engine.Log.Warn("a key that is kept ready has no TLSA records", "certificate", w.want.Name, "name", want.Name, "error", err)
				texts = []string{}
			}
		}
		made.Keys[key] = texts
	}
	return made, nil
}

// chainsTLSA are the records of each chain of a version.
func (w *worker) chainsTLSA(ctx context.Context, cert, version string, entries []config.TLSA) ([][]string, error) {
	record, err := w.engine.Store.Version(ctx, cert, version)
	if err != nil {
		return nil, err
	}
	all := [][]string{}
	for _, p := range record.Version.Pairs {
		c, err := chain.Parse([]byte(record.Chains[p.KeyType]))
		if err != nil {
			return nil, err
		}
		texts, err := recordsTLSA(entries, func(want dane.Want) (dane.Set, error) {
			return dane.Needs(want, dane.Presented{Chain: c.Certs})
		})
		if err != nil {
			return nil, err
		}
		all = append(all, texts)
	}
	return all, nil
}

// keyTLSA are the records of a stored key, as far as they speak of keys.
func (w *worker) keyTLSA(ctx context.Context, fingerprint string, entries []config.TLSA) ([]string, error) {
	key, err := w.engine.Store.Key(ctx, fingerprint)
	if err != nil {
		return nil, err
	}
	return recordsTLSA(entries, func(want dane.Want) (dane.Set, error) {
		return dane.Make(want, dane.Material{Keys: []crypto.PublicKey{key.Public()}})
	})
}

// recordsTLSA are the records of several entries, each once.
func recordsTLSA(entries []config.TLSA, of func(dane.Want) (dane.Set, error)) ([]string, error) {
	var all dane.Set
	for _, entry := range entries {
		want, err := entry.Want()
		if err != nil {
			return nil, err
		}
		set, err := of(want)
		if err != nil {
			return nil, err
		}
		all = all.Union(set)
	}
	return append([]string{}, all.Texts()...), nil
}

// seenTLSA is what all authoritative servers show.
func (w *worker) seenTLSA(ctx context.Context, name, via string) (dns.Set, error) {
	z := w.parts.writers[via].zone
	set, err := z.resolver.Agreed(ctx, name, "TLSA")
	for i, value := range set.Values {
		if r, err := dane.Parse(value); err == nil {
			set.Values[i] = r.String()
		}
	}
	return set, err
}

// sawTLSA stores what a look came to.
func (w *worker) sawTLSA(ctx context.Context, name string, set dns.Set, err error, also func(*plan.KnownTLSA)) *plan.Fault {
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	jitter := w.roll(now, "tlsa "+name)
	var fault *plan.Fault
	if err != nil {
		f := dnsFault(err)
		fault = &f
	}
	storeErr := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if k.TLSA == nil {
			k.TLSA = map[string]plan.KnownTLSA{}
		}
		maps.DeleteFunc(k.TLSA, func(name string, _ plan.KnownTLSA) bool {
			return !slices.ContainsFunc(w.want.TLSA, func(t plan.WantedTLSA) bool { return t.Name == name })
		})
		t := k.TLSA[name]
		also(&t)
		if fault != nil {
			t.Tries = t.Tries.Begin(now, jitter).Failed(now, *fault, time.Time{})
		} else {
			t.Tries = plan.Tries{}
			t.Facts = t.Facts.See(now, set.Values, set.TTL)
		}
		k.TLSA[name] = t
		return nil
	})
	if storeErr != nil {
		return w.fault(plan.CodeDisk, "store which TLSA records there are: "+storeErr.Error(), nil)
	}
	if fault != nil {
		w.emit(ctx, store.Event{Kind: store.EventErrored, Words: fault.Words, Fault: fault})
	}
	return fault
}

// dnsFault makes a fact of a failure of DNS: a person mends it.
func dnsFault(err error) plan.Fault {
	if failed, ok := errors.AsType[*dns.Error](err); ok {
		return newFault(failed.Code, plan.BlameAdmin, err.Error())
	}
	fault, _ := faultOf(err)
	return fault
}

// publishTLSA makes the records of a name what the plan says. Certificates that
// share the name take turns, and each goes by what the others have stored.
//
// Killed after the change, the next look finds it, and counts from then.
func (w *worker) publishTLSA(ctx context.Context, s plan.Step) *plan.Fault {
	unlock, err := w.engine.names.lock(ctx, "TLSA records at", []string{s.Name})
	if err != nil {
		return nil // nothing was begun
	}
	defer unlock()
	if err := w.refresh(ctx); err != nil {
		return w.fault(plan.CodeDisk, "read what is served: "+err.Error(), nil)
	}
	want, entries, ok := w.tlsaWanted(s.Name)
	if !ok || !w.stillPlanned(s) {
		return nil // the plan looks again
	}
	w.stage("publishing the TLSA records of " + s.Name)
	before := w.known.TLSA[s.Name].Facts.Published()
	changed, err := w.replaceTLSA(ctx, s, entries[0])
	if len(changed) > 0 {
		w.tellTLSA(context.WithoutCancel(ctx), s, before)
	}
	var set dns.Set
	if err == nil {
		set, err = w.awaitTLSA(ctx, s, entries[0])
	}
	if err == nil && want.TTL > 0 && len(s.Records) > 0 && set.TTL != want.TTL {
		err = &dns.Error{Op: "publish the TLSA records of " + s.Name, Code: plan.CodeDNSUpdate, Err: fmt.Errorf("the name servers give them a TTL of %v instead of %v", set.TTL, want.TTL), Hint: "set that as their ttl"}
	}
	if ctx.Err() != nil {
		return nil // looked at by the next run
	}
	return w.sawTLSA(ctx, s.Name, set, err, func(*plan.KnownTLSA) {})
}

// stillPlanned reports whether the plan says the same again.
func (w *worker) stillPlanned(s plan.Step) bool {
	return slices.ContainsFunc(w.plan(time.Now()), func(other plan.Step) bool {
		return other.Kind == s.Kind && other.Name == s.Name && slices.Equal(other.Records, s.Records)
	})
}

func (w *worker) replaceTLSA(ctx context.Context, s plan.Step, entry config.TLSA) ([]dns.Set, error) {
	z := w.parts.writers[entry.Via].zone
	if z.err != nil {
		return nil, z.err
	}
	replacer, ok := z.writer.(dns.Replacer)
	if !ok {
		return nil, &FaultError{Fault: newFault(plan.CodeDNSUpdate, plan.BlameAdmin, fmt.Sprintf("dns.%s cannot publish TLSA records", entry.Via))}
	}
	return replacer.Replace(ctx, dns.Set{Name: s.Name, Type: "TLSA", Values: s.Records, TTL: entry.TTL})
}

// awaitTLSA waits until all servers show what was published.
func (w *worker) awaitTLSA(ctx context.Context, s plan.Step, entry config.TLSA) (dns.Set, error) {
	timeout := w.parts.writers[entry.Via].zone.timeout
	for start, pause := time.Now(), firstPause; ; pause = min(2*pause, lastPause) {
		set, err := w.seenTLSA(ctx, s.Name, entry.Via)
		if err == nil && !slices.Equal(slices.Sorted(slices.Values(set.Values)), s.Records) {
			err = &dns.Error{Op: "publish the TLSA records of " + s.Name, Code: plan.CodeDNSPropagation, Err: errNotShown}
		}
		failed, lags := errors.AsType[*dns.Error](err)
		if lags = lags && failed.Code == plan.CodeDNSPropagation; !lags || time.Since(start) > timeout || !wait(ctx, pause) {
			return set, err
		}
	}
}

var errNotShown = errors.New("the name servers show another set than was written")

// tellTLSA puts a change into the history.
func (w *worker) tellTLSA(ctx context.Context, s plan.Step, before []string) {
	ev := store.Event{Kind: store.EventTLSAUpdated, Words: "the TLSA records of " + s.Name + " were changed"}
	for _, text := range s.Records {
		if !slices.Contains(before, text) {
			ev.Detail = append(ev.Detail, "added "+shortTLSA(text))
		}
	}
	for _, text := range before {
		if !slices.Contains(s.Records, text) {
			ev.Detail = append(ev.Detail, "removed "+shortTLSA(text))
		}
	}
	w.emit(ctx, ev)
	w.queueHooks(ctx, store.EventTLSAUpdated)
}

// tlsaAt is the set by which clients judge what they are shown at a port, as it
// was last seen in DNS; none where the config wants none.
func (w *worker) tlsaAt(port int, host string) dane.Set {
	name := dane.Name{Port: uint16(port), Proto: "tcp", Host: host}.String()
	set, err := dane.ParseSet(w.known.TLSA[name].Facts.Published())
	if _, _, wanted := w.tlsaWanted(name); err != nil || !wanted {
		return nil // what nobody can read no client goes by
	}
	return set
}

// shortTLSA is a record of which the data is cut where it is no digest.
func shortTLSA(text string) string {
	const most = 140 // a SHA-512 digest and the three numbers
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
