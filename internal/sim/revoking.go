package sim

import (
	"context"
	"slices"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// revoke asks for the end of what a.test serves, unless that was asked for.
func revoke(ctx context.Context, b *whole, e *engine.Engine) error {
	w, err := e.World(ctx)
	if err != nil {
		return err
	}
	if k := w.Known.Certs[wholeA]; k.Published == b.mark[wholeA] && len(k.Revocations) == 0 && !b.revokedAtCA(k.Versions, b.mark[wholeA]) {
		if err := e.Revoke(ctx, []string{wholeA}, engine.RevokeWish{Reason: plan.RevokeSuperseded}); err != nil {
			return err
		}
	}
	return apply(ctx, b, e)
}

// revokedLeft says what is missing: a replacement that is installed, and then
// the old certificates revoked.
func revokedLeft(b *whole, w *plan.World) string {
	if left := certsLeft(wholeA)(b, w); left != "" {
		return left
	}
	k := w.Known.Certs[wholeA]
	switch {
	case len(k.Revocations) > 0:
		return "revocations are under way"
	case !b.revokedAtCA(k.Versions, b.mark[wholeA]):
		return "the CA has not revoked the old certificate"
	case slices.ContainsFunc(k.Versions, func(v plan.Version) bool { return v.ID == k.Published && b.anyRevokedAtCA(v) }):
		b.judge.breach("%s: the replacement was revoked", b.chapter)
	}
	return ""
}

// revokedAtCA reports whether the CA revoked all of a version. One that was
// pruned since it was replaced had been revoked before.
func (b *whole) revokedAtCA(versions []plan.Version, id string) bool {
	i := slices.IndexFunc(versions, func(v plan.Version) bool { return v.ID == id })
	return i < 0 || !slices.ContainsFunc(versions[i].Pairs, func(p plan.Pair) bool { return !b.isRevoked(p) })
}

func (b *whole) anyRevokedAtCA(v plan.Version) bool { return slices.ContainsFunc(v.Pairs, b.isRevoked) }

func (b *whole) isRevoked(p plan.Pair) bool {
	for _, one := range b.ca.Issuances() {
		if one.Serial == p.Serial {
			return !one.RevokedAt.IsZero()
		}
	}
	return false
}
