package ocsp

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// maxResponse bounds an answer, in bytes. Usual ones have half a KiB to two.
const maxResponse = 32 << 10

// maxGet is the longest URL that is asked for by GET (RFC 5019 section 5).
const maxGet = 255

// Client asks responders. It may be used by several goroutines.
type Client struct{ web *network.Web }

// NewClient returns a Client over a network, the machine's where n is nil, that
// asks through an HTTP proxy, unless that is nil.
func NewClient(n network.Network, proxy *url.URL, userAgent string) *Client {
	return &Client{web: network.NewWeb(n, proxy, userAgent)}
}

// Close ends the connections that are kept for the next question.
func (c *Client) Close() { c.web.Close() }

// Question is about one certificate.
type Question struct {
	Leaf, Issuer *x509.Certificate
	URLs         []string // responders, asked in this order; those of Leaf where there are none
	Kept         Kept     // what is stored of the last answer; may be empty
	// Before is how much of a statement's life is left when a newer one is asked
	// for; nothing given is half of it.
	Before plan.Span
}

// Kept is what to store of an Answer, for the next Question.
type Kept struct {
	DER  []byte
	URL  string // of the responder that gave it
	ETag string // its name for that answer, if any
}

// Answer is what a responder says.
type Answer struct {
	Response
	Keep Kept
	// Unchanged means that Response is the one that was kept: there is nothing
	// newer.
	Unchanged bool
}

// Fetch asks the responders of a certificate in turn, until one says good or
// revoked. Where none does, and one says unknown, that is the answer. What was
// kept is never exchanged for something older. The error is an *Error,
// ErrNoResponder, ErrIssuer, or that of ctx.
func (c *Client) Fetch(ctx context.Context, q Question) (Answer, error) {
	urls := q.URLs
	if len(urls) == 0 {
		urls = Responders(q.Leaf)
	}
	switch {
	case len(urls) == 0:
		return Answer{}, ErrNoResponder
	case q.Issuer == nil || !bytes.Equal(q.Leaf.RawIssuer, q.Issuer.RawSubject):
		return Answer{}, ErrIssuer
	}
	// The names in the question are hashed with SHA-1: RFC 5019 section 2.1.1
	// demands it, and responders that sign in advance know no other. It hides
	// and proves nothing; a collision would only ask about another CA, whose
	// statement is refused. There is no nonce either, by the same section.
	body, err := ocsp.CreateRequest(q.Leaf, q.Issuer, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("form OCSP request: %w", err)
	}
	a := asking{Question: q, web: c.web, body: body}
	// What does not hold any more is not built upon.
	if kept, err := Check(q.Kept.DER, q.Leaf, q.Issuer, time.Now()); err == nil && kept.Status == Good {
		a.kept = &kept
	}
	var unknown *Answer
	failed := &Error{}
	for _, address := range urls {
		answer, failure := a.ask(ctx, address)
		switch {
		case ctx.Err() != nil:
			return Answer{}, fmt.Errorf("ask OCSP responders: %w", context.Cause(ctx))
		case failure != nil:
			failed.Failures = append(failed.Failures, failure)
		case answer.Status != Unknown:
			return answer, nil
		case unknown == nil:
			unknown = &answer
		}
	}
	if unknown != nil {
		return *unknown, nil
	}
	return Answer{}, failed
}

// asking is one Fetch.
type asking struct {
	Question
	web  *network.Web
	body []byte    // the question in DER
	kept *Response // what is kept, where it is good and holds; else nil
}

// ask asks one responder: by GET where the question is short enough, since
// caches can answer that and conditions apply to it, and by POST where the
// question is too long or GET gave nothing of use. Not all responders know
// both; and what a cache holds for too long, a POST passes by.
func (a *asking) ask(ctx context.Context, address string) (Answer, *Failure) {
	u, err := parseAddress(address)
	if err != nil {
		return Answer{}, &Failure{URL: fmt.Sprintf("%q", address), Blame: plan.BlameAdmin, Err: err}
	}
	if get := a.getURL(u); get != "" {
		answer, failure := a.send(ctx, u, http.MethodGet, get)
		if failure == nil || !failure.otherMethod() || ctx.Err() != nil {
			return answer, failure
		}
	}
	return a.send(ctx, u, http.MethodPost, u.String())
}

// getURL is the address for a GET (RFC 6960 appendix A.1), or "" where that
// would be too long.
func (a *asking) getURL(u *url.URL) string {
	if u.RawQuery != "" {
		return ""
	}
	get := strings.TrimSuffix(u.String(), "/") + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(a.body))
	if len(get) > maxGet {
		return ""
	}
	return get
}

// otherMethod reports whether it makes sense to put the same question to the
// same responder in another way.
func (f *Failure) otherMethod() bool {
	if refusal, ok := errors.AsType[Refusal](f.Err); ok {
		return refusal.status == ocsp.Malformed
	}
	return f.Blame != plan.BlameNetwork && f.RetryAfter == 0 &&
		f.Status != http.StatusTooManyRequests && f.Status != http.StatusServiceUnavailable
}

// send makes one request and judges what comes back.
func (a *asking) send(ctx context.Context, u *url.URL, method, address string) (Answer, *Failure) {
	fail := func(blame plan.Blame, reply network.Reply, err error) (Answer, *Failure) {
		return Answer{}, &Failure{URL: u.String(), Blame: blame, Status: reply.Status, RetryAfter: reply.RetryAfter, Err: err}
	}
	req, err := a.request(ctx, u, method, address)
	if err != nil {
		return fail(plan.BlameAdmin, network.Reply{}, err)
	}
	reply, err := a.web.Ask(req, maxResponse)
	switch {
	case errors.Is(err, network.ErrTooLong), errors.Is(err, network.ErrRedirect):
		return fail(plan.BlameCA, reply, err)
	case err != nil:
		return fail(plan.BlameNetwork, reply, err)
	case reply.Status == http.StatusNotModified && a.kept != nil:
		return a.same(u, reply), nil
	case reply.Status != http.StatusOK:
		return fail(plan.BlameCA, reply, fmt.Errorf("HTTP status %d", reply.Status))
	}
	now := time.Now()
	response, err := Check(reply.Body, a.Leaf, a.Issuer, now)
	if err != nil {
		if a.holdsThere(reply, now) {
			return fail(plan.BlameAdmin, reply, fmt.Errorf("%w: %w", ErrClock, err))
		}
		return fail(plan.BlameCA, reply, err)
	}
	if a.kept != nil && !supersedes(response, *a.kept) {
		return a.same(u, reply), nil
	}
	response.AskAgain = response.askAgain(now, freshUntil(reply.Header, now), a.Before)
	return Answer{
		Response: response,
		Keep:     Kept{DER: response.DER, URL: u.String(), ETag: reply.Header.Get("ETag")},
	}, nil
}

// request forms the request, with the conditions under which the answer may be
// that nothing changed (RFC 5019 section 6).
func (a *asking) request(ctx context.Context, u *url.URL, method, address string) (*http.Request, error) {
	var body []byte
	if method == http.MethodPost {
		body = a.body
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("form the request: %w", err)
	}
	req.Header.Set("Accept", "application/ocsp-response")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/ocsp-request")
	}
	if a.kept != nil {
		req.Header.Set("If-Modified-Since", a.kept.ThisUpdate.UTC().Format(http.TimeFormat))
		if a.Kept.ETag != "" && a.Kept.URL == u.String() {
			req.Header.Set("If-None-Match", a.Kept.ETag)
		}
	}
	return req, nil
}

// same answers with what was kept.
func (a *asking) same(u *url.URL, reply network.Reply) Answer {
	now := time.Now()
	answer := Answer{Response: *a.kept, Keep: a.Kept, Unchanged: true}
	answer.AskAgain = a.kept.askAgain(now, freshUntil(reply.Header, now), a.Before)
	if tag := reply.Header.Get("ETag"); tag != "" && reply.Status == http.StatusNotModified {
		answer.Keep.URL, answer.Keep.ETag = u.String(), tag
	}
	return answer
}

// holdsThere reports whether a statement that we refuse would hold by the
// responder's clock, which is another one than ours.
func (a *asking) holdsThere(reply network.Reply, now time.Time) bool {
	date, err := http.ParseTime(reply.Header.Get("Date"))
	if err != nil || now.Sub(date).Abs() <= network.MaxClockError {
		return false
	}
	_, err = Check(reply.Body, a.Leaf, a.Issuer, date)
	return err == nil
}

// supersedes reports whether a statement says something that the kept one does
// not. A responder of several machines may give an older one than before, and
// one that was signed anew with the same times says nothing new.
func supersedes(response, kept Response) bool {
	if response.Status != kept.Status {
		return !response.ThisUpdate.Before(kept.ThisUpdate)
	}
	return response.ThisUpdate.After(kept.ThisUpdate) || response.Ends().After(kept.Ends())
}
