package dns

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/bindtest"
)

// BIND takes what a key of HMAC-MD5 signs, and its answers are checked.
func TestMD5KeysWithBIND(t *testing.T) {
	s := bindtest.StartWith(t, "hmac-md5", bindtest.Zone{Name: "example.com"})
	u := writer(t, s, nil)
	record := Record{Name: "_acme-challenge.example.com", Type: "TXT", Value: "one"}
	if err := u.Add(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if got := s.TXT(t, record.Name); !slices.Equal(got, []string{"one"}) {
		t.Errorf("BIND has %q", got)
	}
	other := *u.key
	other.secret = "c2VjcmV0"
	u = writer(t, s, func(c *RFC2136Config) { c.TSIG = &other })
	if err := u.Add(t.Context(), record); err == nil {
		t.Error("another secret was taken")
	}
}

// An answer is no answer where its signature is another one's.
func TestMD5SignaturesAreChecked(t *testing.T) {
	key, err := NewTSIG("upd", "hmac-md5", "c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	sign := func(name, algorithm string) ([]byte, error) {
		m := new(dns.Msg)
		m.SetQuestion("example.com.", dns.TypeSOA)
		m.SetTsig(name, algorithm, 300, time.Now().Unix())
		signed, _, err := dns.TsigGenerateWithProvider(m, md5Signer{key}, "", false)
		return signed, err
	}
	signed, err := sign("upd.", hmacMD5)
	if err != nil {
		t.Fatal(err)
	}
	if err := dns.TsigVerifyWithProvider(slices.Clone(signed), md5Signer{key}, "", false); err != nil {
		t.Error(err)
	}
	other := key
	other.secret = "b3RoZXI="
	if err := dns.TsigVerifyWithProvider(slices.Clone(signed), md5Signer{other}, "", false); !errors.Is(err, dns.ErrSig) {
		t.Errorf("another secret: %v", err)
	}
	other = key
	other.name = "other."
	if err := dns.TsigVerifyWithProvider(slices.Clone(signed), md5Signer{other}, "", false); !errors.Is(err, dns.ErrSecret) {
		t.Errorf("another key: %v", err)
	}
	if _, err := sign("upd.", dns.HmacSHA256); !errors.Is(err, dns.ErrKeyAlg) {
		t.Errorf("another algorithm: %v", err)
	}
}
