// Package web answers questions about the certificates by HTTP: the status
// page, the JSON of docs/json.md, metrics, and what mod_md's users know. New
// is the function to call first; what it makes is an http.Handler.
//
// It changes nothing, and reads nothing but the snapshots that it is given,
// so it answers while the engine hangs. Whoever asks is a stranger: the Host
// must be one that is meant, so that no web page of others reads it by a name
// that leads here; what a CA or a service said is text and never markup; and
// where others than this machine can ask, they need a token.
package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
)

// Options are what a handler is made of.
type Options struct {
	Snapshots *status.Snapshots
	Build     status.Build
	Counters  *metrics.Counters // nil where nothing is counted
	Hosts     []string          // names under which it may be asked, beside this machine's own
	// Directories are the URLs of issuers, by name.
	Directories map[string]string
	Email       string // contact of accounts; "" is none
	// Emails are those of issuers with one of their own, by name.
	Emails map[string]string
	// Declared is how a certificate's names are proven, whether it is ordered
	// under its profile alone, and whether the terms of its CAs are accepted. nil
	// where nobody knows.
	Declared func(name string) (challenges []string, profileMandatory, agreed bool)
	Token    []byte       // whoever asks has to know it; nil: nobody has to
	Log      *slog.Logger // nil: nothing is logged
}

// handler answers.
type handler struct {
	Options
	gate  *gate // nil without a token
	heavy chan struct{}
}

// heavyAtOnce bounds what is worked out at once of answers that look at all
// certificates several times over.
const heavyAtOnce = 2

// New makes a handler of read-only answers.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{Options: o, heavy: make(chan struct{}, heavyAtOnce)}
	private := http.NewServeMux()
	for pattern, answer := range map[string]answer{
		"GET /{$}":                        h.page,
		"GET /certificates/{name}":        h.certificatePage,
		"GET /assets/{file}":              h.asset,
		"GET /metrics":                    h.metrics,
		"GET /server-status":              h.serverStatus,
		"GET /md-status":                  h.mdStatus,
		"GET /md-status/{$}":              h.mdStatus,
		"GET /md-status/{name}":           h.mdStatusOf,
		"GET /api/v1/status":              h.summary,
		"GET /api/v1/certificates":        h.certificates,
		"GET /api/v1/certificates/{name}": h.certificate,
		"GET /api/v1/problems":            h.problems,
		"GET /api/v1/plan":                h.plan,
		"GET /api/v1/version":             h.version,
	} {
		private.Handle(pattern, h.answering(answer))
	}
	public := http.NewServeMux()
	public.Handle("GET "+certificateStatusPath, h.answering(h.certificateStatus))
	public.Handle("GET "+certificateStatusPath+"/{name}", h.answering(h.certificateStatus))
	guarded := http.Handler(private)
	if len(o.Token) > 0 {
		h.gate = newGate(o.Token)
		guarded = h.gate.guard(private)
	}
	public.Handle("/", h.meant(guarded))
	return headers(bounded(public))
}

// maxAsk bounds what may come with a request, in bytes: a token.
const maxAsk = 4 << 10

// bounded refuses what would change something, and bounds what comes with a
// request.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login := r.Method == http.MethodPost && r.URL.Path == loginPath
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !login {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, r, http.StatusMethodNotAllowed, "this only reads; it takes GET and HEAD")
			return
		}
		if len(r.URL.RawQuery) > maxAsk {
			refuse(w, r, http.StatusRequestURITooLong, "the question is too long")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAsk)
		next.ServeHTTP(w, r)
	})
}

// headers are those of every answer. Nothing is fetched from elsewhere, no
// script or style stands in a page itself, nobody shows a page in a frame.
func headers(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// meant refuses a Host that is none of ours: a page of somebody else's that
// had its name lead here (DNS rebinding) would read everything.
func (h *handler) meant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.ours(r) {
			refuse(w, r, http.StatusMisdirectedRequest, "this is not asked under that name; the config's `listen.status.hosts` lists names")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ours reports whether the Host is loopback, the address that was connected
// to, or a name from the config.
func (h *handler) ours(r *http.Request) bool {
	host := hostOf(r)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(h.Hosts, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if addr = addr.Unmap(); addr.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == addr
}

// hostOf is the name that was asked for, without port, brackets and final dot.
func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// answer makes an answer; its error is told to whoever asked.
type answer func(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error

// failure is an error with the status of its answer.
type failure struct {
	status int
	words  string
}

// Error says what is wrong.
func (f *failure) Error() string { return f.words }

func notFound(words string) error { return &failure{http.StatusNotFound, words} }

// answering gives an answer the snapshot that it speaks of.
func (h *handler) answering(a answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := h.Snapshots.Now(r.Context())
		if err == nil {
			w.Header().Set("Certkeep-As-Of", s.At.Format(time.RFC3339))
			err = a(w, r, s)
		} else {
			err = &failure{http.StatusServiceUnavailable, err.Error()}
		}
		if err == nil {
			return
		}
		if f, ok := errors.AsType[*failure](err); ok {
			refuse(w, r, f.status, f.words)
			return
		}
		if r.Context().Err() == nil {
			h.Log.Error("a question about the status could not be answered", "path", r.URL.Path, "error", err)
		}
		refuse(w, r, http.StatusInternalServerError, "it could not be answered; the log says why")
	})
}

// inTurn makes an answer that costs much when it is its turn. It is written after
// that: a client that reads slowly keeps nobody waiting.
func (h *handler) inTurn(ctx context.Context, compose func() ([]byte, error)) ([]byte, error) {
	leave, err := h.atOnce(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return compose()
}

// atOnce waits for its turn among the answers that cost much, and gives up
// where those before it hang.
func (h *handler) atOnce(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(readMayTake)
	defer timer.Stop()
	select {
	case h.heavy <- struct{}{}:
		return func() { <-h.heavy }, nil
	case <-timer.C:
		return nil, &failure{http.StatusServiceUnavailable, "too much is asked for at once"}
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", context.Cause(ctx))
	}
}

// send writes a body with a tag of what it says, so that whoever has it
// already is told just that.
func send(w http.ResponseWriter, r *http.Request, kind string, body []byte) error {
	sum := sha256.Sum256(body)
	return sendTagged(w, r, kind, body, `"`+hex.EncodeToString(sum[:12])+`"`)
}

func sendTagged(w http.ResponseWriter, r *http.Request, kind string, body []byte, tag string) error {
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", kind)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return ignored(r, err)
}

// ignored drops the error of an answer that nobody waits for any more.
func ignored(r *http.Request, err error) error {
	if err != nil && r.Context().Err() == nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
