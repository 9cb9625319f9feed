package challenge

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// Manual answers challenges by programs of the administrator, as certbot does
// with --manual-auth-hook and --manual-cleanup-hook. Make one with NewManual
// for all orders: such programs were written for a client that runs one at a
// time, so they never run side by side.
type Manual struct {
	gate chan struct{} // holds one while a program runs

	mu    sync.Mutex // guards notes
	notes map[Challenge]note
}

// note is what the clean-up of an answer is told of its making.
type note struct {
	all    string // names that were answered together
	left   int    // how many came after this one
	output string // of the program that made it
}

// ManualHooks are the two programs. What Env and Stdin have in them is kept
// out; both programs get PATH and
//
//	CERTBOT_IDENTIFIER            the name, without "*."
//	CERTBOT_VALIDATION            content of the file, or of the TXT record
//	CERTBOT_TOKEN                 http-01: name of the file
//	CERTBOT_ALL_IDENTIFIERS       names that the order has answered this way, separated by commas
//	CERTBOT_REMAINING_CHALLENGES  how many of them are still to come
//	CERTBOT_AUTH_OUTPUT           CleanUp: what Auth wrote to stdout, without white space around it
//
// and CERTBOT_DOMAIN and CERTBOT_ALL_DOMAINS, the older names of the first and
// the fourth.
type ManualHooks struct {
	Auth    command.Command // has to exit with 0 once the answer can be seen
	CleanUp command.Command // without a program nothing is taken away
}

// maxNote bounds CERTBOT_AUTH_OUTPUT, in bytes: it is kept in the store.
const maxNote = 16 << 10

// NewManual runs nothing yet.
func NewManual() *Manual {
	return &Manual{gate: make(chan struct{}, 1), notes: make(map[Challenge]note)}
}

// Solver answers challenges of a type, http-01 or dns-01, by two programs.
func (m *Manual) Solver(kind string, hooks ManualHooks) Solver {
	return &manualSolver{manual: m, kind: kind, hooks: hooks}
}

type manualSolver struct {
	manual *Manual
	kind   string
	hooks  ManualHooks
}

// Type implements Solver.
func (s *manualSolver) Type() string { return s.kind }

// Lasting implements Lasting: what the program made outlives us.
func (s *manualSolver) Lasting() {}

// Counted implements Counted.
func (s *manualSolver) Counted() bool { return true }

// Present implements Solver. A program that fails may have done half of it:
// CleanUp is to be called then, too.
func (s *manualSolver) Present(ctx context.Context, c Challenge) error {
	op := fmt.Sprintf("answer %s for %s by the auth_hook", s.kind, c.Identifier)
	switch {
	case s.kind == TypeDNS01 && c.Identifier.IP:
		return failed(op, plan.CodeNoChallenge, errIP, "") // RFC 8738 section 7
	case s.kind == TypeHTTP01:
		if err := checkHost(c); err != nil {
			return err
		}
	}
	n := note{}
	output, err := s.manual.run(ctx, s.hooks.Auth, func() []string {
		n.all, n.left = take(ctx, c.Identifier)
		s.manual.keep(c, n)
		return c.variables(n)
	})
	if n.all == "" { // its turn never came: there is nothing to take away
		return failed(op, plan.CodeAuthHook, err, "")
	}
	n.output = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(string(output[:min(len(output), maxNote)]), "\x00", ""), ""))
	s.manual.keep(c, n)
	if err != nil {
		return failed(op, plan.CodeAuthHook, err, "")
	}
	return nil
}

// CleanUp implements Solver. It runs the program for what Present made, or
// Recall has told of, and for nothing else.
func (s *manualSolver) CleanUp(ctx context.Context, c Challenge) error {
	n, made := s.manual.noteOf(c)
	if !made {
		return nil
	}
	if s.hooks.CleanUp.Name() != "" {
		variables := func() []string { return append(c.variables(n), "CERTBOT_AUTH_OUTPUT="+n.output) }
		if _, err := s.manual.run(ctx, s.hooks.CleanUp, variables); err != nil {
			return failed(fmt.Sprintf("clean up %s for %s by the cleanup_hook", s.kind, c.Identifier), plan.CodeAuthHook, err, "")
		}
	}
	s.manual.forget(c)
	return nil
}

// Note implements Noted: what the program wrote.
func (s *manualSolver) Note(c Challenge) string {
	n, _ := s.manual.noteOf(c)
	return n.output
}

// Recall implements Noted.
func (s *manualSolver) Recall(c Challenge, output string) {
	if _, known := s.manual.noteOf(c); !known {
		s.manual.keep(c, note{all: c.Identifier.Value, output: output})
	}
}

// variables are those of both programs.
func (c Challenge) variables(n note) []string {
	validation := c.KeyAuthorization
	if c.Type == TypeDNS01 {
		validation = c.DNSValue()
	}
	variables := []string{
		"CERTBOT_IDENTIFIER=" + c.Identifier.Value,
		"CERTBOT_DOMAIN=" + c.Identifier.Value,
		"CERTBOT_VALIDATION=" + validation,
		"CERTBOT_ALL_IDENTIFIERS=" + n.all,
		"CERTBOT_ALL_DOMAINS=" + n.all,
		"CERTBOT_REMAINING_CHALLENGES=" + strconv.Itoa(n.left),
	}
	if c.Type == TypeHTTP01 {
		variables = append(variables, "CERTBOT_TOKEN="+c.Token)
	}
	return variables
}

// run runs a program alone. One that others may write is not run. Variables is
// asked when it is the program's turn: the one that is told that nothing is
// left runs last, which programs of this kind build on.
func (m *Manual) run(ctx context.Context, c command.Command, variables func() []string) ([]byte, error) {
	select {
	case m.gate <- struct{}{}:
		defer func() { <-m.gate }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.Env, c.Stdin = variables(), nil
	if err := c.Trusted(); err != nil {
		return nil, err
	}
	result, err := command.Run(ctx, c)
	return result.Stdout, err
}

func (m *Manual) keep(c Challenge, n note) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[c] = n
}

func (m *Manual) noteOf(c Challenge) (n note, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, known = m.notes[c]
	return n, known
}

func (m *Manual) forget(c Challenge) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.notes, c)
}
