package ocsp_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	wire "golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/ocsp"
)

// FuzzCheck: whatever comes, nothing is believed but what the CA said, and an
// error is one of those that are promised. The bytes may be others: a list of
// certificates, for one, is not signed.
func FuzzCheck(f *testing.F) {
	ca := newCA(f, nil, "ca")
	leaf, signer := newLeaf(f, ca, 5), newSigner(f, ca, nil)
	revoked, delegated := fine(leaf), fine(leaf)
	revoked.Status, revoked.RevokedAt, revoked.RevocationReason = wire.Revoked, revoked.ThisUpdate, 1
	delegated.Certificate = signer.cert
	said := map[string]bool{}
	for _, der := range [][]byte{
		sign(f, ca, ca, fine(leaf)),
		sign(f, ca, ca, revoked),
		sign(f, ca, signer, delegated),
		sign(f, ca, ca, fine(newLeaf(f, ca, 6))),
		wire.TryLaterErrorResponse,
		[]byte("<html>"),
		nil,
	} {
		if r, err := ocsp.Check(der, leaf, ca.cert, time.Now()); err == nil {
			said[words(r)] = true
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := ocsp.Check(der, leaf, ca.cert, time.Now())
		if err == nil {
			if !said[words(got)] {
				t.Errorf("believed: %+v", got)
			}
			return
		}
		_, refused := errors.AsType[ocsp.Refusal](err)
		if !refused && !errors.Is(err, ocsp.ErrInvalid) && !errors.Is(err, ocsp.ErrOther) && !errors.Is(err, ocsp.ErrExpired) && !errors.Is(err, ocsp.ErrNotYet) {
			t.Errorf("an error that is not promised: %v", err)
		}
	})
}

// words are what a statement says.
func words(r ocsp.Response) string {
	return fmt.Sprint(r.Status, r.ThisUpdate, r.NextUpdate, r.RevokedAt, r.Reason)
}
