package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// salvage looks for a version that an order came to, that was written, and
// that nobody points to, because a crash came before it was published. Other
// versions that nobody points to are dropped. The certificate has this one
// worker, so none of them is just being made.
func (w *worker) salvage(ctx context.Context, s plan.Step, order plan.Order) (store.VersionRecord, bool) {
	ids, err := w.engine.Store.VersionIDs(ctx, w.want.Name)
	if err != nil {
		return store.VersionRecord{}, false // the CA has it too
	}
	var found store.VersionRecord
	for _, id := range ids {
		if _, pointed := w.known.Version(id); pointed {
			continue
		}
		record, err := w.engine.Store.Version(ctx, w.want.Name, id)
		pair, ok := record.Version.Pair(s.KeyType)
		if err == nil && ok && w.answers(s, pair, order) {
			found = record
			continue
		}
		if err := w.engine.Store.DeleteVersion(ctx, w.want.Name, id); err != nil {
			w.engine.Log.Warn("cannot delete a version nobody points to", "certificate", w.want.Name, "version", id, "error", err)
		}
	}
	return found, found.Version.ID != ""
}

// answers reports whether a pair that nobody points to is what the step is to
// bring: what came of this very order, or of one before that has ended at the
// CA meanwhile, and is newer than what is published. A key that outlives
// certificates says nothing of the order: what a prune could not delete has it
// too, and was made before.
func (w *worker) answers(s plan.Step, pair plan.Pair, order plan.Order) bool {
	ours := order.Keys == "" || !pair.Made.Before(order.Created)
	if ours && pair.Key == order.Key && slices.Equal(pair.Request.Names, order.Request.Names) {
		return true
	}
	if s.Key != "" && pair.Key != s.Key {
		return false // on another key than is wanted now
	}
	if s.Asked || w.refuseBanned(pair.Key) != nil || !slices.Contains(w.want.Issuers, pair.Issuer) || !reflect.DeepEqual(pair.Request, order.Request) || !pair.NotAfter.After(time.Now()) {
		return false
	}
	published, _ := w.known.Version(w.known.Published)
	old, there := published.Pair(s.KeyType)
	return !there || pair.NotBefore.After(old.NotBefore)
}

// housekeeping drops what is kept no longer: replaced files, and keys that a
// crash left without an order. It runs once a day in a process that goes on,
// after a single pass that issued something, and without the keys, which all
// have to be read for it, at the start of any.
func (e *Engine) housekeeping(ctx context.Context, keys bool) {
	p, now := e.current(), time.Now()
	byKeys := p.cfg.Keep.ArchiveDirectory
	if p.helped {
		byKeys = "" // the helper's
	}
	if err := p.deployer.PruneArchive(now, p.cfg.Keep.Archive, byKeys); err != nil {
		e.Log.Warn("cannot prune the archive of replaced files", "error", err)
	}
	if !keys {
		return
	}
	unused, err := e.Store.UnusedKeys(ctx, now, unusedKeyAge)
	if err != nil {
		e.Log.Warn("cannot look for keys that nobody uses", "error", err)
		return
	}
	for _, fingerprint := range unused {
		if err := e.Store.DeleteKey(ctx, fingerprint); err != nil {
			e.Log.Warn("cannot delete a key that nobody uses", "key", fingerprint, "error", err)
			return
		}
	}
	if len(unused) > 0 {
		e.Log.Info(fmt.Sprintf("%d keys that nobody uses were deleted", len(unused)))
	}
}

// How old a key without an order has to be until it is dropped, and how often
// a running process looks.
const (
	unusedKeyAge = 7 * 24 * time.Hour
	housekeepDay = 24 * time.Hour
)

// trim keeps the history of the certificate to what the config says.
func (w *worker) trim(ctx context.Context) {
	if !w.emitted.Load() && w.want.Keys == "" {
		return // nothing was added; what a change of keys adds is trimmed here too
	}
	if err := w.engine.Store.TrimHistory(ctx, w.want.Name, w.parts.cfg.Keep.Events); err != nil {
		w.engine.Log.Warn("cannot trim the history", "certificate", w.want.Name, "error", err)
	}
}

// issued reports whether an order came to a certificate.
func (o Outcome) issued() bool {
	return o.Fault == nil && (o.Step.Kind == plan.KindIssue || o.Step.Kind == plan.KindResume)
}

// tidyAbandoned removes what a killed process left beside the files of
// certificates that were taken out of the config: no installation comes there
// any more that would do so.
func (e *Engine) tidyAbandoned(unclaimed []*plan.KnownCert) {
	if e.current().helped {
		return // a helper follows no paths that are stored
	}
	for _, k := range unclaimed {
		for name, target := range k.Targets {
			if err := e.current().deployer.TidyAbandoned(target.Files); err != nil {
				e.Log.Warn("leftovers beside files of a certificate that is not in the config could not be removed", "certificate", k.Name, "target", name, "error", err)
			}
		}
	}
}
