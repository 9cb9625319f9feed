package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/plan"
)

// read takes a published version from the store.
func (s *Shelf) read(ctx context.Context, of summary) (*shown, error) {
	if of.version == "" {
		return nil, ErrNotYet
	}
	record, err := s.store.Version(ctx, of.cert, of.version)
	if err != nil {
		return nil, err
	}
	on := &shown{of: of}
	var failed error
	for _, pair := range record.Version.Pairs {
		one, err := s.readPair(ctx, of.cert, pair, record.Chains[pair.KeyType])
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", pair.KeyType, err))
			continue
		}
		on.pairs = append(on.pairs, one)
	}
	if len(on.pairs) == 0 {
		return nil, fmt.Errorf("serve version %s of %s: %w", of.version, of.cert, failed)
	}
	if failed != nil {
		s.log.Error("a certificate is served without one of its key types", "certificate", of.cert, "version", of.version, "error", failed)
	}
	return on, nil
}

// readPair takes the certificate of one key type from the store, with its key
// and the OCSP response that is kept for it.
func (s *Shelf) readPair(ctx context.Context, cert string, pair plan.Pair, text string) (served, error) {
	c, err := chain.Parse([]byte(text))
	if err != nil {
		return served{}, err
	}
	key, err := s.store.Key(ctx, pair.Key)
	if err != nil {
		return served{}, err
	}
	if err := c.Fits(key.Public()); err != nil {
		return served{}, err
	}
	plain := tls.Certificate{PrivateKey: key, Leaf: c.Leaf()}
	for _, one := range c.Certs {
		plain.Certificate = append(plain.Certificate, one.Raw)
	}
	one := served{plain: plain, usable: usableFor(key.Public())}
	said, err := s.store.Statements(ctx, cert, pair)
	if err != nil {
		return served{}, err
	}
	if known, err := s.store.KnownCert(ctx, cert); err == nil && said.OCSP != nil {
		one.stapled, one.ends = plain, known.StapleOf(pair).Ends
		one.stapled.OCSPStaple = said.OCSP.DER
	}
	return one, nil
}
