package engine

import (
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/params"
	"github.com/certkeep/certkeep/internal/plan"
)

// params are the parameters that the target's files are to hold. Until a group
// of one's own was found, that of RFC 7919 stands in for it.
func (p *parts) params(cert *config.Certificate, target deploy.Target, own *plan.DHParams) (deploy.Params, error) {
	var to deploy.Params
	if target.Holds(deploy.PartDHParams) && cert.DHParams.On() {
		group, err := params.Group(cert.DHParams.Group)
		if err != nil {
			return to, err
		}
		if to.DH, err = group.PEM(); err != nil {
			return to, err
		}
		if cert.DHParams.Own > 0 && own != nil && own.Bits == cert.DHParams.Own {
			to.DH = []byte(own.PEM)
		}
	}
	if !target.Holds(deploy.PartECParams) {
		return to, nil
	}
	for _, name := range cert.ECParams {
		curve, err := params.Curve(name)
		if err != nil {
			return to, fmt.Errorf("ec_params: %w", err)
		}
		to.EC = slices.Concat(to.EC, curve)
	}
	return to, nil
}

// ownDH names the group of its own that the target gets; "" where it gets
// another, or none.
func (w *worker) ownDH(target deploy.Target) string {
	want, have := w.parts.cfg.Certificate(w.want.Name).DHParams, w.known.DH
	if want.Own == 0 || have == nil || have.Bits != want.Own || !target.Holds(deploy.PartDHParams) {
		return ""
	}
	return have.ID
}
