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
				case p.Issuer != "" && p.Keys == "" && w.want.Keys == "":
					keysGone = append(keysGone, p.Key)
				}
				// One that was adopted, or is shared, another certificate may
				// have too; one of before the certificate was put on keys may
				// have become theirs. Housekeeping drops those of nobody.
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
	if len(keysGone) == 0 {
		return nil
	}
	shared, err := w.engine.Store.KeySetKeys(ctx)
	if err != nil {
		return w.fault(plan.CodeDisk, "see which keys outlive their certificates: "+err.Error(), nil)
	}
	if len(shared) > 0 {
		return nil // a key may have been theirs for a while: housekeeping knows who refers to what
	}
	for _, key := range keysGone {
		if slices.Contains(keysLeft, key) {
			continue
		}
		if err := w.engine.Store.DeleteKey(ctx, key); err != nil {
			return w.fault(plan.CodeDisk, "delete an old key: "+err.Error(), nil)
		}
	}
	return nil
}
