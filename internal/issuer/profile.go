package issuer

import (
	"context"
	"errors"

	"github.com/certkeep/certkeep/internal/plan"
)

// chooseProfile refuses a profile that the CA does not offer, or goes without
// where it is only wished. A saved order was opened by the same rule.
func (r *issuance) chooseProfile(ctx context.Context) error {
	err := r.ca.checkProfile(ctx, r.job.Profile)
	refused, ok := errors.AsType[*Error](err)
	if !ok || refused.Code != plan.CodeProfile || !r.job.ProfileWished {
		return err
	}
	r.warn(err)
	r.job.Profile, r.unprofiled = "", true
	return nil
}
