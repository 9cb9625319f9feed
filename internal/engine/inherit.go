package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// inherit takes over the version of a stored certificate that the config does
// not name any more. It becomes a version of this certificate, on the same key;
// what it was taken from stays as it is. A crash after the version was written
// leaves one that nobody points to, and the next run takes over again.
func (w *worker) inherit(ctx context.Context, s plan.Step) *plan.Fault {
	record, err := w.engine.Store.Version(ctx, s.From, s.Version)
	if err == nil {
		for _, p := range record.Version.Pairs {
			if _, keyErr := w.engine.Store.Key(ctx, p.Key); keyErr != nil {
				err = keyErr
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if fault := sealedFault(err); fault != nil {
		return fault
	}
	if err != nil {
		w.disown(s.From) // it is of no use: an order follows
		if errors.Is(err, store.ErrNotFound) {
			return nil // forgotten meanwhile
		}
		return w.fault(plan.CodeKeyLost, fmt.Sprintf("take over what is stored of %s: %v", s.From, err), nil)
	}
	now := time.Now()
	record.Certificate = w.want.Name
	record.Version.ID, record.Version.Created = newID(), now
	for i := range record.Version.Pairs {
		record.Version.Pairs[i].Keys = "" // those of the other one are not this one's
	}
	err = w.engine.Store.PutVersion(ctx, record)
	if err == nil {
		err = w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
			k.Name = w.want.Name
			k.Versions = append(k.Versions, record.Version)
			k.Published = record.Version.ID
			return nil
		})
	}
	if err != nil {
		return w.fault(plan.CodeDisk, fmt.Sprintf("take over what is stored of %s: %v", s.From, err), nil)
	}
	w.emit(ctx, store.Event{
		Kind: store.EventIssued, Version: record.Version.ID,
		Words: fmt.Sprintf("taken over from %s, which is in the config no more: %s, valid until %s", s.From,
			strings.Join(record.Version.Pairs[0].Request.Names, ", "), record.Version.NotAfter().UTC().Format(time.RFC3339)),
	})
	return nil
}

// disown has this worker look at a stored certificate no more.
func (w *worker) disown(name string) {
	var left []*plan.KnownCert
	for _, k := range w.orphans {
		if k.Name != name {
			left = append(left, k)
		}
	}
	w.orphans = left
}
