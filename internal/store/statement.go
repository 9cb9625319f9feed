package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/plan"
)

// statements is the folder of what others say of certificates.
const statements = "statements"

// Statements is what others said of one certificate: that it is not revoked,
// and that they received it. Files are made of it, and made again when they
// are lost. It is written before the group tells of it.
type Statements struct {
	Certificate string            `json:"certificate"` // the name in the config
	KeyType     string            `json:"key_type"`
	Leaf        string            `json:"leaf"` // SHA-256 of the certificate that it is about
	OCSP        *OCSPResponse     `json:"ocsp,omitempty"`
	SCT         map[string][]byte `json:"sct,omitempty"` // receipts by the log's name in the config, RFC 6962 section 3.2
}

// OCSPResponse is a response as it is stapled, and what to ask with for the
// next one.
type OCSPResponse struct {
	DER  []byte `json:"der"`
	URL  string `json:"url"`            // of the responder that gave it
	ETag string `json:"etag,omitempty"` // its name for it
}

// statementsRecord is a Statements as it lies in the store.
type statementsRecord struct {
	header
	Statements
}

func statementsKey(cert, keyType string) string { return keyOf(statements, cert, keyType) }

// Statements reads what was said of the certificate with a digest. Where
// nothing is stored of it, or it cannot be understood, the answer is empty: it
// is asked for again.
func (s *Store) Statements(ctx context.Context, cert string, pair plan.Pair) (Statements, error) {
	empty := Statements{Certificate: cert, KeyType: pair.KeyType, Leaf: pair.SHA256}
	entry, err := s.backend.Get(ctx, statementsKey(cert, pair.KeyType))
	if errors.Is(err, ErrNotFound) {
		return empty, nil
	}
	if err != nil {
		return Statements{}, fmt.Errorf("read the statements about %s: %w", cert, err)
	}
	var r statementsRecord
	if err := decode(entry.Key, entry.Value, &r); err != nil && !lost(err) {
		return Statements{}, fmt.Errorf("read the statements about %s: %w", cert, err)
	} else if err != nil || !r.about(empty) {
		return empty, nil
	}
	return r.Statements, nil
}

// about reports whether two are about the same certificate.
func (s Statements) about(other Statements) bool {
	return s.Certificate == other.Certificate && s.KeyType == other.KeyType && s.Leaf == other.Leaf
}

// UpdateStatements changes what was said of a certificate. What is stored
// about an earlier one, or is damaged, is dropped.
func (s *Store) UpdateStatements(ctx context.Context, cert string, pair plan.Pair, apply func(*Statements)) error {
	about := Statements{Certificate: cert, KeyType: pair.KeyType, Leaf: pair.SHA256}
	return update(ctx, s, change[*statementsRecord]{
		key:     statementsKey(cert, pair.KeyType),
		rebuild: true,
		fresh:   func() *statementsRecord { return &statementsRecord{Statements: about} },
		apply: func(r *statementsRecord) error {
			if !r.about(about) {
				r.Statements = about
			}
			apply(&r.Statements)
			return nil
		},
	})
}

// forgetStatements drops what was said of a certificate.
func (s *Store) forgetStatements(ctx context.Context, cert string) error {
	found, err := s.backend.Keys(ctx, keyOf(statements, cert))
	if err != nil {
		return fmt.Errorf("list the statements about %s: %w", cert, err)
	}
	for _, key := range found {
		if err := s.delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
