package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// Time that a client may take, so that one that hangs binds nothing.
const (
	requestMayTake = 10 * time.Second
	lineMayTake    = 30 * time.Second // to read a line of progress
)

// server answers at the control socket.
type server struct {
	http *http.Server
	d    *daemon
	ctx  context.Context // ends with the daemon
	desk *desk
}

func newServer(ctx context.Context, d *daemon, desk *desk) *server {
	s := &server{d: d, ctx: ctx, desk: desk}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathAsk, s.ask)
	mux.HandleFunc("GET "+pathProgress, s.progress)
	mux.HandleFunc("GET "+pathStatus, s.status)
	mux.HandleFunc("POST "+pathReload, s.reload)
	mux.HandleFunc("POST "+pathForget, s.forget)
	mux.HandleFunc("POST "+pathAccount, s.account)
	s.http = &http.Server{
		Handler:           http.MaxBytesHandler(s.read(mux), maxBody),
		ReadHeaderTimeout: requestMayTake,
		IdleTimeout:       requestMayTake,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	return s
}

// read takes a request's body off the connection before anything is done, in
// bounded time. http.Server's own ReadTimeout would go on counting, and end
// whatever takes longer than it.
func (s *server) read(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		err := control.SetReadDeadline(time.Now().Add(requestMayTake))
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r.Body)
		}
		if err == nil {
			err = control.SetReadDeadline(time.Time{})
		}
		if err != nil {
			// The deadline stays: what is left of the body is not waited for.
			w.Header().Set("Connection", "close")
			s.refuse(w, fmt.Errorf("%w: %w", errAsk, err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// ask stores a wish and hands out a ticket for its progress.
func (s *server) ask(w http.ResponseWriter, r *http.Request) {
	a, err := decodeAsk(r.Body)
	if err != nil {
		s.refuse(w, err)
		return
	}
	if err := s.d.wanted(a.Names); err != nil {
		s.refuse(w, err)
		return
	}
	t, err := s.desk.open(a.Names, time.Now())
	if err != nil {
		s.refuse(w, err)
		return
	}
	if err := s.store(r.Context(), a); err != nil {
		s.desk.drop(t)
		s.refuse(w, err)
		return
	}
	s.d.log.Info("asked over the control socket", "kind", string(a.Kind), "certificates", len(a.Names))
	s.d.background.Go(func() { s.settle(t, a.Names) })
	s.reply(w, taken{Ticket: t.id})
}

// store makes the wish survive a crash and wakes the engine.
func (s *server) store(ctx context.Context, a Ask) error {
	if len(a.Names) == 0 {
		s.d.engine.Wake() // nothing to remember: all that is due is done anyway
		return nil
	}
	if a.Kind == plan.AskRevoke {
		return s.d.engine.Revoke(ctx, a.Names, engine.RevokeWish{Reason: a.Reason, First: a.First, Withdraw: a.Withdraw})
	}
	return s.d.engine.Ask(ctx, a.Kind, a.Names, cmp.Or(a.Version, a.Issuer))
}

// settle ends the ticket once all that was asked for has been done or tried.
func (s *server) settle(t *ticket, names []string) {
	why := ""
	if err := s.d.engine.Settled(s.ctx, names); err != nil {
		why = "the daemon ended before it was done; the next one goes on"
	}
	t.end(why, time.Now())
}

// progress streams what happens under a ticket, until it has ended.
func (s *server) progress(w http.ResponseWriter, r *http.Request) {
	t := s.desk.find(r.URL.Query().Get("ticket"))
	if t == nil {
		s.refuse(w, fmt.Errorf("%w: no such ticket", errAsk))
		return
	}
	defer s.desk.drop(t)
	w.Header().Set("Content-Type", "application/jsonl")
	control := http.NewResponseController(w)
	encoder := json.NewEncoder(w)
	for {
		for _, line := range t.take() {
			if err := errors.Join(control.SetWriteDeadline(time.Now().Add(lineMayTake)), encoder.Encode(line)); err != nil {
				return // nobody reads any more
			}
			if line.Ended != nil {
				return
			}
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-t.more:
		case <-r.Context().Done():
			if s.ctx.Err() == nil {
				return // the client left; what it asked for is done all the same
			}
			<-t.more // the daemon ends, and with it every ticket
		}
	}
}

// status tells how everything is, with what only this process knows.
func (s *server) status(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("problems") {
		s.reply(w, status.Overview{Problems: s.d.problems()})
		return
	}
	world, err := s.d.engine.World(r.Context())
	if err != nil {
		s.refuse(w, err)
		return
	}
	o := status.Of(time.Now(), world)
	o.AddProblems(s.d.problems())
	s.reply(w, o)
}

// reload does what SIGHUP does, and says how it went.
func (s *server) reload(w http.ResponseWriter, r *http.Request) {
	done := make(chan error, 1)
	select {
	case s.d.reloads <- done:
	case <-r.Context().Done():
		return
	}
	if err := <-done; err != nil {
		s.refuse(w, err)
		return
	}
	s.reply(w, struct{}{})
}

// forget drops what is stored of certificates.
func (s *server) forget(w http.ResponseWriter, r *http.Request) {
	var f forgetRequest
	err := decode(r.Body, &f)
	if err == nil {
		err = checkNames(f.Names)
	}
	for i := 0; err == nil && i < len(f.Names); i++ {
		err = s.d.engine.Forget(r.Context(), f.Names[i])
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.reply(w, struct{}{})
}

// account changes an account. It may take as long as the CA does.
func (s *server) account(w http.ResponseWriter, r *http.Request) {
	var q AccountRequest
	if err := decode(r.Body, &q); err != nil {
		s.refuse(w, err)
		return
	}
	account, err := ChangeAccount(r.Context(), s.d.engine, q)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.reply(w, account)
}

// ChangeAccount carries out a change of an account. A deactivated account is
// returned as it was.
func ChangeAccount(ctx context.Context, e *engine.Engine, q AccountRequest) (store.Account, error) {
	switch q.Op {
	case AccountRegister:
		return e.RegisterAccount(ctx, q.Issuer)
	case AccountUpdate:
		return e.UpdateAccount(ctx, q.Issuer)
	case AccountRollKey:
		return e.RollAccountKey(ctx, q.Issuer)
	case AccountReset:
		return e.ResetAccount(ctx, q.Issuer)
	case AccountImport:
		key, err := keys.Parse([]byte(q.Key))
		if err != nil {
			return store.Account{}, fmt.Errorf("%w: %w", errAsk, err)
		}
		return e.ImportAccount(ctx, q.Issuer, key)
	case AccountDeactivate:
		account, err := e.Store.Account(ctx, q.Issuer)
		if err != nil {
			return store.Account{}, err
		}
		account.Status = store.AccountDeactivated
		return account, e.DeactivateAccount(ctx, q.Issuer)
	}
	return store.Account{}, fmt.Errorf("%w: operation %q", errAsk, q.Op)
}

func (s *server) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.d.log.Debug("a client left before it was answered", "error", err)
	}
}

// refuse answers with an error.
func (s *server) refuse(w http.ResponseWriter, err error) {
	code, body := http.StatusInternalServerError, refusal{Error: err.Error()}
	fault, isFault := errors.AsType[*engine.FaultError](err)
	_, unknown := errors.AsType[*UnknownError](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isFault:
		code, body.Fault = http.StatusBadGateway, &fault.Fault
	case unknown:
		code = http.StatusNotFound
	case tooLarge:
		code = http.StatusRequestEntityTooLarge
	case errors.Is(err, errAsk):
		code = http.StatusBadRequest
	case errors.Is(err, errBusy):
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.d.log.Debug("a client left before it was answered", "error", err)
	}
}

// UnknownError says that the daemon's config does not know a certificate.
type UnknownError struct{ Name string }

// Error says so.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("the running daemon's config has no certificate %q", e.Name)
}

// wanted checks that the config has the named certificates.
func (d *daemon) wanted(names []string) error {
	cfg := d.config()
	for _, name := range names {
		if !cfg.Known(name) {
			return &UnknownError{Name: name}
		}
	}
	return nil
}

// problems are the conditions that only this process knows.
func (d *daemon) problems() []plan.Problem {
	all := []plan.Problem{}
	if d.page != nil {
		all = append(all, d.page.problems()...)
	}
	if now := d.porch.problem.Load(); now != nil {
		all = append(all, *now)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refused != nil {
		all = append(all, *d.refused)
	}
	return all
}
