package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// adopt takes over a valid, fitting pair that is found at a target, instead
// of ordering one. A damaged record is rebuilt from its versions first. Where
// nothing is found, that is known to this process only: looking costs little.
func (w *worker) adopt(ctx context.Context, s plan.Step) *plan.Fault {
	if s.Reason.Code == plan.ReasonDamaged {
		if err := w.engine.Store.Repair(ctx, w.want.Name); err != nil {
			return w.fault(plan.CodeDamaged, "rebuild the record: "+err.Error(), nil)
		}
		w.engine.Log.Warn("a damaged record was put aside and rebuilt", "certificate", w.want.Name, "damage", s.Reason.Words)
		return nil
	}
	w.known.Looked, w.known.Vacant = true, map[string]bool{}
	var fault *plan.Fault // of the first target that cannot be looked at: it keeps nobody from the others
	for _, want := range w.want.Targets {
		target, err := w.target(ctx, want.Name)
		if err != nil {
			fault = cmp.Or(fault, w.targetFault(err))
			continue
		}
		own := target.Files
		if want.Shared {
			target.Files = append(slices.Clip(own), w.parts.sharedKeyFiles(w.want)...)
		}
		content, found, why := deploy.Found(target, w.want.Names, time.Now())
		if found && w.onBannedKey(content) {
			found, why = false, "its key was said to be compromised"
		}
		if found && w.wasRevoked(content) {
			found, why = false, "it was revoked"
		}
		if found {
			w.adopted = true
			fault := w.takeOver(ctx, want.Name, content)
			w.known.Looked = fault == nil // what could not be stored is still there: nothing is ordered in its place
			return fault
		}
		if why != "" {
			w.engine.Log.Info("what is at the target is not taken over", "certificate", w.want.Name, "target", want.Name, "why", why)
		}
		if want.Shared {
			target.Files = own // its key may be in place, for others on it
		}
		vacant, err := w.vacant(target)
		if err != nil {
			fault = cmp.Or(fault, w.targetFault(err))
			continue
		}
		w.known.Vacant[want.Name] = vacant
	}
	return fault
}

// vacant reports whether a placeholder belongs at a target: no usable file is
// there, or a placeholder that no fact tells of, whose services may not know it.
func (w *worker) vacant(target deploy.Target) (bool, error) {
	if vacant, err := deploy.Vacant(target); vacant || err != nil {
		return vacant, err
	}
	var remembered []plan.File
	if fact := w.known.Targets[target.Name]; fact.Spare != nil {
		remembered = fact.Files
	}
	return deploy.Untold(target, remembered)
}

// onBannedKey reports whether something that was found is on a key that must
// not be used again.
func (w *worker) onBannedKey(content deploy.Content) bool {
	return slices.ContainsFunc(content.Pairs, func(p deploy.Pair) bool {
		parsed, err := chain.Parse(p.Leaf)
		return err == nil && w.refuseBanned(parsed.SPKI()) != nil
	})
}

// wasRevoked reports whether something that was found is known to be revoked.
func (w *worker) wasRevoked(content deploy.Content) bool {
	return slices.ContainsFunc(content.Pairs, func(found deploy.Pair) bool {
		parsed, err := chain.Parse(found.Leaf)
		return err == nil && slices.ContainsFunc(w.known.Versions, func(v plan.Version) bool {
			return slices.ContainsFunc(v.Pairs, func(p plan.Pair) bool { return p.Revoked && p.SHA256 == parsed.Facts().SHA256 })
		})
	})
}

// takeOver makes a version of what was found.
func (w *worker) takeOver(ctx context.Context, target string, content deploy.Content) *plan.Fault {
	now := time.Now()
	record := store.VersionRecord{
		Certificate: w.want.Name,
		Version:     plan.Version{ID: newID(), Created: now, Adopted: true},
		Chains:      map[string]string{},
	}
	for _, p := range content.Pairs {
		pair, text, err := w.adoptedPair(ctx, p, now)
		if fault := sealedFault(err); fault != nil {
			return fault
		}
		if err != nil {
			return w.fault(plan.CodeDisk, "take over what is at the target: "+err.Error(), nil)
		}
		record.Version.Pairs = append(record.Version.Pairs, pair)
		record.Chains[p.KeyType] = text
	}
	err := w.engine.Store.PutVersion(ctx, record)
	if err == nil {
		err = w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
			k.Versions = append(k.Versions, record.Version)
			k.Published = record.Version.ID
			return nil
		})
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "take over what is at the target: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{
		Kind: store.EventIssued, Target: target, Version: record.Version.ID,
		Words: fmt.Sprintf("taken over from target %s: %s, valid until %s", target, strings.Join(w.want.Names, ", "), record.Version.NotAfter().UTC().Format(time.RFC3339)),
	})
	return nil
}

// adoptedPair stores a found key and describes its certificate. What was once
// asked for is not known: it is taken to be what is wanted now.
func (w *worker) adoptedPair(ctx context.Context, p deploy.Pair, now time.Time) (plan.Pair, string, error) {
	text := string(p.Leaf) + string(p.Rest)
	parsed, err := chain.Parse([]byte(text))
	if err != nil {
		return plan.Pair{}, "", err
	}
	if p.Key != nil && w.want.CSR == "" {
		key, err := keys.Parse(p.Key)
		if err != nil {
			return plan.Pair{}, "", err
		}
		if _, err := w.engine.Store.PutKey(ctx, key); err != nil {
			return plan.Pair{}, "", err
		}
	}
	facts := parsed.Facts()
	return plan.Pair{
		KeyType: p.KeyType, Key: facts.SPKI, Made: now, Request: w.want.Request(),
		NotBefore: facts.NotBefore, NotAfter: facts.NotAfter, Serial: facts.Serial, SHA256: facts.SHA256,
		CertID: facts.CertID, CA: facts.CA,
	}, text, nil
}
