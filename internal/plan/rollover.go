package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// keyDecision gathers the steps of keys that outlive certificates.
type keyDecision struct {
	now   time.Time
	world World
	want  WantedKeys
	known *KnownKeys
	certs []*decision // the certificates on them, each taken in hand
	steps []Step
}

// Keys returns the steps of one set of keys, in the order in which they have to
// be done.
func Keys(now time.Time, w World, want WantedKeys) []Step {
	wanted := make(map[string]*WantedCert, len(want.Certs))
	for i := range w.Wanted.Certs {
		if c := &w.Wanted.Certs[i]; slices.Contains(want.Certs, c.Name) {
			wanted[c.Name] = c
		}
	}
	return keys(now, w, want, wanted)
}

// allKeys returns the steps of all of them.
func allKeys(now time.Time, w World) []Step {
	if len(w.Wanted.Keys) == 0 {
		return nil
	}
	wanted := make(map[string]*WantedCert, len(w.Wanted.Certs))
	for i := range w.Wanted.Certs {
		wanted[w.Wanted.Certs[i].Name] = &w.Wanted.Certs[i]
	}
	var steps []Step
	for _, want := range w.Wanted.Keys {
		steps = append(steps, keys(now, w, want, wanted)...)
	}
	return steps
}

func keys(now time.Time, w World, want WantedKeys, wanted map[string]*WantedCert) []Step {
	k := keyDecision{now: now, world: w, want: want, known: w.Known.KeysOf(want.Name)}
	for _, name := range want.Certs {
		if cert, ok := wanted[name]; ok {
			d := &decision{now: now, world: w}
			d.take(*cert)
			k.certs = append(k.certs, d)
		}
	}
	k.make()
	return k.steps
}

// KeysOf returns what is known of keys; of those that are not known, nothing.
func (k Known) KeysOf(name string) *KnownKeys {
	if known := k.Keys[name]; known != nil {
		return known
	}
	return &KnownKeys{Name: name}
}

func (k *keyDecision) add(s Step) {
	s.Keys = k.want.Name
	if s.At.Before(k.now) {
		s.At = k.now
	}
	for _, d := range k.certs {
		if !d.until.IsZero() && (s.Until.IsZero() || d.until.Before(s.Until)) {
			s.Until = d.until
		}
	}
	k.steps = append(k.steps, s)
}

func (k *keyDecision) make() {
	if k.known.Newer {
		return
	}
	if k.known.Damage != "" {
		k.add(Step{Kind: KindKeys, Urgent: true, Reason: Reason{ReasonDamaged, k.known.Damage}})
		return
	}
	k.withdraw()
	k.inspect()
	if k.known.Closed != "" {
		return
	}
	k.cancel()
	if k.want.Provided {
		k.spare()
		k.share()
		return
	}
	k.spare()
	switch {
	case !k.complete():
		k.first()
	case k.known.Rolling != nil:
		k.finish()
	default:
		k.begin()
	}
	k.backup()
	k.share()
}

// complete reports whether each type has its key, or a rollover can bring it.
func (k *keyDecision) complete() bool {
	if !slices.ContainsFunc(k.certs, func(d *decision) bool { return d.has }) {
		return len(k.missing()) == 0 // nothing is served that has to go on meanwhile
	}
	return len(k.known.Keys) > 0
}

// missing are the key types without a key.
func (k *keyDecision) missing() []string {
	return slices.DeleteFunc(slices.Clone(k.want.KeyTypes), func(t string) bool { return k.known.Primary(t) != "" })
}

// first makes the first keys, or takes over those that the certificates have.
// What lies at their targets is looked at before.
func (k *keyDecision) first() {
	if slices.ContainsFunc(k.certs, (*decision).mayAdopt) {
		return
	}
	for _, keyType := range k.missing() {
		step := Step{Kind: KindKeys, KeyType: keyType, Urgent: true, Reason: Reason{ReasonMissing, fmt.Sprintf("no %s key exists", keyType)}}
		if step.Key = k.found(keyType); step.Key != "" {
			step.Reason = Reason{ReasonFits, fmt.Sprintf("the %s key in use is kept from now on", keyType)}
		} else if next := k.known.Keys[keyType].Next; k.usable(next) {
			step.Key, step.Reason = next.SHA256, Reason{ReasonMissing, fmt.Sprintf("no %s key exists; the one that was kept ready is used", keyType)}
		}
		step.At = k.retryAt()
		k.add(step)
	}
}

// retryAt is when keys that could not be made are tried again.
func (k *keyDecision) retryAt() time.Time {
	if k.skipsBackoff(k.known.Tries) {
		return k.now
	}
	return k.known.Tries.WaitsUntil(k.now)
}

// mayAdopt reports whether a pair may yet be found at a target.
func (d *decision) mayAdopt() bool {
	return !d.has && len(d.want.Targets) > 0 && !d.known.Looked && d.known.Damage == ""
}

// found is the key of a type that the first of the certificates uses.
func (k *keyDecision) found(keyType string) string {
	for _, d := range k.certs {
		if pair, ok := d.current.Pair(keyType); ok && d.current.Broken == "" && !pair.Revoked && !d.banned(pair.Key) {
			return pair.Key
		}
	}
	return ""
}

// backup keeps the next keys ready.
func (k *keyDecision) backup() {
	if !k.want.Backup || k.known.Rolling != nil {
		return
	}
	for _, keyType := range k.want.KeyTypes {
		if set := k.known.Keys[keyType]; set.Primary.Usable() && !k.usable(set.Next) {
			k.add(Step{
				Kind: KindKeys, KeyType: keyType, Next: true, At: k.retryAt(),
				Reason: Reason{ReasonKeyReady, fmt.Sprintf("the next %s key is to be ready", keyType)},
			})
		}
	}
}

// cancel ends a rollover that a person wants no more, or that can never come to
// its end: keys that are provided are not changed here.
func (k *keyDecision) cancel() {
	switch ask := k.known.Ask; {
	case ask != nil && ask.Cancel:
		k.add(Step{Kind: KindRoll, Asked: true, Reason: Reason{ReasonCancelled, "the end of the rollover was asked for"}})
	case k.want.Provided && (ask != nil || k.known.Rolling != nil):
		k.add(Step{Kind: KindRoll, Asked: true, Reason: Reason{ReasonCancelled, "the keys are provided by the administrator"}})
	}
}

// begin begins a rollover where there is a reason for one.
func (k *keyDecision) begin() {
	step := Step{Kind: KindRoll, Roll: map[string]string{}}
	ask := k.known.Ask
	changed := k.changedTypes()
	switch lost := k.lost(); {
	case lost != "":
		step.Urgent, step.Reason = true, Reason{ReasonKeyLost, lost}
	case ask != nil && !ask.Cancel && !ahead(ask.At, k.now):
		step.Asked, step.Reason = true, Reason{ReasonAsked, "other keys were asked for"}
		if ready := k.readyAt(); !ask.Force && ready.After(k.now) {
			step.At, step.Reason.Words = ready, step.Reason.Words+"; the next key has to be ready for "+span(k.want.MinBackupAge)+" before"
		}
	case changed != "":
		step.Reason = Reason{ReasonKeyType, changed}
		for _, keyType := range k.want.KeyTypes {
			if set := k.known.Keys[keyType]; k.usable(set.Primary) {
				step.Roll[keyType] = set.Primary.SHA256
			}
		}
	case k.want.EachTime && len(k.certs) == 1:
		if !k.certs[0].has || !k.certs[0].on((*KnownKeys).Primary) {
			return // it is about to be
		}
		at, why := k.certs[0].renewal()
		step.At, step.Asked, step.Reason = at, why.Code == ReasonAsked, why
		if k.certs[0].want.Mode == ModeManual && !step.Asked {
			return
		}
		k.certs[0].maintain(&step, k.certs[0].current)
	case k.want.AutoRollover && k.want.Expires > 0:
		age := k.agesAt()
		if age.IsZero() {
			return // all were written under a clock that was ahead
		}
		step.At, step.Reason = later(age, k.readyAt()), Reason{ReasonKeyAge, "a key is " + span(k.want.Expires) + " old"}
		step.At = later(step.At, k.known.putOffUntil(k.now, k.want))
	default:
		return
	}
	for _, keyType := range k.want.KeyTypes {
		if _, kept := step.Roll[keyType]; !kept {
			step.Roll[keyType] = k.successor(keyType)
		}
	}
	k.add(step)
}

// renewal is when the first pair of a certificate is due, and why.
func (d *decision) renewal() (at time.Time, why Reason) {
	for i, keyType := range d.want.KeyTypes {
		if t, reason := d.due(d.current, keyType); i == 0 || t.Before(at) {
			at, why = t, reason
		}
	}
	return at, why
}

// usable reports whether there is a key, and nothing speaks against it.
func (k *keyDecision) usable(key Key) bool {
	_, banned := k.world.Known.Banned[key.SHA256]
	return key.Usable() && !banned
}

// successor is the key of a type that a rollover leads to: the next one where
// it is usable, else one that has yet to be made ("").
func (k *keyDecision) successor(keyType string) string {
	if next := k.known.Keys[keyType].Next; k.usable(next) {
		return next.SHA256
	}
	return ""
}

// lost says why a primary key cannot be used any more, "" where all can.
func (k *keyDecision) lost() string {
	for _, keyType := range k.want.KeyTypes {
		primary := k.known.Keys[keyType].Primary
		switch {
		case primary.Lost != "":
			return fmt.Sprintf("the %s key cannot be used any more: %s", keyType, primary.Lost)
		case !primary.Revoked.IsZero():
			return fmt.Sprintf("what was on the %s key was revoked", keyType)
		}
		if !primary.IsZero() && !k.usable(primary) {
			return fmt.Sprintf("the %s key was said to be compromised", keyType)
		}
	}
	return ""
}

// changedTypes says how the wanted key types differ from those that are there,
// "" where they do not.
func (k *keyDecision) changedTypes() string {
	var added, removed []string
	added = k.missing()
	for keyType := range k.known.Keys {
		if !slices.Contains(k.want.KeyTypes, keyType) {
			removed = append(removed, keyType)
		}
	}
	slices.Sort(removed)
	switch {
	case len(added) > 0 && len(removed) > 0:
		return fmt.Sprintf("%s instead of %s", strings.Join(added, ", "), strings.Join(removed, ", "))
	case len(added) > 0:
		return "added: " + strings.Join(added, ", ")
	case len(removed) > 0:
		return "no longer wanted: " + strings.Join(removed, ", ")
	}
	return ""
}

// agesAt is when the oldest of the primary keys has come of age.
func (k *keyDecision) agesAt() time.Time {
	var at time.Time
	for _, keyType := range k.want.KeyTypes {
		since := k.known.Keys[keyType].Primary.Since
		if ahead(since, k.now) {
			continue // written under a clock that was ahead
		}
		if old := since.Add(k.want.Expires); at.IsZero() || old.Before(at) {
			at = old
		}
	}
	return at
}

// readyAt is when the next keys have been ready for long enough.
func (k *keyDecision) readyAt() time.Time {
	var at time.Time
	for _, keyType := range k.want.KeyTypes {
		if next := k.known.Keys[keyType].Next; k.usable(next) && !ahead(next.Made, k.now) {
			at = later(at, next.Made.Add(k.want.MinBackupAge))
		} else if k.want.Backup && k.want.MinBackupAge > 0 {
			at = later(at, k.now.Add(k.want.MinBackupAge)) // it is made first
		}
	}
	return at
}

// finish makes the new keys the primary ones once every certificate is there
// on them. One that has never been there needs not wait, nor be waited for.
func (k *keyDecision) finish() {
	if k.extend() {
		return
	}
	for _, d := range k.certs {
		if d.has && len(d.behind(k.known.Rolling)) > 0 {
			return
		}
	}
	step := Step{
		Kind: KindSwitch, Urgent: true, Asked: k.known.Rolling.Asked,
		Reason: Reason{ReasonRolled, "every certificate is there on the new keys: " + k.known.Rolling.Reason.Words},
	}
	for _, d := range k.certs {
		d.awaitTLSA(&step)
	}
	k.add(step)
}

// extend begins the rollover under way afresh where other key types are wanted
// meanwhile. Keys that it led to stay its own.
func (k *keyDecision) extend() bool {
	r := k.known.Rolling
	same := len(r.Keys) == len(k.want.KeyTypes)
	step := Step{Kind: KindRoll, Asked: r.Asked, Reason: r.Reason, Roll: map[string]string{}}
	for _, keyType := range k.want.KeyTypes {
		key, ok := r.Keys[keyType]
		if _, banned := k.world.Known.Banned[key]; !ok || banned {
			same = false
			key = k.successor(keyType)
		}
		step.Roll[keyType] = key
	}
	if !same {
		k.add(step)
	}
	return !same
}

// behind are the key types of which the certificate is not there on the keys
// that a rollover leads to.
func (d *decision) behind(r *Rollover) []string {
	base := d.rolled()
	return slices.DeleteFunc(slices.Clone(d.want.KeyTypes), func(keyType string) bool {
		at, _ := d.dueOn(base, keyType, r.Keys[keyType])
		pair, _ := base.Pair(keyType)
		return pair.Key == r.Keys[keyType] && at.After(d.now) // one that is held may be on another
	})
}

// rolled is the version that new pairs of a rollover are put beside: the one
// that waits for the switch, else the published one.
func (d *decision) rolled() Version {
	if v, ok := d.known.Version(d.known.Rolled); ok && v.Broken == "" {
		return v
	}
	return d.current
}
