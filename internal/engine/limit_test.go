package engine

import (
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
)

// A CA counts the failed proof of a name, and that of its wildcard, as two of the
// same name; of several things that it says of one proof it counts one.
func TestFailedProofsAreCountedAsTheCADoes(t *testing.T) {
	t.Parallel()
	refused := &issuer.Error{CA: "le", Code: plan.CodeChallenge, Err: issuer.ErrOrderGone, Subproblems: []issuer.Subproblem{
		{Name: "*.a.test", Type: "dns"}, {Name: "a.test", Type: "dns"}, {Name: "a.test", Type: "caa"}, {Name: "b.test"}, {},
	}}
	if got := unproven(refused); !slices.Equal(got, []string{"a.test", "a.test", "b.test"}) {
		t.Errorf("counted are %q", got)
	}
	refused.Code = plan.CodeRateLimited
	if got := unproven(refused); len(got) != 0 {
		t.Errorf("counted are %q, of which nothing was looked at", got)
	}
}
