package ct

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// The bounds of an answer, and of the words in an error, in bytes.
const (
	maxAnswer = 64 << 10
	maxWords  = 200
)

// Client hands certificates to logs. It may be used by several goroutines.
type Client struct{ web *network.Web }

// NewClient returns a Client over a network, the machine's where n is nil. It
// uses no proxy.
func NewClient(n network.Network, userAgent string) *Client {
	return &Client{web: network.NewWeb(n, nil, userAgent)}
}

// Close ends the connections that are kept for the next certificate.
func (c *Client) Close() { c.web.Close() }

// Error is why a log gave no receipt.
type Error struct {
	Log        string // its name
	Blame      plan.Blame
	Status     int           // HTTP status; 0 where there was no answer
	RetryAfter time.Duration // what the log asks for; 0 where it does not say
	Err        error
}

func (e *Error) Error() string {
	return fmt.Sprintf("hand the certificate to the log %q: %s", e.Log, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Submit hands a certificate, with the chain that leads to a root, to a log,
// and returns the receipt. Handing it in again is harmless: the log gives the
// same receipt, or another. The receipt is checked, as far as the log's key is
// known: with its id alone, only that is compared. The error is an *Error, or
// that of ctx.
func (c *Client) Submit(ctx context.Context, l Log, chain []*x509.Certificate) (SCT, error) {
	fail := func(blame plan.Blame, reply network.Reply, err error) (SCT, error) {
		return SCT{}, &Error{Log: l.Name, Blame: blame, Status: reply.Status, RetryAfter: reply.RetryAfter, Err: err}
	}
	if len(chain) == 0 {
		return fail(plan.BlameUs, network.Reply{}, errors.New("there is no certificate"))
	}
	req, err := addChain(ctx, l, chain)
	if err != nil {
		return fail(plan.BlameAdmin, network.Reply{}, err)
	}
	reply, err := c.web.Ask(req, maxAnswer)
	switch {
	case ctx.Err() != nil:
		return SCT{}, fmt.Errorf("hand the certificate to the log %q: %w", l.Name, context.Cause(ctx))
	case errors.Is(err, network.ErrTooLong), errors.Is(err, network.ErrRedirect):
		return fail(plan.BlameCA, reply, err)
	case err != nil:
		return fail(plan.BlameNetwork, reply, err)
	case reply.Status != http.StatusOK:
		return fail(blame(reply.Status), reply, fmt.Errorf("HTTP status %d: %s", reply.Status, beginning(reply.Body)))
	}
	s, err := readAnswer(reply.Body)
	if err != nil {
		return fail(plan.BlameCA, reply, err)
	}
	if err := l.Verify(s, chain[0], time.Now()); err != nil && !errors.Is(err, ErrNoKey) {
		return fail(plan.BlameCA, reply, err)
	}
	return s, nil
}

// addChain forms the request (RFC 6962 section 4.1).
func addChain(ctx context.Context, l Log, chain []*x509.Certificate) (*http.Request, error) {
	var body struct {
		Chain [][]byte `json:"chain"`
	}
	for _, cert := range chain {
		body.Chain = append(body.Chain, cert.Raw)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("form the request: %w", err)
	}
	address := strings.TrimSuffix(l.URL, "/") + "/ct/v1/add-chain"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("form the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// blame says who can mend a refusal. A log that does not want this certificate,
// since it does not know its root or is for another time, will not want it
// later: a person has to choose another log.
func blame(status int) plan.Blame {
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		return plan.BlameAdmin
	}
	return plan.BlameCA
}

// beginning quotes the beginning of foreign words.
func beginning(words []byte) string {
	return fmt.Sprintf("%q", bytes.TrimSpace(words[:min(len(words), maxWords)]))
}

// readAnswer reads the receipt that a log gives in JSON.
func readAnswer(text []byte) (SCT, error) {
	var answer struct {
		Version    *int   `json:"sct_version"`
		ID         []byte `json:"id"`
		Timestamp  uint64 `json:"timestamp"`
		Extensions []byte `json:"extensions"`
		Signature  []byte `json:"signature"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return SCT{}, fmt.Errorf("the answer is not JSON of an SCT: %w", err)
	}
	switch {
	case answer.Version == nil || *answer.Version != 0:
		return SCT{}, errors.New("the answer is no SCT of version 1")
	case len(answer.ID) != len(LogID{}):
		return SCT{}, errors.New("the answer has no id of a log")
	case len(answer.Extensions) > 1<<16-1:
		return SCT{}, errors.New("the extensions of the SCT are too long")
	}
	s := SCT{Log: LogID(answer.ID), Timestamp: answer.Timestamp, Extensions: answer.Extensions}
	if err := s.readSignature(cryptobyte.String(answer.Signature)); err != nil {
		return SCT{}, fmt.Errorf("read SCT: %w", err)
	}
	return s, nil
}
