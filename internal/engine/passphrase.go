package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// errNobody says that a passphrase is to be asked for, and nobody can be asked.
var errNobody = errors.New("nobody can be asked for it here")

// passphrases are those that a person gave to this process. They are kept
// nowhere else.
type passphrases struct {
	mu    sync.Mutex // held while somebody is asked: one question at a time
	given map[string][]byte
}

// passphrase is what protects the private keys of a certificate; nil where
// nothing does. Its error is a *FaultError.
func (e *Engine) passphrase(ctx context.Context, cert *config.Certificate) ([]byte, error) {
	p := cert.Passphrase
	if !p.On() {
		return nil, nil
	}
	text, err := e.ask(ctx, cmp.Or(cert.Key, cert.Name), p)
	if err != nil {
		words := fmt.Sprintf("passphrase of the private key of %s: %v", cert.Name, err)
		return nil, &FaultError{Fault: newFault(plan.CodeSecret, plan.BlameAdmin, words), Err: err}
	}
	return text, nil
}

// ask reads a passphrase, or has a person asked who was not asked yet.
func (e *Engine) ask(ctx context.Context, cert string, p config.Passphrase) ([]byte, error) {
	if p.Ask == "" {
		return p.Read()
	}
	e.passphrases.mu.Lock()
	defer e.passphrases.mu.Unlock()
	if text, ok := e.passphrases.given[cert+" "+p.Ask]; ok {
		return text, nil
	}
	if e.Passphrase == nil {
		return nil, errNobody
	}
	line, err := e.Passphrase(ctx, cert, p.Ask)
	if err != nil {
		return nil, err
	}
	text, err := config.PassphraseLine(line)
	if err != nil {
		return nil, fmt.Errorf("what was given %w", err)
	}
	if e.passphrases.given == nil {
		e.passphrases.given = map[string][]byte{}
	}
	e.passphrases.given[cert+" "+p.Ask] = text
	return text, nil
}

// unlock reads what a target's secrets are protected by. A target without
// private keys needs nothing. Its error is a *FaultError.
func (e *Engine) unlock(ctx context.Context, cert *config.Certificate, t config.Target, target *deploy.Target) error {
	for _, f := range t.Files {
		i := slices.IndexFunc(target.Files, func(g deploy.File) bool { return g.Path == fileOf(f).Path })
		if f.Password.IsZero() || target.Files[i].Password != notRead {
			continue // none, or read already for another key type
		}
		password, err := f.Password.Read()
		if err != nil {
			return &FaultError{Fault: newFault(plan.CodeSecret, plan.BlameAdmin, fmt.Sprintf("password of %s: %v", f.Path, err)), Err: err}
		}
		target.Files[i].Password = deploy.Password(password)
	}
	if !target.HoldsKey() {
		return nil
	}
	passphrase, err := e.passphrase(ctx, cert)
	if err != nil {
		return err
	}
	target.Passphrase, target.KDF = deploy.Password(passphrase), cert.Passphrase.KDF
	return nil
}

// keyOfCSR reads the private key beside the administrator's CSR, which may be
// under the certificate's passphrase. Its error is a *FaultError where that is
// what is wrong.
func (w *worker) keyOfCSR(ctx context.Context, cert *config.Certificate) ([]byte, error) {
	text, err := os.ReadFile(cert.CSR.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of the CSR: %w", err)
	}
	if _, err := keys.Parse(text); err == nil || !encrypted(err) {
		return text, nil // what else is wrong shows where it is used
	}
	passphrase, err := w.engine.passphrase(ctx, cert)
	if err != nil {
		return nil, err
	}
	key, err := keys.ParseWith(text, passphrase)
	if err != nil {
		return nil, &FaultError{Fault: newFault(plan.CodeSecret, plan.BlameAdmin, fmt.Sprintf("%s: %v", cert.CSR.KeyFile, err)), Err: err}
	}
	return keys.Marshal(key)
}

func encrypted(err error) bool {
	_, is := errors.AsType[*keys.EncryptedError](err)
	return is
}
