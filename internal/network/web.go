package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// How long parts of a question to a web server may take.
const (
	replyTime = 20 * time.Second // from the question to the end of the answer
	dialTime  = 10 * time.Second
	idleTime  = 30 * time.Second
)

// maxRedirects bounds the redirects that one question follows.
const maxRedirects = 3

// The failures that a Web finds itself.
var (
	// ErrTooSlow says that there was no whole answer in time.
	ErrTooSlow = errors.New("no whole answer in time")
	// ErrTooLong says that an answer was longer than its reader allows.
	ErrTooLong = errors.New("the answer is too long")
	// ErrRedirect says that the question was sent elsewhere in a way that is
	// not followed.
	ErrRedirect = errors.New("redirected")
)

// Web asks web servers whose answers prove themselves, by a signature: OCSP
// responders, lists of revocations and logs of certificates. It keeps no cookies.
// Every answer is bounded in size and time.
type Web struct {
	transport *http.Transport
	userAgent string
}

// Reply is an answer that was read to its end.
type Reply struct {
	Status     int
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration // 0 where the server asks for none
}

// NewWeb returns a Web over a network; the machine's where n is nil. It asks
// through an HTTP proxy, unless that is nil.
func NewWeb(n Network, proxy *url.URL, userAgent string) *Web {
	if n == nil {
		n = OS{}
	}
	dial := func(ctx context.Context, kind, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return n.DialContext(ctx, kind, address)
	}
	return &Web{userAgent: userAgent, transport: &http.Transport{
		DialContext:            dial,
		Proxy:                  http.ProxyURL(proxy),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTime,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: 32 << 10,
	}}
}

// Close ends the connections that are kept for the next question. The Web can
// still be used.
func (w *Web) Close() { w.transport.CloseIdleConnections() }

// Ask sends one question and reads the whole answer, of at most limit bytes.
// Any status is an answer; an error means that there was none.
func (w *Web) Ask(req *http.Request, limit int64) (Reply, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), replyTime, ErrTooSlow)
	defer cancel()
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", w.userAgent)
	client := http.Client{Transport: w.transport, CheckRedirect: checkRedirect}
	resp, err := client.Do(out)
	if err != nil {
		// The caller names the address, in fewer words than the client does.
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return Reply{}, lateOr(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return Reply{}, fmt.Errorf("read the answer: %w", lateOr(ctx, err))
	}
	if int64(len(body)) > limit {
		return Reply{}, fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit)
	}
	return Reply{
		Status:     resp.StatusCode,
		Header:     resp.Header,
		Body:       body,
		RetryAfter: RetryAfter(resp.Header, time.Now()),
	}, nil
}

// lateOr tells our own deadline from other errors.
func lateOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrTooSlow) {
		return fmt.Errorf("%w (%s)", ErrTooSlow, replyTime)
	}
	return err
}

// checkRedirect follows some redirects, but none that would turn a POST into a
// GET without its question. Where they lead does not matter: the answers prove
// themselves.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w more than %d times", ErrRedirect, maxRedirects)
	case req.Method != via[0].Method:
		return fmt.Errorf("%w to %s, which would lose the question", ErrRedirect, req.URL)
	}
	return nil
}
