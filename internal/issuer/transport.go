package issuer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

// The bounds of what a CA may send, in bytes.
const (
	maxBody      = 1 << 20
	maxDirectory = 256 << 10
	maxError     = 64 << 10
)

// maxRedirects bounds the redirects that a GET follows.
const maxRedirects = 5

// recordKey finds the record in the context of a request.
type recordKey struct{}

// record is what the HTTP requests of one operation came to. The ACME library
// drops most of it (Retry-After, Date, bodies that are no problem documents),
// so the transport leaves it here. The requests of an operation run one after
// the other; the record belongs to their goroutine.
type record struct {
	limit  int64  // for a good answer; maxBody where zero
	accept string // Accept header, if any

	giveUp context.CancelFunc // ends the operation: no retry would help
	last   *answer            // last answer that was read to its end
	failed error              // why the last request has no answer; nil where it has
}

// answer is an HTTP response.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	cut        bool          // the body of an error was longer than maxError
	retryAfter time.Duration // 0 where there is none
}

// ok reports whether the last request was answered with success.
func (r *record) ok() bool {
	return r.failed == nil && r.last != nil && r.last.status >= 200 && r.last.status < 300
}

// answer is the last answer, or nil.
func (r *record) answer() *answer {
	if r == nil {
		return nil
	}
	return r.last
}

// retryAfter is the Retry-After of the last answer.
func (r *record) retryAfter() time.Duration {
	if a := r.answer(); a != nil {
		return a.retryAfter
	}
	return 0
}

// recordOf returns the record of a request; requests without one get one
// that nobody reads.
func recordOf(ctx context.Context) *record {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		return rec
	}
	return &record{giveUp: func() {}}
}

// The failures that the transport itself finds.
var (
	errTooSlow  = errors.New("no whole answer in time")
	errTooLong  = errors.New("the answer has no end")
	errRedirect = errors.New("redirected")
	errScheme   = errors.New("not HTTPS")
	errNoNonce  = errors.New("no nonce in the answer")
)

// transport carries every request to a CA: with a deadline, bounded answers
// and our name, and it records what was answered.
type transport struct {
	base      http.RoundTripper
	userAgent string
	timeout   time.Duration
	clock     *clock
	asked     func(method string, status int, took time.Duration)
	plain     bool // the directory itself is plain HTTP, so the rest may be
}

// RoundTrip sends one request and reads the whole answer, so that the body
// that it returns can neither hang nor fail.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := recordOf(req.Context())
	rec.last, rec.failed = nil, nil
	began := time.Now()
	resp, err := t.send(req, rec)
	answered := 0
	if resp != nil {
		answered = resp.StatusCode
	}
	t.asked(req.Method, answered, time.Since(began))
	if err != nil {
		rec.failed = err
		if !worthRetry(err) {
			rec.giveUp()
		}
		return nil, err
	}
	// What a CA that is overloaded wants least is to be asked again at once.
	if rec.last.status >= 400 && rec.last.retryAfter > 0 {
		rec.giveUp()
	}
	return resp, nil
}

// send does the work of RoundTrip.
func (t *transport) send(req *http.Request, rec *record) (*http.Response, error) {
	if req.URL.Scheme != "https" && !t.plain {
		return nil, fmt.Errorf("%w: %s", errScheme, req.URL)
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.timeout, errTooSlow)
	defer cancel()
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", t.userAgent)
	out.Header.Set("Accept-Language", "en")
	if rec.accept != "" {
		out.Header.Set("Accept", rec.accept)
	}
	sent := time.Now()
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, t.lateOr(ctx, err)
	}
	defer resp.Body.Close()
	t.clock.learn(resp.Header.Get("Date"), sent)
	if rec.last, err = t.read(resp, rec.limit); err != nil {
		return nil, t.lateOr(ctx, err)
	}
	// A CA that gives no nonce would be asked for one again and again.
	if req.Method == http.MethodHead && resp.StatusCode < 300 && resp.Header.Get("Replay-Nonce") == "" {
		return nil, errNoNonce
	}
	resp.Body = io.NopCloser(bytes.NewReader(rec.last.body))
	// The library would follow these links by itself, without a bound. They
	// are still in the record, and download.go follows them.
	resp.Header.Del("Link")
	return resp, nil
}

// lateOr tells our own deadline from other errors.
func (t *transport) lateOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTooSlow) {
		return fmt.Errorf("%w (%s)", errTooSlow, t.timeout)
	}
	return err
}

// read reads an answer within its bounds.
func (t *transport) read(resp *http.Response, limit int64) (*answer, error) {
	if limit == 0 {
		limit = maxBody
	}
	bad := resp.StatusCode >= 400
	if bad {
		limit = maxError
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	a := &answer{
		status:     resp.StatusCode,
		header:     resp.Header.Clone(),
		body:       body,
		retryAfter: network.RetryAfter(resp.Header, time.Now()),
	}
	if int64(len(body)) > limit {
		// The status of an error says enough; the rest of its words does not matter.
		if a.cut = bad; !bad {
			return nil, fmt.Errorf("%w: more than %d KiB", errTooLong, limit>>10)
		}
		a.body = body[:limit]
	}
	return a, nil
}

// worthRetry reports whether a request that found no answer may be sent again
// at once: a broken connection, but not one that took its whole time, and
// nothing that the CA would only repeat.
func worthRetry(err error) bool {
	for _, final := range []error{errTooSlow, errTooLong, errScheme, errNoNonce} {
		if errors.Is(err, final) {
			return false
		}
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !untrusted
}

// checkRedirect lets a GET follow some redirects, and a POST none: its
// signature names the URL it was made for (RFC 8555 section 6.4).
func checkRedirect(req *http.Request, via []*http.Request) error {
	var err error
	switch first := via[0]; {
	case first.Method == http.MethodPost:
		err = fmt.Errorf("%w from %s to %s: a signed request cannot follow", errRedirect, first.URL, req.URL)
	case len(via) > maxRedirects:
		err = fmt.Errorf("%w more than %d times, last from %s to %s", errRedirect, maxRedirects, via[len(via)-1].URL, req.URL)
	default:
		return nil
	}
	rec := recordOf(req.Context())
	rec.failed = err
	rec.giveUp()
	return err
}

// mediaType is the Content-Type of an answer without its parameters.
func (a *answer) mediaType() string {
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}
