package ct_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
)

// FuzzParse: what can be read is written again as it was, and proves nothing.
func FuzzParse(f *testing.F) {
	ca := newCA(f, "ca")
	leaf := issue(f, &ca, ecKey(f), leafTemplate()).cert
	l := newLog(f, ecKey(f))
	receipt := l.receipt(f, leaf, time.Now())
	whole, err := receipt.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(unhex(f, fixed))
	f.Add(append([]byte{0, byte(len(whole) + 2), 0, byte(len(whole))}, whole...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ct.Parse(b)
		if err == nil {
			if again, err := s.Bytes(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x became %x (%v)", b, again, err)
			}
			if l.Verify(s, leaf, time.Now()) == nil && !bytes.Equal(b, whole) {
				t.Errorf("%x was believed", b)
			}
		}
		list, err := ct.ParseList(b)
		for _, s := range list {
			if one, err := s.Bytes(); err != nil || !bytes.Contains(b, one) {
				t.Errorf("%x is not in %x (%v)", one, b, err)
			}
		}
		if err != nil && len(list) > 0 {
			t.Errorf("%d receipts and %v", len(list), err)
		}
	})
}

// FuzzReadList: a log that comes out of a list can be used.
func FuzzReadList(f *testing.F) {
	f.Add([]byte(filled(f, newLog(f, ecKey(f)))))
	f.Add([]byte(list))
	f.Add([]byte(`{"operators":[{"logs":[null]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		logs, err := ct.ReadList(text)
		if err == nil && len(logs) == 0 {
			t.Error("neither logs nor an error")
		}
		for _, l := range logs {
			if err := l.Check(); err != nil || len(l.Key) == 0 {
				t.Errorf("%+v: %v", l, err)
			}
			_, _ = ct.Named(logs, l.Name, l.Start)
		}
	})
}
