package issuer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// problem is an error document of a CA, RFC 8555 section 6.7 and RFC 9457.
type problem struct {
	Type        string           `json:"type"`
	Title       string           `json:"title"`
	Detail      string           `json:"detail"`
	Instance    string           `json:"instance"`
	Subproblems []subproblemJSON `json:"subproblems"`
}

type subproblemJSON struct {
	Type       string          `json:"type"`
	Title      string          `json:"title"`
	Detail     string          `json:"detail"`
	Identifier acme.Identifier `json:"identifier"`
}

// The types of problem that the ACME library does not name.
const (
	problemInvalidProfile = acme.ProblemTypeNamespace + "invalidProfile"
	problemOrderNotReady  = acme.ProblemTypeOrderNotReady
)

// explain makes an *Error of what an operation came to. The library's own
// error counts only where nothing was sent or received.
func (ca *CA) explain(op string, rec *record, err error) *Error {
	switch {
	case rec.failed != nil:
		code, blame, cause := networkFault(rec.failed)
		return ca.fault(op, code, blame, cause)
	case rec.last == nil:
		return ca.fault(op, plan.CodeUnexpected, plan.BlameUs, err)
	case rec.last.status >= 400:
		return ca.refusal(op, rec.last)
	case rec.last.status >= 300:
		return ca.fault(op, plan.CodeCAGarbage, plan.BlameCA,
			fmt.Errorf("HTTP status %d instead of an answer", rec.last.status))
	default:
		e := ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, fmt.Errorf(
			"the answer (%s) cannot be understood: %w", orNothing(rec.last.mediaType()), err))
		e.Detail = excerpt(rec.last.body)
		return e
	}
}

// refusal describes an answer with an HTTP status of 400 or more.
func (ca *CA) refusal(op string, a *answer) *Error {
	e := &Error{CA: ca.cfg.ID, Op: op, Status: a.status, RetryAfter: a.retryAfter}
	if p, ok := parseProblem(a.body); ok && strings.Contains(a.mediaType(), "json") {
		p.describe(e)
		e.Code, e.Blame = meaning(e.Type, a.status)
		if terms := links(a, "terms-of-service"); e.Code == plan.CodeTerms && e.Link == "" && len(terms) > 0 {
			e.Link = webPage(terms[0]) // RFC 8555 section 7.3.3
		}
		return e
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		e.Code, e.Blame = plan.CodeRateLimited, plan.BlameCA
	case a.status >= 500:
		e.Code, e.Blame = plan.CodeCAError, plan.BlameCA
	default:
		e.Code, e.Blame = plan.CodeCAGarbage, plan.BlameAdmin // most likely a wrong directory URL
	}
	more := ""
	if a.cut {
		more = fmt.Sprintf(", cut off after %d KiB", maxError>>10)
	}
	e.Err = fmt.Errorf("an answer of type %s%s, which is no ACME error", orNothing(a.mediaType()), more)
	e.Detail = excerpt(a.body)
	return e
}

// parseProblem reads an error document. One without a type and without words
// says nothing.
func parseProblem(body []byte) (problem, bool) {
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		return problem{}, false
	}
	return p, p.Type != "" || p.Detail != "" || p.Title != ""
}

// describe puts a problem's words, made harmless, into e.
func (p problem) describe(e *Error) {
	e.Type = clean(p.Type, 200)
	e.Detail = wordsOf(p.Detail, p.Title)
	if link := clean(p.Instance, maxWords); strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://") {
		e.Link = link
	}
	for _, sub := range p.Subproblems[:min(len(p.Subproblems), maxSubproblems)] {
		e.Subproblems = append(e.Subproblems, Subproblem{
			Name:   clean(sub.Identifier.Value, 300),
			Type:   clean(sub.Type, 200),
			Detail: wordsOf(sub.Detail, sub.Title),
		})
	}
}

// fromACME turns the library's form of a problem into ours.
func fromACME(p acme.Problem) problem {
	out := problem{Type: p.Type, Title: p.Title, Detail: p.Detail, Instance: p.Instance}
	for _, sub := range p.Subproblems {
		out.Subproblems = append(out.Subproblems, subproblemJSON{
			Type: sub.Type, Title: sub.Title, Detail: sub.Detail, Identifier: sub.Identifier,
		})
	}
	return out
}

// wordsOf prefers the detail: the title says the same of every such problem.
func wordsOf(detail, title string) string {
	if words := clean(detail, maxWords); words != "" {
		return words
	}
	return clean(title, maxWords)
}

// excerpt is the beginning of an answer that is not what it should be.
func excerpt(body []byte) string {
	words := clean(string(body[:min(len(body), 4*maxWords)]), 200)
	if words == "" {
		return ""
	}
	return fmt.Sprintf("it begins: %s", words)
}

// orNothing names an absent media type.
func orNothing(kind string) string {
	if kind == "" {
		return "unknown"
	}
	return clean(kind, 100)
}

// shortType leaves out the prefix that all ACME types share.
func shortType(urn string) string { return strings.TrimPrefix(urn, acme.ProblemTypeNamespace) }

// meaning says what a problem of a CA means for us, and who can mend it.
// Rate limits count as the CA's: nobody here can do more than wait.
func meaning(urn string, status int) (plan.Code, plan.Blame) {
	switch urn {
	case acme.ProblemTypeRateLimited:
		return plan.CodeRateLimited, plan.BlameCA
	case acme.ProblemTypeAccountDoesNotExist:
		return plan.CodeAccountLost, plan.BlameCA
	case acme.ProblemTypeExternalAccountRequired:
		return plan.CodeEAB, plan.BlameAdmin
	case acme.ProblemTypeUserActionRequired:
		return plan.CodeTerms, plan.BlameAdmin
	case acme.ProblemTypeInvalidContact, acme.ProblemTypeUnsupportedContact:
		return plan.CodeAccount, plan.BlameAdmin
	case acme.ProblemTypeCAA:
		return plan.CodeCAA, plan.BlameAdmin
	case acme.ProblemTypeConnection, acme.ProblemTypeDNS, acme.ProblemTypeTLS,
		acme.ProblemTypeIncorrectResponse:
		return plan.CodeChallenge, plan.BlameAdmin
	case acme.ProblemTypeBadCSR:
		return plan.CodeCSR, plan.BlameAdmin
	case problemInvalidProfile:
		return plan.CodeProfile, plan.BlameAdmin
	case acme.ProblemTypeServerInternal:
		return plan.CodeCAError, plan.BlameCA
	case acme.ProblemTypeBadNonce:
		return plan.CodeCAError, plan.BlameCA
	case problemOrderNotReady:
		return plan.CodeOrderInvalid, plan.BlameCA
	}
	switch {
	case status == http.StatusTooManyRequests:
		return plan.CodeRateLimited, plan.BlameCA
	case status >= 500:
		return plan.CodeCAError, plan.BlameCA
	default:
		return plan.CodeRejected, plan.BlameAdmin
	}
}
