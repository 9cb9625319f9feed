// Package crl asks what revocation lists say of certificates (RFC 5280 section
// 5). Client.Ask is the function to call first.
//
// It promises that a list is believed only where it is signed by whoever issued
// the certificate, is about it, and has not ended; and that a list which many
// certificates name is fetched once, and then only when it changed.
package crl

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// maxList bounds a list, in bytes. That of a large CA, which divides its lists,
// has half a MiB.
const maxList = 32 << 20

// maxLists bounds the lists that are kept in memory.
const maxLists = 64

// How soon and how late a list is asked for again, whatever it says. A list is
// good for days, and a revocation has to be noticed within one.
const (
	askAtLeast = time.Hour
	askAtMost  = 24 * time.Hour
)

// deadFor is how long a server that gave no list is not asked again: ten thousand
// certificates on its list would each wait for it.
const deadFor = 5 * time.Minute

// patience is after what a server that is silent counts as one that gave no list,
// though whoever asked gave up.
const patience = 5 * time.Second

// ErrNoList says that a certificate names no list that can be fetched.
var ErrNoList = errors.New("the certificate names no revocation list")

// Error is why no list of a certificate could be used.
type Error struct {
	URL        string
	Blame      plan.Blame
	RetryAfter time.Duration // what the server asks for; 0 where it does not say
	Err        error
}

func (e *Error) Error() string {
	return fmt.Sprintf("ask for the revocation list %s: %s", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Answer is what a list says of a certificate.
type Answer struct {
	URL       string
	Revoked   bool
	RevokedAt time.Time
	Reason    plan.RevocationReason // "" where the list gives none that we know
	Ends      time.Time             // of the list
	AskAgain  time.Time             // when it is worth asking again
}

// Client fetches lists. It may be used by several goroutines.
type Client struct {
	web   *network.Web
	mu    sync.Mutex
	lists map[string]*kept // by URL
}

// kept is a list as it was fetched last. It is one's turn while it is fetched,
// so that others who want it wait, as long as they care to, instead of fetching
// it too.
type kept struct {
	turn     chan struct{} // holds whoever reads or changes what follows
	list     *list
	etag     string
	asked    time.Time
	askAgain time.Time
	failure  *Error // of the server, whoever asked; nil after a list
	failed   time.Time
}

// NewClient returns a Client over a network, the machine's where n is nil, that
// asks through an HTTP proxy, unless that is nil.
func NewClient(n network.Network, proxy *url.URL, userAgent string) *Client {
	return &Client{web: network.NewWeb(n, proxy, userAgent), lists: map[string]*kept{}}
}

// Close ends the connections that are kept for the next question.
func (c *Client) Close() { c.web.Close() }

// Ask looks a certificate up in the lists that it names, in turn, until one can
// be used. Any of them is complete (RFC 5280 section 4.2.1.13). The error is
// ErrNoList, an *Error, or that of ctx.
func (c *Client) Ask(ctx context.Context, leaf, issuer *x509.Certificate) (Answer, error) {
	err := error(ErrNoList)
	for _, address := range leaf.CRLDistributionPoints {
		u, parseErr := url.Parse(address)
		if parseErr != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			continue // LDAP, as private CAs have it
		}
		var answer Answer
		if answer, err = c.askOne(ctx, u.String(), leaf, issuer); err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return Answer{}, fmt.Errorf("ask for a revocation list: %w", context.Cause(ctx))
		}
	}
	return Answer{}, err
}

// askOne looks a certificate up in one list.
func (c *Client) askOne(ctx context.Context, address string, leaf, issuer *x509.Certificate) (Answer, error) {
	if issuer == nil {
		return Answer{}, &Error{URL: address, Blame: plan.BlameAdmin, Err: errors.New("the certificate of the issuer is not known")}
	}
	k := c.entry(address)
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return Answer{}, &Error{URL: address, Blame: plan.BlameNetwork, Err: fmt.Errorf("somebody else fetches it: %w", context.Cause(ctx))}
	}
	now := time.Now()
	if k.list == nil || !now.Before(k.askAgain) || now.Before(k.asked) || k.list.judge(leaf, issuer, address, now) != nil {
		if k.failure != nil && now.Before(k.failed.Add(deadFor)) && !now.Before(k.failed) {
			return Answer{}, k.failure
		}
		if err := c.fetch(ctx, address, k, leaf, issuer); err != nil {
			return Answer{}, err
		}
	}
	answer := k.list.of(leaf)
	answer.URL, answer.Ends, answer.AskAgain = address, k.list.ends, k.askAgain
	return answer, nil
}

// entry is what is kept of a list. Where too many are, some other goes.
func (c *Client) entry(address string) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.lists[address]
	if k == nil {
		for len(c.lists) >= maxLists {
			for other := range c.lists {
				delete(c.lists, other) // it costs one fetch
				break
			}
		}
		k = &kept{turn: make(chan struct{}, 1)}
		c.lists[address] = k
	}
	return k
}

// fetch asks for a list, under the condition that it changed.
func (c *Client) fetch(ctx context.Context, address string, k *kept, leaf, issuer *x509.Certificate) error {
	usable := k.list != nil && k.list.judge(leaf, issuer, address, time.Now()) == nil
	began := time.Now()
	l, etag, failure := c.get(ctx, address, k, usable)
	now := time.Now()
	switch {
	case failure == nil || ctx.Err() == nil:
		k.failure, k.failed = failure, now
	case now.Sub(began) >= patience: // less may be the asker's haste
		k.failure, k.failed = &Error{URL: address, Blame: plan.BlameNetwork, Err: fmt.Errorf("no whole answer within %s", now.Sub(began).Round(time.Second))}, now
	}
	if failure != nil {
		return failure
	}
	if l != nil {
		if err := l.judge(leaf, issuer, address, now); err != nil {
			return &Error{URL: address, Blame: plan.BlameCA, Err: err} // another certificate's issuer may have signed it
		}
		if !usable || !l.since.Before(k.list.since) { // what a cache holds for too long is no news
			k.list, k.etag = l, etag
		}
	}
	k.asked, k.askAgain = now, k.list.askAgain(now)
	return nil
}

// get asks for a list, unless the usable one that is kept is the last: then there
// is none.
func (c *Client) get(ctx context.Context, address string, k *kept, usable bool) (l *list, etag string, failure *Error) {
	fail := func(blame plan.Blame, reply network.Reply, err error) (*list, string, *Error) {
		return nil, "", &Error{URL: address, Blame: blame, RetryAfter: reply.RetryAfter, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fail(plan.BlameCA, network.Reply{}, err)
	}
	req.Header.Set("Accept", "application/pkix-crl")
	if usable {
		req.Header.Set("If-Modified-Since", k.list.since.UTC().Format(http.TimeFormat))
		if k.etag != "" {
			req.Header.Set("If-None-Match", k.etag)
		}
	}
	reply, err := c.web.Ask(req, maxList)
	switch {
	case errors.Is(err, network.ErrTooLong), errors.Is(err, network.ErrRedirect):
		return fail(plan.BlameCA, reply, err)
	case err != nil:
		return fail(plan.BlameNetwork, reply, err)
	case reply.Status == http.StatusNotModified && usable:
		return nil, "", nil
	case reply.Status != http.StatusOK:
		return fail(plan.BlameCA, reply, fmt.Errorf("HTTP status %d", reply.Status))
	}
	if l, err = parse(reply.Body); err != nil {
		return fail(plan.BlameCA, reply, err)
	}
	return l, reply.Header.Get("ETag"), nil
}
