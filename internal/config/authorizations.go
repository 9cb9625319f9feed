package config

import (
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// AuthorizationsName is how the names that are kept proven without a
// certificate are called where certificates have names: in records, status
// and commands.
const AuthorizationsName = "authorizations"

// Known reports whether something of that name can be looked at: a
// certificate, or the names that are kept proven.
func (c *Config) Known(name string) bool {
	return c.Certificate(name) != nil || name == AuthorizationsName && len(c.Authorizations) > 0
}

// finishAuthorizations makes sure that each name can be proven.
func finishAuthorizations(r *reader, n *node, c *Config) {
	p := n.get("authorizations")
	if p == nil || len(c.Authorizations) == 0 {
		return
	}
	if c.Certificate(AuthorizationsName) != nil {
		r.out.add(p.at, fmt.Sprintf("beside \"authorizations\" no certificate may be named %q", AuthorizationsName), "name the certificate otherwise")
	}
	r.certs.general = indexRules(c.Challenges)
	r.certs.places = r.certs.places[:0]
	for _, item := range p.value.items {
		r.certs.places = append(r.certs.places, item.at)
	}
	checkMethods(r, &Certificate{Names: c.Authorizations})
}

// wantedAuthorizations is what package plan decides upon for them; a
// certificate that is none.
func (c *Config) wantedAuthorizations(global rules) plan.WantedCert {
	w := plan.WantedCert{
		Name: AuthorizationsName, Names: slices.Clone(c.Authorizations), Issuers: c.Defaults.Issuers[:min(1, len(c.Defaults.Issuers))],
		Proof: c.proof(&Certificate{Names: c.Authorizations}, global), Authorize: true, PerOrder: namesPerOrder,
		NoIssue: !c.Issue, NoSolve: !c.Solve,
	}
	if len(w.Issuers) > 0 {
		w.PerOrder = c.Issuers[w.Issuers[0]].NamesPerOrder
	}
	return w
}
