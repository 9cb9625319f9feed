package fakeca_test

import (
	"encoding/base64"
	"testing"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

func TestExternalAccount(t *testing.T) {
	t.Parallel()
	secret := []byte("a secret of the customer's record")
	w := newWorld(t, func(o *fakeca.Options) { o.EAB = map[string][]byte{"customer-1": secret} })
	key, other := newKey(t, keys.ECDSAP256), newKey(t, keys.ECDSAP256)
	right := &issuer.EAB{KeyID: "customer-1", HMAC: base64.RawURLEncoding.EncodeToString(secret)}
	wrong := &issuer.EAB{KeyID: "customer-1", HMAC: base64.RawURLEncoding.EncodeToString([]byte("another"))}
	unknown := &issuer.EAB{KeyID: "customer-2", HMAC: right.HMAC}
	for _, eab := range []*issuer.EAB{nil, wrong, unknown} {
		if _, err := w.client.Register(t.Context(), issuer.Registration{Key: key, EAB: eab}); failure(t, err).Code != plan.CodeEAB {
			t.Errorf("%v: error %v, want one of the external account", eab, err)
		}
	}
	a, err := w.client.Register(t.Context(), issuer.Registration{Key: key, EAB: right})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.client.Register(t.Context(), issuer.Registration{Key: key, EAB: right}); err != nil || again.URL != a.URL {
		t.Errorf("asked again: %s, %v; want %s", again.URL, err, a.URL)
	}
	if _, err := w.client.Register(t.Context(), issuer.Registration{Key: other, EAB: right}); failure(t, err).Code != plan.CodeEAB {
		t.Errorf("error %v, want a second account with the same binding refused", err)
	}
	if got := w.ca.Accounts(); len(got) != 1 || got[0].URL != a.URL || got[0].Status != "valid" {
		t.Errorf("the CA knows the accounts %+v", got)
	}
}
