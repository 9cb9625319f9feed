package dns

import (
	"errors"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestRFC2136Look(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	zone, err := writer(t, s, nil).Look(t.Context(), "_acme-challenge.www.example.test")
	if err != nil || zone != "example.test" {
		t.Errorf("zone %q, %v", zone, err)
	}
	foreign, err := ParseTSIG([]byte(`key "stranger" { algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0c2VjcmV0"; };`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer(t, s, func(c *RFC2136Config) { c.TSIG = &foreign }).Look(t.Context(), "example.test")
	failed, ok := errors.AsType[*Error](err)
	if !ok || failed.Code != plan.CodeDNSUpdate || !strings.Contains(failed.Hint, "does not know the key") {
		t.Errorf("a key that the server does not know: %v", err)
	}
	if _, err := writer(t, s, nil).Look(t.Context(), "elsewhere.example"); err == nil {
		t.Error("a zone that the server does not have was found")
	}
}
