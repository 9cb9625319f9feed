package challenge

import (
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
)

// Error is a challenge that could not be answered. A person here mends it:
// ports, folders and DNS are the administrator's.
type Error struct {
	Op   string // what was being done
	Code plan.Code
	Err  error
	Hint string // what to do about it; "" where Err says it all
}

func (e *Error) Error() string {
	text := e.Op + ": " + e.Err.Error()
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Fault is the failure as a fact; a person here mends it.
func (e *Error) Fault(at time.Time) plan.Fault {
	return plan.Fault{Code: e.Code, Words: e.Error(), Blame: plan.BlameAdmin, At: at}
}

// failed wraps what went wrong; a code that err already has is kept.
func failed(op string, code plan.Code, err error, hint string) error {
	if d, ok := errors.AsType[*dns.Error](err); ok {
		code = d.Code
	}
	return &Error{Op: op, Code: code, Err: err, Hint: hint}
}

// maxToken is far above any CA's and still a file name.
const maxToken = 255

var (
	errIP       = errors.New("dns-01 cannot prove an IP address")
	errToken    = errors.New("the CA's token is not base64url")
	errWildcard = errors.New("a wildcard is proven by dns-01 only")
)

// checkHost refuses what http-01 and tls-alpn-01 cannot answer.
func checkHost(c Challenge) error {
	op := fmt.Sprintf("answer %s for %s", c.Type, c.Identifier)
	if c.Identifier.Wildcard {
		return failed(op, plan.CodeNoChallenge, errWildcard, "") // RFC 8555 section 7.1.3
	}
	if !validToken(c.Token) {
		return failed(op, plan.CodeCAGarbage, errToken, "")
	}
	return nil
}

// validToken reports whether a token has only characters of base64url, as
// RFC 8555 section 8 demands: then it cannot be a path either.
func validToken(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		c := token[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
