package ocsp_test

import (
	"errors"
	"testing"
	"time"

	wire "golang.org/x/crypto/ocsp"

	"github.com/certkeep/certkeep/internal/ocsp"
)

// FuzzCheck: whatever comes, a statement is believed only where the CA made it,
// and an error is one of those that are promised.
func FuzzCheck(f *testing.F) {
	ca := newCA(f, nil, "ca")
	leaf, signer := newLeaf(f, ca, 5), newSigner(f, ca, nil)
	revoked, delegated := fine(leaf), fine(leaf)
	revoked.Status, revoked.RevokedAt, revoked.RevocationReason = wire.Revoked, revoked.ThisUpdate, 1
	delegated.Certificate = signer.cert
	made := map[string]bool{}
	for _, der := range [][]byte{
		sign(f, ca, ca, fine(leaf)),
		sign(f, ca, ca, revoked),
		sign(f, ca, signer, delegated),
		sign(f, ca, ca, fine(newLeaf(f, ca, 6))),
		wire.TryLaterErrorResponse,
		[]byte("<html>"),
		nil,
	} {
		made[string(der)] = true
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := ocsp.Check(der, leaf, ca.cert, time.Now())
		if err == nil {
			if !made[string(der)] {
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
