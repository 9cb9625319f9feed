package status_test

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// The CA's window, and where it says why, are told of the certificate that is
// published, and of no other.
func TestRenewalInfoIsTold(t *testing.T) {
	advice := func(id string) func(*plan.WantedCert, *plan.KnownCert) {
		return func(_ *plan.WantedCert, k *plan.KnownCert) {
			k.Advice = map[string]plan.Advice{p256: {
				CertID: id, Start: now, End: now.Add(day), At: now.Add(day / 2), URL: "https://ca.example/why", Asked: now, AskAgain: now.Add(day / 4),
			}}
		}
	}
	got := status.Of(now, world(advice("id.1"))).Certificates[0].Pairs[0].Advice
	if want := (status.Advice{Start: now, End: now.Add(day), At: now.Add(day / 2), URL: "https://ca.example/why", Asked: now, AskAgain: now.Add(day / 4)}); got == nil || *got != want {
		t.Errorf("renewal_info is %+v, want %+v", got, want)
	}
	if got := status.Of(now, world(advice("id.0"))).Certificates[0].Pairs[0].Advice; got != nil {
		t.Errorf("that of another certificate is told: %+v", got)
	}
}
