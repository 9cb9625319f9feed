package engine

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// foundKey is the key of an account that another client registered, where the
// config names its file and no account at the issuer was ever stored: the CA
// answers a registration with the account that has the key (RFC 8555 section
// 7.3). It is nil where there is none. An account that was put aside is not
// found again: somebody wanted another one, or the CA knows it no more.
func (e *Engine) foundKey(ctx context.Context, issuer config.Issuer) (crypto.Signer, error) {
	if issuer.AccountKeyFile == "" {
		return nil, nil
	}
	had, err := e.Store.HadAccount(ctx, issuer.Name)
	if had || err != nil {
		return nil, err
	}
	text, err := config.SecretRef{File: issuer.AccountKeyFile}.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var key crypto.Signer
	if err == nil {
		parse := keys.Parse
		if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
			parse = keys.ParseJWK
		}
		if key, err = parse(text); err == nil {
			return key, nil
		}
		err = fmt.Errorf("%s: %w", issuer.AccountKeyFile, err)
	}
	return nil, &FaultError{Fault: newFault(plan.CodeSecret, plan.BlameAdmin, fmt.Sprintf("issuer %s: account key: %v", issuer.Name, err)), Err: err}
}
