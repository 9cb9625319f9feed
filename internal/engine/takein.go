package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// takeIn reads the files of a certificate that somebody else makes, and stores
// what is good in them as a version; the plan then has it published. What does
// not fit is told, and changes nothing. A crash before the record is written
// leaves a version that nobody knows of, and the next look stores it again.
func (w *worker) takeIn(ctx context.Context, s plan.Step) *plan.Fault {
	now := time.Now()
	w.known.GivenLooked, w.known.GivenNext = now, plan.LookAgainAt(now)
	found, changed, err := w.readGiven(ctx, now)
	published := w.known.Published != ""
	switch age := now.Sub(changed); {
	case ctx.Err() != nil:
		return nil
	case err != nil && published && !s.Asked && age.Abs() < writingFor:
		// Somebody is writing them: two files do not change at once.
		w.known.GivenNext = now.Add(writingFor)
		return nil
	case err != nil:
		return w.refuseGiven(ctx, err)
	}
	version, stored := w.storedAs(found)
	if !stored {
		if version, err = w.storeGiven(ctx, found, now); err != nil {
			return w.fault(plan.CodeDisk, "store the certificate that was put there: "+err.Error(), nil)
		}
	}
	if g := w.known.Given; g != nil && g.Version == version.ID && g.Fault == nil {
		return nil
	}
	if err := w.noteGiven(ctx, &plan.Given{Version: version.ID}, &version); err != nil {
		return w.fault(plan.CodeDisk, "store that a certificate was put there: "+err.Error(), nil)
	}
	if !stored {
		w.emit(ctx, store.Event{
			Kind: store.EventIssued, Version: version.ID,
			Words: fmt.Sprintf("taken in, somebody else made it: %s, valid until %s", joinNames(w.want.Names), version.NotAfter().UTC().Format(time.RFC3339)),
		})
	}
	return nil
}

// givenPair is a pair from the administrator's files.
type givenPair struct {
	deploy.Pair
	chain chain.Chain
}

// readGiven reads and checks all pairs. What is good of only some of them is
// not enough: they are served together. changed is when the youngest of the
// files changed.
func (w *worker) readGiven(ctx context.Context, now time.Time) (found []givenPair, changed time.Time, err error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	for _, files := range cert.Static {
		pair, at, err := w.readPair(ctx, cert, files, now)
		if at.After(changed) {
			changed = at
		}
		if err != nil {
			return nil, changed, err
		}
		found = append(found, pair)
	}
	var types []string
	for _, p := range found {
		types = append(types, p.KeyType)
	}
	if !slices.Equal(types, w.want.KeyTypes) {
		return nil, changed, fmt.Errorf("the kind of key is %s now, and was %s when the configuration was read: reload it", strings.Join(types, ", "), strings.Join(w.want.KeyTypes, ", "))
	}
	return found, changed, nil
}

// readPair reads one pair. The key may be under the certificate's passphrase.
func (w *worker) readPair(ctx context.Context, cert *config.Certificate, files config.Static, now time.Time) (givenPair, time.Time, error) {
	texts := map[string][]byte{}
	var changed time.Time
	for _, path := range []string{files.Certificate, files.Key} {
		text, info, err := readGuarded(path)
		if info != nil && info.ModTime().After(changed) {
			changed = info.ModTime()
		}
		if err != nil {
			return givenPair{}, changed, err
		}
		texts[path] = text
	}
	var passphrase []byte
	if bytes.Contains(texts[files.Key], []byte("ENCRYPTED")) {
		var err error
		if passphrase, err = w.engine.passphrase(ctx, cert); err != nil {
			return givenPair{}, changed, err
		}
	}
	pair, err := deploy.FromFiles(texts, deploy.Password(passphrase), w.want.Names, now)
	if err != nil {
		return givenPair{}, changed, fmt.Errorf("%s: %w", files.Certificate, err)
	}
	parsed, err := chain.Parse(slices.Concat(pair.Leaf, pair.Rest))
	if err == nil && w.refuseBanned(parsed.SPKI()) != nil {
		err = errors.New("its key was said to be compromised")
	}
	if err != nil {
		return givenPair{}, changed, fmt.Errorf("%s: %w", files.Certificate, err)
	}
	return givenPair{pair, parsed}, changed, nil
}

// refuseGiven stores why what lies in the files is not taken in, where that is
// news. What was taken in before stays.
func (w *worker) refuseGiven(ctx context.Context, cause error) *plan.Fault {
	w.told = true // its event is emitted here, once
	fault := newFault(plan.CodeGiven, plan.BlameAdmin, "what is in the files that `static` names is not taken in: "+cause.Error())
	if known, ok := errors.AsType[*FaultError](cause); ok {
		fault = known.Fault
	}
	given := plan.Given{Fault: &fault}
	if before := w.known.Given; before != nil {
		given.Version = before.Version
		if before.Fault != nil && before.Fault.Code == fault.Code && before.Fault.Words == fault.Words {
			return before.Fault
		}
	}
	w.vacancies(ctx)
	if err := w.noteGiven(ctx, &given, nil); err != nil {
		return w.fault(plan.CodeDisk, "store why a certificate was not taken in: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{Kind: store.EventErrored, Words: fault.Words, Detail: fault.Detail, Fault: &fault})
	return &fault
}

// vacancies notes where a placeholder belongs.
func (w *worker) vacancies(ctx context.Context) {
	if w.known.Published != "" {
		return
	}
	w.known.Vacant = map[string]bool{}
	for _, want := range w.want.Targets {
		target, err := w.target(ctx, want.Name)
		if err != nil {
			continue // its installation will say so
		}
		if vacant, err := w.vacant(target); err == nil {
			w.known.Vacant[want.Name] = vacant
		}
	}
}

// storedAs is the stored version of exactly these pairs.
func (w *worker) storedAs(found []givenPair) (plan.Version, bool) {
	for _, v := range slices.Backward(w.known.Versions) {
		same := v.Broken == "" && slices.EqualFunc(v.Pairs, found, func(p plan.Pair, f givenPair) bool {
			return p.SHA256 == f.chain.Facts().SHA256
		})
		if same {
			return v, true
		}
	}
	return plan.Version{}, false
}

// storeGiven stores pairs as a version that nothing refers to yet.
func (w *worker) storeGiven(ctx context.Context, found []givenPair, now time.Time) (plan.Version, error) {
	record := store.VersionRecord{
		Certificate: w.want.Name,
		Version:     plan.Version{ID: newID(), Created: now, Adopted: true},
		Chains:      map[string]string{},
	}
	for _, f := range found {
		key, err := keys.Parse(f.Key)
		if err != nil {
			return plan.Version{}, err
		}
		if _, err := w.engine.Store.PutKey(ctx, key); err != nil {
			return plan.Version{}, err
		}
		facts := f.chain.Facts()
		record.Version.Pairs = append(record.Version.Pairs, plan.Pair{
			KeyType: f.KeyType, Key: facts.SPKI, Made: now, Request: plan.Request{Names: facts.Names, MustStaple: facts.MustStaple},
			NotBefore: facts.NotBefore, NotAfter: facts.NotAfter, Serial: facts.Serial, SHA256: facts.SHA256,
			CertID: facts.CertID, CA: facts.CA,
		})
		record.Chains[f.KeyType] = string(f.chain.PEM())
	}
	return record.Version, w.engine.Store.PutVersion(ctx, record)
}

// noteGiven stores what was found, and the version that waits to be published.
func (w *worker) noteGiven(ctx context.Context, given *plan.Given, version *plan.Version) error {
	return w.engine.Store.UpdateCert(context.WithoutCancel(ctx), w.want.Name, func(k *plan.KnownCert) error {
		k.Given = given
		if version == nil {
			return nil
		}
		if _, ok := k.Version(version.ID); !ok {
			k.Versions = append(k.Versions, *version)
		}
		k.Ready = ""
		if version.ID != k.Published {
			k.Ready = version.ID // its TLSA records come first
		}
		return nil
	})
}
