package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
)

// Installer brings files to targets, and takes them away: a [deploy.Deployer], or
// a Client of a helper that has one.
type Installer interface {
	Batch(ctx context.Context, jobs []deploy.Job) []deploy.Result
	Withdraw(t deploy.Target, version string, files []plan.File) (foreign []string, err error)
}

// Book says what names mean, by the configuration and the state as they are now.
type Book interface {
	// Job is an installation with all that belongs to it, or why there is none.
	Job(ctx context.Context, j Job) (deploy.Job, *plan.Fault)
	// Installed are a target, those of its files that may be taken away, and the
	// paths of others that are said to be installed.
	Installed(ctx context.Context, cert, target string) (of deploy.Target, files []plan.File, others []string, err error)
	// Close ends the use of it.
	Close() error
}

// Server answers.
type Server struct {
	Installer Installer
	// Open reads the configuration, and opens the state; once for each request,
	// so that what holds is what stands there.
	Open func(ctx context.Context) (Book, error)
	Log  *slog.Logger
	// Pace is kept whoever asks, and whatever for.
	Pace Pace
}

// atOnce are the requests that are carried out at the same time. More wait.
const atOnce = 16

// Serve answers until ctx ends, and returns when what was begun is done. It
// closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var under sync.WaitGroup
	defer under.Wait()
	slots := make(chan struct{}, atOnce)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil // told to end
			}
			return errors.Join(fmt.Errorf("listen for who asks: %w", err), l.Close())
		}
		under.Go(func() {
			defer func() { <-slots }()
			if err := s.serve(ctx, conn); err != nil {
				s.Log.Warn("a request ended badly", "error", err)
			}
		})
	}
}

// serve answers one request.
func (s *Server) serve(ctx context.Context, conn net.Conn) (err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetReadDeadline(time.Now().Add(sayMayTake)); err != nil {
		return err
	}
	decoder := json.NewDecoder(io.LimitReader(conn, maxRequest))
	decoder.DisallowUnknownFields()
	var q request
	var a answer
	err = decoder.Decode(&q)
	if err != nil {
		err = fmt.Errorf("the helper cannot read the request: %w", err)
	} else if err = q.check(); err == nil {
		a, err = s.answer(ctx, q)
	}
	if err != nil {
		s.Log.Warn("nothing was done", "error", err)
		a.Error = err.Error()
	}
	if err := conn.SetWriteDeadline(time.Now().Add(sayMayTake)); err != nil {
		return err
	}
	if err := json.NewEncoder(conn).Encode(a); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// answer does what was asked for.
func (s *Server) answer(ctx context.Context, q request) (a answer, err error) {
	if ctx.Err() != nil {
		return a, errors.New("the helper ends")
	}
	ending := ctx
	ctx = context.WithoutCancel(ctx) // what is begun is finished
	book, err := s.Open(ctx)
	if err != nil {
		return a, fmt.Errorf("the helper cannot do it: %w", err)
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	switch {
	case q.Withdraw != nil:
		a.Left, err = s.withdraw(ctx, book, *q.Withdraw)
		return a, err
	case len(q.Install) > 0:
		a.Results = s.install(ctx, ending, book, q.Install)
		return a, nil
	case q.Look:
		return a, nil
	}
	return a, errors.New("nothing was asked of the helper")
}

// install carries out those jobs that mean something, in one batch; none where
// ending ends before their services may be told.
func (s *Server) install(ctx, ending context.Context, book Book, asked []Job) []result {
	results := make([]result, len(asked))
	var jobs []deploy.Job
	var at []int
	for i, q := range asked {
		job, fault := book.Job(ctx, q)
		if fault != nil {
			results[i].Fault = fault
			s.Log.Warn("no installation", "certificate", q.Cert, "target", q.Target, "version", q.Version, "error", fault.Words)
			continue
		}
		job.Told, job.Staged, job.Spare = q.Told, q.Staged, q.Spare
		jobs, at = append(jobs, job), append(at, i)
	}
	for n, r := range s.batch(ctx, ending, jobs) {
		q := asked[at[n]]
		results[at[n]] = resultOf(r)
		if r.Fault != nil {
			s.Log.Warn("installation failed", "certificate", q.Cert, "target", q.Target, "version", q.Version, "error", r.Fault.Words)
		} else if r.Changed {
			s.Log.Info("installed", "certificate", q.Cert, "target", q.Target, "version", q.Version, "reloaded", r.Reloaded)
		}
	}
	return results
}

// batch carries out jobs when it is the turn of their services.
func (s *Server) batch(ctx, ending context.Context, jobs []deploy.Job) []deploy.Result {
	told := s.Pace.Turn(ending, jobs, func(service string, until time.Time) {
		s.Log.Info("waiting for the least time between two reloads", "service", service, "until", until)
	})
	if ending.Err() != nil {
		ctx = ending // nothing has begun
	}
	results := s.Installer.Batch(ctx, jobs)
	told(results)
	return results
}

// withdraw takes the files of a target away.
func (s *Server) withdraw(ctx context.Context, book Book, q Job) ([]string, error) {
	target, files, others, err := book.Installed(ctx, q.Cert, q.Target)
	if err != nil {
		return nil, fmt.Errorf("the helper: %w", err)
	}
	left, err := s.Installer.Withdraw(target, q.Version, files)
	left = append(left, others...)
	if err == nil {
		s.Log.Info("took files away", "certificate", q.Cert, "target", q.Target, "left", left)
	}
	return left, err
}
