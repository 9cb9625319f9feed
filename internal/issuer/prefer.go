package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
)

// prefer returns the first chain that ends in the wanted root: the default
// one, else an alternate, which is only fetched then. Without any it is the
// default one, and a warning.
func (r *issuance) prefer(ctx context.Context, want string, first chain.Chain, alternates []string) chain.Chain {
	const op = "download another chain"
	if endsIn(first, want, r.ca.chainRoots()) {
		return first
	}
	for _, url := range alternates {
		other, _, err := r.fetch(ctx, op, url)
		switch {
		case err != nil:
			r.warn(err)
		case !other.Leaf().Equal(first.Leaf()):
			r.warn(r.garbage(op, fmt.Errorf("%s is for another certificate", clean(url, maxWords))))
		case !endsIn(other, want, r.ca.chainRoots()):
		default:
			if err := r.check(other); err != nil {
				r.warn(r.garbage(op, err))
				continue
			}
			return other
		}
	}
	r.warn(fmt.Errorf("%s: the CA offers no chain to the preferred root %q; its first one is used", r.ca.cfg.ID, want))
	return first
}

// endsIn reports whether the chain, as it would be served, ends in the wanted
// root: its last certificate is that root or is signed by it. A root that is
// known here is verified; of another one only the name can be compared.
func endsIn(c chain.Chain, want string, roots *x509.CertPool) bool {
	last := c.Certs[len(c.Certs)-1]
	if isRoot(last, want) && last.CheckSignatureFrom(last) == nil {
		return true
	}
	paths, err := last.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: last.NotBefore.Add(time.Second), // time alone never discards a chain
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return strings.EqualFold(last.Issuer.CommonName, want)
	}
	for _, path := range paths {
		if isRoot(path[len(path)-1], want) {
			return true
		}
	}
	return false
}

// isRoot compares a certificate with the name or SHA-256 of the wanted one.
func isRoot(cert *x509.Certificate, want string) bool {
	if strings.EqualFold(cert.Subject.CommonName, want) {
		return true
	}
	sum := sha256.Sum256(cert.Raw)
	return strings.EqualFold(hex.EncodeToString(sum[:]), strings.ReplaceAll(want, ":", ""))
}

// trustedRoots are the roots by which chains are chosen. They are only read
// when a chain is to be chosen: that costs time.
func trustedRoots(cfg Config) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil { // a machine without roots still has names to compare
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(cfg.Roots)
	pool.AppendCertsFromPEM(cfg.ChainRoots)
	return pool
}
