package challenge

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// acmePath is where http-01 is answered, RFC 8555 section 8.3.
const acmePath = "/.well-known/acme-challenge/"

// What a stranger may cost.
const (
	headerLimit = 8 << 10 // bytes
	headerTime  = 5 * time.Second
	requestTime = 10 * time.Second
)

// HTTP01 answers http-01 by a listener of its own. Make one per address.
type HTTP01 struct {
	door   door
	server http.Server

	mu      sync.Mutex
	answers map[string]*answer // by token
	site    http.Handler       // behind the answers; nil where the listener is not kept
}

// answer is what is shown for one token.
type answer struct {
	keyAuthorization string
	users            int // Presents without their CleanUp
	asked            chan struct{}
	once             sync.Once // closes asked
}

// NewHTTP01 answers on what listen opens; nothing is opened yet.
func NewHTTP01(listen Listen) *HTTP01 {
	s := &HTTP01{answers: make(map[string]*answer)}
	s.server = http.Server{
		Handler:           s,
		MaxHeaderBytes:    headerLimit,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime,
		ErrorLog:          log.New(io.Discard, "", 0), // it tells only what strangers do wrong
	}
	s.server.SetKeepAlivesEnabled(false) // so that no connection outlives its question
	s.door = door{listen: listen, serve: func(l net.Listener) error { return s.server.Serve(l) }}
	return s
}

// Type implements Solver.
func (s *HTTP01) Type() string { return TypeHTTP01 }

// Present implements Solver. The first one opens the listener.
func (s *HTTP01) Present(ctx context.Context, c Challenge) error {
	if err := checkHost(c); err != nil {
		return err
	}
	op := fmt.Sprintf("answer http-01 for %s", c.Identifier.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answers[c.Token]
	if a != nil && a.keyAuthorization != c.KeyAuthorization {
		return failed(op, plan.CodeCAGarbage, fmt.Errorf("its token is in use for another account"), "")
	}
	if a == nil {
		if err := s.door.enter(ctx); err != nil {
			return err
		}
		a = &answer{keyAuthorization: c.KeyAuthorization, asked: make(chan struct{})}
		s.answers[c.Token] = a
	}
	a.users++
	return nil
}

// CleanUp implements Solver. The last one closes the listener.
func (s *HTTP01) CleanUp(_ context.Context, c Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answers[c.Token]
	if a == nil || a.keyAuthorization != c.KeyAuthorization {
		return nil
	}
	if a.users--; a.users > 0 {
		return nil
	}
	delete(s.answers, c.Token)
	if err := s.door.leave(); err != nil {
		return failed("close the listener of http-01", plan.CodeChallenge, err, "")
	}
	return nil
}

// Asked implements Asker. It is nil, which never is ready, for what is not
// presented.
func (s *HTTP01) Asked(c Challenge) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.answers[c.Token]; a != nil {
		return a.asked
	}
	return nil
}

// ServeHTTP shows the presented answers, and nothing else. The Host is not
// looked at: a CA follows redirects, and a token cannot be guessed.
func (s *HTTP01) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Answer(w, r) {
		s.behind().ServeHTTP(w, r)
	}
}

// asked is the answer that a request asks for; nil where that is none of ours.
func (s *HTTP01) asked(r *http.Request) *answer {
	token, found := strings.CutPrefix(r.URL.Path, acmePath)
	if !found || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[token]
}

// show writes an answer, and calls seen once it has gone out.
func show(w http.ResponseWriter, r *http.Request, keyAuthorization string, seen func()) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := io.WriteString(w, keyAuthorization); err != nil {
		return // whoever asked is gone, and did not see it
	}
	if r.Method == http.MethodGet {
		seen()
	}
}
