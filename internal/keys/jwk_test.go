package keys_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
)

// members writes an RSA key's numbers as acmebot's client_key.json has them.
func members(key *rsa.PrivateKey) map[string]string {
	text := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return map[string]string{
		"n": text(key.N), "e": text(big.NewInt(int64(key.E))), "d": text(key.D), "p": text(key.Primes[0]), "q": text(key.Primes[1]),
		"dp": text(key.Precomputed.Dp), "dq": text(key.Precomputed.Dq), "qi": text(key.Precomputed.Qinv),
	}
}

func TestParseJWK(t *testing.T) {
	key := generate(t, keys.RSA2048).(*rsa.PrivateKey)
	for name, change := range map[string]func(map[string]string){
		"as acmebot":   func(map[string]string) {},
		"with a kind":  func(m map[string]string) { m["kty"] = "RSA"; m["kid"] = "1" },
		"with padding": func(m map[string]string) { m["d"] += "=="; m["e"] += "=" },
	} {
		m := members(key)
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := keys.ParseJWK(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sameKey(t, again, key)
		if _, err := again.Sign(nil, make([]byte, 32), crypto.SHA256); err != nil {
			t.Errorf("%s: it does not sign: %v", name, err)
		}
	}
}

func TestParseJWKRefuses(t *testing.T) {
	key, other := generate(t, keys.RSA2048).(*rsa.PrivateKey), generate(t, keys.RSA2048).(*rsa.PrivateKey)
	for want, change := range map[string]func(map[string]string){
		`kind "EC"`:        func(m map[string]string) { m["kty"] = "EC" },
		`no member "q"`:    func(m map[string]string) { delete(m, "q") },
		`"d" is no base64`: func(m map[string]string) { m["d"] = "a secret!" },
		"do not fit":       func(m map[string]string) { m["p"] = members(other)["p"] },
		"exponent":         func(m map[string]string) { m["e"] = m["n"] },
	} {
		m := members(key)
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ParseJWK(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, text := range []string{"", "[]", `{"n": 1}`, "-----BEGIN PRIVATE KEY-----", strings.Repeat(" ", 1<<20)} {
		if key, err := keys.ParseJWK([]byte(text)); key != nil || err == nil {
			t.Errorf("%.20q: a key was read", text)
		}
	}
}

func FuzzParseJWK(f *testing.F) {
	text, err := json.Marshal(members(generate(f, keys.RSA2048).(*rsa.PrivateKey)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"n":"Dw","e":"Aw","d":"Aw","p":"Aw","q":"BQ"}`)) // 3 * 5
	f.Add([]byte(`{"n":"AA","e":"AA","d":"AA","p":"AA","q":"AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := keys.ParseJWK(text); err == nil {
			if _, err := keys.Parse(mustMarshal(t, key)); err != nil {
				t.Errorf("read, but not read again: %v", err)
			}
		}
	})
}

func TestMarshalJWK(t *testing.T) {
	key := generate(t, keys.RSA2048).(*rsa.PrivateKey)
	text, err := keys.MarshalJWK(key)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if want := members(key); !maps.Equal(got, want) {
		t.Errorf("members are %v", slices.Sorted(maps.Keys(got)))
	}
	again, err := keys.ParseJWK(text)
	if err != nil {
		t.Fatal(err)
	}
	sameKey(t, again, key)
	if _, err := keys.MarshalJWK(generate(t, keys.ECDSAP256)); !errors.Is(err, keys.ErrNotRSA) {
		t.Errorf("got %v", err)
	}
}
