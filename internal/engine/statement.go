package engine

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/plan"
)

// statementTime bounds one question to responders or logs, whatever they do.
// Files of a new version wait for it, so it is shorter than their answer could
// take; who is slow is asked again.
const statementTime = 10 * time.Second

// statementsLane is where certificates wait that ask nobody but responders and
// logs, so that a slow one keeps no other certificate from being installed. No
// issuer has such a name.
const statementsLane = "@statements"

// onlyAsks reports whether steps are nothing but questions to responders and
// logs.
func onlyAsks(steps []plan.Step) bool {
	for _, s := range steps {
		if !s.Kind.AsksOthers() {
			return false
		}
	}
	return true
}

// pairOfStep is the pair that a step speaks of, with its certificate and what
// leads on from it.
func (w *worker) pairOfStep(ctx context.Context, s plan.Step) (plan.Pair, []*x509.Certificate, error) {
	record, err := w.engine.Store.Version(ctx, w.want.Name, s.Version)
	if err != nil {
		return plan.Pair{}, nil, err
	}
	pair, ok := record.Version.Pair(s.KeyType)
	if !ok {
		return plan.Pair{}, nil, fmt.Errorf("version %s has no %s certificate", s.Version, s.KeyType)
	}
	parsed, err := chain.Parse([]byte(record.Chains[s.KeyType]))
	if err != nil {
		return plan.Pair{}, nil, err
	}
	return pair, parsed.Certs, nil
}

// issuerOf is the certificate behind the leaf; nil where the chain ends with
// the leaf.
func issuerOf(certs []*x509.Certificate) *x509.Certificate {
	if len(certs) < 2 {
		return nil
	}
	return certs[1]
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
