package status

import (
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// rolled lists what a change of keys that is to begin will make due: an order
// for each certificate on them, then the switch. A key that stays the primary
// one needs none, nor does a certificate whose own renewal the change is: that
// order is planned already.
func rolled(s plan.Step, w plan.World, planned []plan.Step) []plan.Step {
	if s.Kind != plan.KindRoll || s.Reason.Code == plan.ReasonCancelled {
		return nil
	}
	var all []plan.Step
	for _, want := range w.Wanted.Certs {
		known := w.Known.Cert(want.Name)
		if _, has := known.Version(known.Published); want.Keys != s.Keys || !has || want.NoIssue {
			continue
		}
		for _, keyType := range want.KeyTypes {
			issue := plan.Step{Kind: plan.KindIssue, Cert: want.Name, KeyType: keyType, Issuer: first(want.Issuers), At: s.At, Asked: s.Asked, Urgent: s.Urgent}
			issue.Reason = plan.Reason{Code: plan.ReasonRolled, Words: "for the next key: " + s.Reason.Words}
			stays := s.Roll[keyType] != "" && s.Roll[keyType] == w.Known.KeysOf(s.Keys).Primary(keyType)
			if !stays && !isPlanned(planned, issue) {
				all = append(all, issue)
				all = append(all, installs(issue, want)...)
			}
		}
	}
	return append(all, plan.Step{
		Kind: plan.KindSwitch, Keys: s.Keys, At: s.At, Asked: s.Asked, Urgent: s.Urgent,
		Reason: plan.Reason{Code: plan.ReasonRolled, Words: "as soon as every certificate is there on the new keys"},
	})
}

// isPlanned reports whether a plan has the order already.
func isPlanned(planned []plan.Step, issue plan.Step) bool {
	return slices.ContainsFunc(planned, func(s plan.Step) bool {
		return (s.Kind == plan.KindIssue || s.Kind == plan.KindResume) && s.Cert == issue.Cert && s.KeyType == issue.KeyType && s.At.Equal(issue.At)
	})
}
