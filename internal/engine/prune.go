package engine

import (
	"context"
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// prune drops versions that are kept no longer. The group forgets them first:
// a crash then leaves records nobody points to, never a pointer to nothing.
func (w *worker) prune(ctx context.Context, s plan.Step) *plan.Fault {
	var keysLeft, keysGone []string
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		keysLeft, keysGone = nil, nil
		var kept []plan.Version
		for _, v := range k.Versions {
			gone := slices.Contains(s.Drop, v.ID) && v.ID != k.Published
			if !gone {
				kept = append(kept, v)
			}
			for _, p := range v.Pairs {
				switch {
				case !gone:
					keysLeft = append(keysLeft, p.Key)
				case p.Issuer != "":
					keysGone = append(keysGone, p.Key)
				}
				// One that was adopted another certificate may have been found
				// with too. Housekeeping drops those of nobody.
			}
		}
		for _, o := range k.Orders {
			keysLeft = append(keysLeft, o.Key)
		}
		k.Versions = kept
		if slices.Contains(s.Drop, k.Rolled) {
			k.Rolled = ""
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "forget old versions: "+err.Error(), nil)
	}
	for _, id := range s.Drop {
		if err := w.engine.Store.DeleteVersion(ctx, w.want.Name, id); err != nil {
			return w.fault(plan.CodeDisk, "delete version "+id+": "+err.Error(), nil)
		}
	}
	keysGone = slices.DeleteFunc(keysGone, func(key string) bool { return slices.Contains(keysLeft, key) })
	if err := w.engine.dropKeys(ctx, keysGone, w.want.Keys != ""); err != nil {
		return w.fault(plan.CodeDisk, "delete an old key: "+err.Error(), nil)
	}
	return nil
}

// dropKeys deletes keys that nobody refers to. One that is, or was, kept for
// longer than one certificate may be anybody's: then all records are asked.
func (e *Engine) dropKeys(ctx context.Context, gone []string, kept bool) error {
	if len(gone) == 0 {
		return nil
	}
	var used map[string][]string
	var err error
	if !kept {
		var sets []string
		sets, err = e.Store.KeySetKeys(ctx)
		kept = len(sets) > 0
	}
	if err == nil && kept {
		used, err = e.Store.References(ctx)
	}
	if err != nil {
		e.Log.Info("who uses which key is not known; old ones are left to housekeeping", "error", err)
		return nil
	}
	for _, key := range gone {
		if used[key] != nil {
			continue
		}
		if err := e.Store.DeleteKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
