package issuer

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/certkeep/certkeep/internal/plan"
)

// ErrOrderGone says that an order cannot be gone on with: the CA does not
// know it any more, or ended it. Whoever saved the order forgets it, and
// opens a new one when it is time.
var ErrOrderGone = errors.New("the CA has ended the order")

// ErrNoRenewalInfo says that a CA offers no renewal information (RFC 9773).
var ErrNoRenewalInfo = errors.New("the CA offers no renewal information")

// ErrNoAccount says that a CA knows no account with a key.
var ErrNoAccount = errors.New("the CA knows no account with this key")

// Error is a failure with all that a caller needs to act: what was being
// done, whose fault it is, the CA's own words, and when to ask again.
type Error struct {
	CA         string // the issuer's name in the config
	Op         string // what was being done
	Code       plan.Code
	Blame      plan.Blame
	Status     int           // HTTP status; 0 where there was no answer
	RetryAfter time.Duration // what the CA asks for; 0 where it does not say
	Type       string        // RFC 8555 section 6.7, with its urn:ietf:params:acme:error: prefix
	Detail     string        // the CA's words
	Link       string        // what the CA wants a person to read
	// Subproblems say what is wrong with each name.
	Subproblems []Subproblem
	Err         error // what happened, where those are not the CA's words
}

// Subproblem is what is wrong with one name (RFC 8555 section 6.7.1).
type Subproblem struct {
	Name   string // "" where the CA names none
	Type   string
	Detail string
}

// Error is one line without control characters, whatever the CA wrote.
func (e *Error) Error() string {
	s := e.Words()
	if lines := e.Lines(); len(lines) > 0 {
		s += ": " + strings.Join(lines, "; ")
	}
	return clean(s, 2*maxWords)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Words say in one line what was being done, and how it was refused.
func (e *Error) Words() string {
	s := e.CA + ": " + e.Op
	switch {
	case e.Type != "":
		s += fmt.Sprintf(": the CA says no (%s)", shortType(e.Type))
	case e.Status >= 400:
		s += fmt.Sprintf(": HTTP status %d", e.Status)
	}
	return clean(s, maxWords)
}

// Lines are the details, one line each: the CA's own words first.
func (e *Error) Lines() []string {
	var lines []string
	add := func(s string) {
		if s = clean(s, maxWords); s != "" {
			lines = append(lines, s)
		}
	}
	add(e.Detail)
	for _, p := range e.Subproblems {
		add(p.String())
	}
	if e.Err != nil {
		add(e.Err.Error())
	}
	if e.Link != "" {
		add("see " + e.Link)
	}
	if e.RetryAfter > 0 {
		add(fmt.Sprintf("the CA wants to be asked again in %s", e.RetryAfter))
	}
	return lines
}

// Fault is the failure as a fact to be stored and shown.
func (e *Error) Fault(at time.Time) plan.Fault {
	return plan.Fault{Code: e.Code, Words: e.Words(), Detail: e.Lines(), Blame: e.Blame, At: at}
}

// String is a line such as "a.test: connection refused (connection)".
func (p Subproblem) String() string {
	s := p.Detail
	if p.Name != "" {
		s = p.Name + ": " + s
	}
	if p.Type != "" {
		s += " (" + shortType(p.Type) + ")"
	}
	return s
}

// fault makes an error that is not the CA's answer.
func (ca *CA) fault(op string, code plan.Code, blame plan.Blame, err error) *Error {
	return &Error{CA: ca.cfg.ID, Op: op, Code: code, Blame: blame, Err: err}
}

// The bounds of words that come from a CA, in bytes, and of a list of them.
const (
	maxWords       = 2000
	maxSubproblems = 100
)

// clean makes foreign text one line of valid UTF-8 without control or format
// characters (which could forge log lines, colour a terminal, or turn the
// direction of writing around), at most limit bytes long.
func clean(s string, limit int) string {
	// Cut first, generously: the rest would be thrown away anyway.
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case !unicode.IsPrint(r): // Cf, Co, Cs, Cn, Zl, Zp
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
