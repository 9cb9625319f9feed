package status

import "github.com/certkeep/certkeep/internal/plan"

// InPlace reports whether each certificate can be used: it is published and
// has not ended, and its files lie at each of its targets; or all its names
// are proven, where that alone is wanted. A placeholder is none. That services were told, or present it, is not asked: they may be
// what waits for it.
func (o Overview) InPlace() bool {
	for _, c := range o.Certificates {
		if c.missing || c.ended || c.State == Unknown || c.Published == "" && c.Authorized == nil {
			return false
		}
		for _, a := range c.Authorized {
			if a.Issuer == "" {
				return false
			}
		}
		for _, t := range c.Targets {
			if !t.Current || t.State == string(plan.TargetPending) {
				return false
			}
		}
	}
	return true
}
