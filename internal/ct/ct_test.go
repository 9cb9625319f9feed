package ct_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/network"
)

// fixed is a receipt in the bytes of its file: version, id, time, extensions,
// algorithms, signature.
const fixed = "00" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
	"000001a36e69c6fc" + "0003" + "aabbcc" + "0403" + "0004" + "30020500"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	s, err := ct.Parse(unhex(t, fixed))
	if err != nil {
		t.Fatal(err)
	}
	if s.Log[0] != 0 || s.Log[31] != 31 || s.Timestamp != 0x1a36e69c6fc || s.Hash != 4 || s.Sign != 3 ||
		hex.EncodeToString(s.Extensions) != "aabbcc" || hex.EncodeToString(s.Signature) != "30020500" {
		t.Errorf("%+v", s)
	}
	if got := s.Time().Format(time.RFC3339Nano); got != "2027-02-01T01:02:03.004Z" {
		t.Errorf("time: %s", got)
	}
	if b, err := s.Bytes(); err != nil || hex.EncodeToString(b) != fixed {
		t.Errorf("bytes: %x, %v", b, err)
	}
	for n := range len(fixed) / 2 {
		if _, err := ct.Parse(unhex(t, fixed[:2*n])); err == nil {
			t.Errorf("the first %d bytes were read", n)
		}
	}
	for _, bad := range []string{fixed + "00", "01" + fixed[2:]} {
		if _, err := ct.Parse(unhex(t, bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	s.Signature = make([]byte, 1<<16)
	if _, err := s.Bytes(); err == nil {
		t.Error("a signature of 64 KiB was written")
	}
}

func TestParseList(t *testing.T) {
	item := "00" + hex.EncodeToString([]byte{byte(len(fixed) / 2)}) + fixed
	size := func(items string) string {
		return hex.EncodeToString([]byte{byte(len(items) >> 9), byte(len(items) / 2)}) + items
	}
	for _, test := range []struct {
		list string
		want int // -1 for an error
	}{
		{size(item), 1},
		{size(item + item), 2},
		{size(item + "000101" + item), 2}, // one of a version to come
		{size(""), 0},
		{size(item) + "00", -1},
		{size(item)[:20], -1},
		{size("0000"), -1},
		{size("000100"), -1},
		{size(item + "00"), -1},
		{"", -1},
	} {
		list, err := ct.ParseList(unhex(t, test.list))
		if (err != nil) != (test.want < 0) || err == nil && len(list) != test.want {
			t.Errorf("%s: %d, %v; want %d", test.list, len(list), err, test.want)
		}
	}
}

func TestVerify(t *testing.T) {
	ca := newCA(t, "ca")
	leaf, other := issue(t, &ca, ecKey(t), leafTemplate()).cert, issue(t, &ca, ecKey(t), leafTemplate()).cert
	now := time.Now()
	static := newLog(t, ecKey(t))
	static.static = true
	for name, l := range map[string]*testLog{"ECDSA": newLog(t, ecKey(t)), "RSA": newLog(t, rsaKey(t)), "static": static} {
		s := l.receipt(t, leaf, now)
		for _, at := range []time.Time{now, now.Add(-network.MaxClockError)} { // Certkeep orders as long as a clock is right so far
			if err := l.Verify(s, leaf, at); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		wrong := func(what string, s ct.SCT, cert *x509.Certificate, now time.Time, want error) {
			if err := l.Verify(s, cert, now); !errors.Is(err, want) {
				t.Errorf("%s: %s: %v, want %v", name, what, err, want)
			}
		}
		wrong("another certificate", s, other, now, ct.ErrSignature)
		wrong("early", s, leaf, now.Add(-network.MaxClockError-time.Minute), ct.ErrFuture)
		wrong("a little early", s, leaf, now.Add(-4*time.Minute), nil)
		for what, change := range map[string]func(*ct.SCT){
			"time":       func(s *ct.SCT) { s.Timestamp++ },
			"extensions": func(s *ct.SCT) { s.Extensions = append(bytes.Clone(s.Extensions), 1) },
			"hash":       func(s *ct.SCT) { s.Hash = 2 },
			"algorithm":  func(s *ct.SCT) { s.Sign ^= 2 },
			"signature":  func(s *ct.SCT) { s.Signature = bytes.Repeat([]byte{7}, len(s.Signature)) },
			"nothing":    func(s *ct.SCT) { s.Signature = nil },
		} {
			changed := s
			change(&changed)
			wrong(what, changed, leaf, now, ct.ErrSignature)
		}
		another := newLog(t, ecKey(t))
		wrong("another log", another.receipt(t, leaf, now), leaf, now, ct.ErrOtherLog)
		l.Key = nil
		wrong("no key", s, leaf, now, ct.ErrNoKey)
	}
}

func TestCheckEmbedded(t *testing.T) {
	ca, stranger := newCA(t, "ca"), newCA(t, "ca")
	first, second, unknown := newLog(t, ecKey(t)), newLog(t, rsaKey(t)), newLog(t, ecKey(t))
	first.Name, second.Name, second.static = "first", "second", true
	now := time.Now()
	leaf := newLeafWith(t, ca, now, first, second, unknown).cert
	receipts, err := ct.CheckEmbedded(leaf, ca.cert, []ct.Log{second.Log, first.Log}, now)
	if err != nil || len(receipts) != 3 {
		t.Fatalf("%d, %v", len(receipts), err)
	}
	for i, name := range []string{"first", "second"} {
		if r := receipts[i]; r.Err != nil || r.Log == nil || r.Log.Name != name || r.Time().Sub(now).Abs() > time.Second {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := receipts[2]; r.Log != nil || !errors.Is(r.Err, ct.ErrUnknownLog) || !strings.Contains(r.Err.Error(), unknown.ID.String()) {
		t.Errorf("unknown: %+v", r)
	}
	// The receipt is for the key of the issuer, not for its name.
	receipts, err = ct.CheckEmbedded(leaf, stranger.cert, []ct.Log{first.Log}, now)
	if err != nil || !errors.Is(receipts[0].Err, ct.ErrSignature) {
		t.Errorf("another issuer: %+v, %v", receipts, err)
	}
	plain := issue(t, &ca, ecKey(t), leafTemplate()).cert
	if receipts, err = ct.CheckEmbedded(plain, ca.cert, nil, now); err != nil || len(receipts) != 0 {
		t.Errorf("without receipts: %+v, %v", receipts, err)
	}
}
