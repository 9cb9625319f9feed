package issuer

import (
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

// Limit is which limit a CA refused a request by, as far as its words say: Let's
// Encrypt's are known. It is a hint and no more; "" says nothing.
func (e *Error) Limit() (kind plan.LimitKind, whom string) {
	if e.Code != plan.CodeRateLimited {
		return "", ""
	}
	words := strings.ToLower(e.Detail)
	switch {
	case strings.Contains(words, "too many new orders"):
		return plan.LimitOrders, ""
	case strings.Contains(words, "exact set of identifiers"), strings.Contains(words, "exact set of domains"):
		return plan.LimitNames, ""
	case strings.Contains(words, "too many failed authorizations"):
		kind, whom = plan.LimitFailures, quoted(words)
	case strings.Contains(words, "too many certificates"):
		kind, whom = plan.LimitDomain, quoted(words)
	case strings.Contains(words, "too many new registrations"):
		return plan.LimitAccounts, ""
	}
	if whom == "" {
		return "", ""
	}
	return kind, whom
}

// quoted is the first name between quotation marks.
func quoted(words string) string {
	_, rest, _ := strings.Cut(words, `"`)
	name, _, closed := strings.Cut(rest, `"`)
	if !closed || len(name) > 253 || strings.ContainsAny(name, " /") {
		return ""
	}
	return name
}
