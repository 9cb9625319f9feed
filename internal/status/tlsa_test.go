package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// What waits for TLSA records to reach every cache is told with the instant,
// whether the certificate waits or the switch of its keys.
func TestWaitForDNSIsTold(t *testing.T) {
	t.Parallel()
	const name = "_25._tcp.mail.example.com"
	waiting := func(want *plan.WantedCert, k *plan.KnownCert) {
		next := k.Versions[0]
		next.ID, next.Pairs = "V2", []plan.Pair{k.Versions[0].Pairs[0]}
		next.Pairs[0].Key = "ef"
		k.Versions = append(k.Versions, next)
		want.TLSA = []plan.WantedTLSA{{Name: name, Config: "c"}}
		facts := plan.TLSAFacts{}.See(now.Add(-day), []string{"3 1 1 ab"}, 5*time.Minute).See(now, []string{"3 1 1 ab", "3 1 1 ef"}, 5*time.Minute)
		k.TLSA = map[string]plan.KnownTLSA{name: {
			Config: "c", Facts: facts, Chains: map[string][][]string{"V1": {{"3 1 1 ab"}}, "V2": {{"3 1 1 ef"}}}, Keys: map[string][]string{"ef": {"3 1 1 ef"}},
		}}
	}
	ready := world(waiting, func(_ *plan.WantedCert, k *plan.KnownCert) { k.Ready = "V2" })
	rolled := world(waiting, func(want *plan.WantedCert, k *plan.KnownCert) { k.Rolled, want.Keys = "V2", "mail" })
	rolled.Wanted.Keys = []plan.WantedKeys{{Name: "mail", KeyTypes: []string{p256}, Certs: []string{"mail"}}}
	rolled.Known.Keys = map[string]*plan.KnownKeys{"mail": {
		Name: "mail", Keys: map[string]plan.KeySet{p256: {Primary: plan.Key{SHA256: "ab"}}}, Rolling: &plan.Rollover{At: now, Keys: map[string]string{p256: "ef"}},
	}}
	for what, w := range map[string]plan.World{"certificate": ready, "keys": rolled} {
		r := status.Of(now, w).Certificates[0].Renewal
		if r == nil || !r.At.Equal(now.Add(10*time.Minute)) || !strings.HasSuffix(r.Reason.Words, "; waits until 2026-11-20 12:10 UTC for the TLSA records of "+name+" to reach every cache") {
			t.Errorf("%s: renewal %+v", what, r)
		}
	}
}
