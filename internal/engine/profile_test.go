package engine

import (
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// A profile that is only wished keeps nobody from a certificate: the CA that
// does not offer it is asked without, once, and a person is told.
func TestWishedProfileKeepsNobodyWaiting(t *testing.T) {
	f := newFixture(t, acmetest.Options{Profiles: map[string]acmetest.Profile{"short": {Description: "six days", Validity: 6 * 24 * 3600e9}}})
	f.configure("certificates: {a.test: {profile: medium, profile_mandatory: false}, b.test: {profile: short, profile_mandatory: false}, c.test: {profile: medium}}\n")
	f.pass()
	if p := f.problems("a.test")[plan.CodeMisfit]; f.known("a.test").Published == "" || p.Severity != plan.Warning || !strings.Contains(p.Words, "profile") {
		t.Errorf("wished, not offered: published %q, told %+v", f.known("a.test").Published, p)
	}
	if _, told := f.problems("b.test")[plan.CodeMisfit]; f.known("b.test").Published == "" || told {
		t.Errorf("wished and offered: published %q, told %t", f.known("b.test").Published, told)
	}
	if _, told := f.problems("c.test")[plan.CodeProfile]; f.known("c.test").Published != "" || !told {
		t.Errorf("mandatory, not offered: published %q, told %t", f.known("c.test").Published, told)
	}
	before := f.known("a.test").Published
	f.pass()
	if f.known("a.test").Published != before {
		t.Error("it is ordered again and again")
	}
}
