package issuer

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	stranger := register(t, ca)
	for _, test := range []struct {
		name   string
		by     func(key crypto.Signer) Revocation
		reason int
	}{
		{"by the account", func(crypto.Signer) Revocation { return Revocation{Account: a} }, ReasonSuperseded},
		{"by the certificate's key", func(key crypto.Signer) Revocation { return Revocation{Key: key} }, ReasonKeyCompromise},
	} {
		t.Run(test.name, func(t *testing.T) {
			job, key := newJob(t, a, []string{"a.test"}, solver), newKey(t)
			job.Public = key.Public()
			var err error
			if job.CSR, err = CSR(key, job.Names, "", false); err != nil {
				t.Fatal(err)
			}
			issued, err := ca.Issue(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			err = ca.Revoke(t.Context(), Revocation{Account: stranger, Certificate: issued.Chain.Leaf()})
			if e := failure(t, err); e.Code != plan.CodeRejected {
				t.Errorf("a stranger's revocation: %+v, want rejected", e)
			}
			r := test.by(key)
			r.Certificate, r.Reason = issued.Chain.Leaf(), test.reason
			for range 2 { // the second one finds it done
				if err := ca.Revoke(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			got, err := pebble.StatusBySerial(t.Context(), issued.Chain.Facts().Serial)
			if err != nil || got.Status != "Revoked" || got.Reason == nil || *got.Reason != test.reason {
				t.Errorf("the CA says %+v, %v; want revoked for reason %d", got, err, test.reason)
			}
		})
	}
}

// TestRevokeBelievesTheCAOnly: a page that says nothing is no answer of the CA,
// whatever its status.
func TestRevokeBelievesTheCAOnly(t *testing.T) {
	t.Parallel()
	f, ca := newFake(t)
	f.page("/revoke", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del("Replay-Nonce")
		fmt.Fprint(w, "<html>Please log in</html>")
	})
	key := newKey(t)
	r := Revocation{Key: key, Certificate: &x509.Certificate{Raw: []byte("any"), SerialNumber: big.NewInt(17)}}
	if e := failure(t, ca.Revoke(t.Context(), r)); e.Code != plan.CodeCAGarbage || e.Blame != plan.BlameCA {
		t.Errorf("%+v", e)
	}
	f.page("/revoke", func(http.ResponseWriter, *http.Request) {})
	if err := ca.Revoke(t.Context(), r); err != nil {
		t.Error(err)
	}
}
