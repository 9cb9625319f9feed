package certkeep

import (
	"fmt"
	"testing"
)

// However many names strangers make up under a wildcard whose certificate is on
// its way, there is one placeholder, and it is for the wildcard.
func TestOnePlaceholder(t *testing.T) {
	t.Parallel()
	k := newHolder(t, "challenges: [{dns-01: {via: m}}]\ndns: {m: {provider: rfc2136, server: 127.0.0.1:53}}\ncertificates: {w: {names: [\"*.a.example\", a.example]}}\n", nil)
	if err := k.shelf.Refresh(t.Context(), k.wanted); err != nil {
		t.Fatal(err)
	}
	serial := ""
	for i := range 5 {
		name := fmt.Sprintf("n%d.a.example", i)
		c, err := visit(t, k, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.VerifyHostname(name); err != nil || serial != "" && c.SerialNumber.String() != serial {
			t.Errorf("%s: another placeholder, %v", name, err)
		}
		serial = c.SerialNumber.String()
	}
	if n := len(k.placeholders.made); n != 1 {
		t.Errorf("%d placeholders are held", n)
	}
}
