package status_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// TestStatements: what others say of the published certificate is told, and
// nothing of what they said of another.
func TestStatements(t *testing.T) {
	now := time.Date(2027, 1, 10, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	for name, c := range map[string]struct {
		staple  plan.Staple
		revoked bool
		want    *status.OCSP
	}{
		"never asked":     {plan.Staple{}, false, nil},
		"another's":       {plan.Staple{Leaf: "other", SHA256: "x", Ends: day(1)}, false, nil},
		"good":            {plan.Staple{Leaf: "leaf", SHA256: "x", Responder: "http://o", ThisUpdate: day(-1), Ends: day(1), Asked: day(0)}, false, &status.OCSP{State: "good", Responder: "http://o", ThisUpdate: day(-1), Until: day(1), Asked: day(0)}},
		"ended":           {plan.Staple{Leaf: "leaf", SHA256: "x", Ends: day(0)}, false, &status.OCSP{State: "ended", Until: day(0)}},
		"failing":         {plan.Staple{Leaf: "leaf", Asked: day(0)}, false, &status.OCSP{State: "missing", Asked: day(0)}},
		"nobody to ask":   {plan.Staple{Leaf: "leaf", Missing: true}, false, &status.OCSP{State: "no-responder"}},
		"revoked by then": {plan.Staple{Leaf: "leaf", SHA256: "x", Ends: day(1)}, true, &status.OCSP{State: "revoked", Until: day(1)}},
	} {
		pair := plan.Pair{KeyType: "ecdsa-p256", SHA256: "leaf", NotBefore: day(-1), NotAfter: day(80), Revoked: c.revoked}
		known := &plan.KnownCert{
			Name: "a", Published: "v", Versions: []plan.Version{{ID: "v", Pairs: []plan.Pair{pair}}},
			OCSP: map[string]plan.Staple{"ecdsa-p256": c.staple},
			SCT: map[string]plan.Receipts{"ecdsa-p256": {
				Leaf: "leaf", Embedded: []plan.Embedded{{Log: "oak", At: day(-2), Verdict: plan.VerdictWrong, Words: "w"}},
				Logs: map[string]plan.Receipt{"gone": {SHA256: "y"}, "one": {SHA256: "x", At: day(-1)}},
			}},
		}
		w := plan.World{Wanted: plan.Wanted{Certs: []plan.WantedCert{{Name: "a", KeyTypes: []string{"ecdsa-p256"}, OCSP: &plan.WantedOCSP{}, SCT: &plan.WantedSCT{Logs: []string{"one", "two"}}}}}, Known: plan.Known{Certs: map[string]*plan.KnownCert{"a": known}}}
		got := status.Of(now, w).Certificates[0].Pairs[0]
		if !reflect.DeepEqual(got.OCSP, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got.OCSP, c.want)
		}
		scts := []status.SCT{{Log: "oak", At: day(-2), Embedded: true, Verdict: "wrong", Words: "w"}, {Log: "one", At: day(-1), Verdict: "right"}, {Log: "two", Verdict: "unknown"}}
		if !reflect.DeepEqual(got.SCTs, scts) {
			t.Errorf("%s: receipts %+v", name, got.SCTs)
		}
	}
}
