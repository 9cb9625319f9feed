package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/certkeep/certkeep/internal/config"
)

// maxLines bounds what is read of standard input as passphrases, in bytes.
const maxLines = 1 << 20

// passphrases gets passphrases of private keys from whoever runs the command.
// They are kept in memory alone, and handed to nobody but the engine.
type passphrases struct {
	ui     *ui
	expect []string // keys and certificates that take a line of standard input each, in order

	once  sync.Once
	lines [][]byte
	err   error
}

// passphrases are for the named certificates, or all. Of certificates that
// share their keys it is these that have the passphrase. Lines come in the order
// of names, for acmebot's files in that of their keys.
func (a *app) passphrases(cfg *config.Config, names []string) *passphrases {
	p := &passphrases{ui: a.ui}
	for _, cert := range cfg.Certificates {
		whose := cmp.Or(cert.Key, cert.Name)
		if cert.Passphrase.Ask == config.PassphraseStdin && (len(names) == 0 || slices.Contains(names, cert.Name)) && !slices.Contains(p.expect, whose) {
			p.expect = append(p.expect, whose)
		}
	}
	slices.SortStableFunc(p.expect, func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(cfg.KeyOrder, a), slices.Index(cfg.KeyOrder, b)), strings.Compare(a, b))
	})
	return p
}

// get asks on the terminal, or finds the certificate's line.
func (p *passphrases) get(ctx context.Context, cert, how string) ([]byte, error) {
	if how == config.PassphrasePrompt {
		text, err := p.ui.askSecret(ctx, fmt.Sprintf("Passphrase of the private key of %s:", cert))
		if errors.Is(err, errNoTerminal) {
			err = errors.New("there is no terminal to ask on; passphrase_file, passphrase_env and passphrase_credential need none")
		}
		return text, err
	}
	i := slices.Index(p.expect, cert)
	if i < 0 {
		return nil, errors.New("standard input was read before the certificate was configured; start Certkeep again")
	}
	p.once.Do(func() { p.lines, p.err = p.ui.readLines() })
	switch {
	case p.err != nil:
		return nil, p.err
	case i >= len(p.lines):
		return nil, fmt.Errorf("line %d of standard input belongs to it, which has %d", i+1, len(p.lines))
	}
	return p.lines[i], nil
}

// readLines reads standard input to its end.
func (u *ui) readLines() ([][]byte, error) {
	if isTerminal(u.stdin) {
		return nil, errors.New("standard input is a terminal; `passphrase: prompt` asks there")
	}
	text, err := io.ReadAll(io.LimitReader(u.stdin, maxLines))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) == 0 {
		return nil, nil
	}
	return bytes.Split(text, []byte("\n")), nil
}

// askSecret puts a question on the terminal; the answer is not shown.
func (u *ui) askSecret(ctx context.Context, question string) ([]byte, error) {
	if !isTerminal(u.stdin) || !isTerminal(u.stderr) {
		return nil, errNoTerminal
	}
	u.pauseLive()
	defer u.resumeLive()
	before, err := term.GetState(int(u.stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask on the terminal: %w", err)
	}
	u.mu.Lock()
	u.write(u.stderr, question+" ")
	u.mu.Unlock()
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(u.stdin.Fd()))
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		u.write(u.stderr, "\n")
		return a.text, a.err
	case <-ctx.Done():
		err := term.Restore(int(u.stdin.Fd()), before) // it is left as it was found: showing what is typed
		u.write(u.stderr, "\n")
		return nil, errors.Join(context.Cause(ctx), err)
	}
}
