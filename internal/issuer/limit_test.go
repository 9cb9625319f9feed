package issuer

import (
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// Let's Encrypt's words say which limit is spent; others say nothing.
func TestLimitWords(t *testing.T) {
	for words, want := range map[string][2]string{
		"too many new orders (300) from this account in the last 3h0m0s, retry after 2026-02-04 15:12:13 UTC: see https://letsencrypt.org/docs/rate-limits/": {"orders", ""},
		`too many certificates (50) already issued for "example.com" in the last 168h0m0s, retry after 2026-02-04 15:12:13 UTC`:                              {"domain", "example.com"},
		"too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-02-04 15:12:13 UTC":               {"names", ""},
		`too many failed authorizations (5) for "a.example.com" in the last 1h0m0s, retry after 2026-02-04 15:12:13 UTC`:                                     {"failures", "a.example.com"},
		"too many new registrations (10) from this IP address in the last 3h0m0s":                                                                            {"accounts", ""},
		"too many certificates": {"", ""}, `too many certificates (50) already issued for "a b`: {"", ""}, "slow down": {"", ""}, "": {"", ""},
	} {
		e := &Error{Code: plan.CodeRateLimited, Detail: words}
		if kind, whom := e.Limit(); string(kind) != want[0] || whom != want[1] {
			t.Errorf("%q is the limit of %q %q, want %q", words, kind, whom, want)
		}
	}
	if kind, _ := (&Error{Code: plan.CodeRejected, Detail: "too many new orders"}).Limit(); kind != "" {
		t.Error("what is no refusal by a limit is taken for one")
	}
}
