package verify

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
)

func TestExpandOnThisMachine(t *testing.T) {
	names := []string{"example.test", "*.example.test"}
	got := Expand(t.Context(), config.Endpoint{Port: 993, StartTLS: "imap"}, names, []string{"rsa-2048", "ecdsa-p256"})
	var questions []string
	for _, e := range got {
		if e.Err != nil || e.StartTLS != "imap" || len(e.Addresses) < 2 || e.Addresses[0] != "127.0.0.1:993" || e.Addresses[1] != "[::1]:993" {
			t.Errorf("got %+v", e)
		}
		questions = append(questions, e.ServerName+" "+e.KeyType)
	}
	want := []string{"example.test rsa-2048", "example.test ecdsa-p256", "certkeep-verify.example.test rsa-2048", "certkeep-verify.example.test ecdsa-p256"}
	if !slices.Equal(questions, want) {
		t.Errorf("got %q", questions)
	}
}

func TestExpandElsewhere(t *testing.T) {
	for _, tt := range []struct {
		endpoint config.Endpoint
		want     string // name@addresses
	}{
		{config.Endpoint{Port: 443, Address: "192.0.2.1"}, "www.example.test@192.0.2.1:443"},
		{config.Endpoint{Port: 443, Address: "2001:db8::1", Hosts: []string{"a.test", "b.test"}}, "a.test@[2001:db8::1]:443 b.test@[2001:db8::1]:443"},
		{config.Endpoint{Port: 443, Address: "backend"}, "www.example.test@backend:443"},
		{config.Endpoint{Port: 443, Address: "dns", Hosts: []string{"192.0.2.7"}}, "192.0.2.7@192.0.2.7:443"},
	} {
		var got []string
		for _, e := range Expand(t.Context(), tt.endpoint, []string{"www.example.test"}, nil) {
			got = append(got, e.ServerName+"@"+strings.Join(e.Addresses, ","))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: got %s", tt.endpoint, got)
		}
	}
	lost := Expand(t.Context(), config.Endpoint{Port: 443, Address: "dns"}, []string{"no-such-name.invalid"}, []string{"rsa-2048"})
	if len(lost) != 1 || lost[0].Err == nil || lost[0].KeyType != "rsa-2048" {
		t.Errorf("got %+v", lost)
	}
}

func TestOnThisMachine(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for name, want := range map[string]string{
		"www.example.test": "127.0.0.1:443 [::1]:443 192.0.2.1:443 [2001:db8::1]:443",
		"192.0.2.1":        "192.0.2.1:443 127.0.0.1:443 [::1]:443 [2001:db8::1]:443",
		"192.0.2.99":       "127.0.0.1:443 [::1]:443 192.0.2.1:443 [2001:db8::1]:443", // behind a router
	} {
		if got := strings.Join(onThisMachine(own, name, "443"), " "); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	mine, err := ownAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range mine {
		if a.IsLoopback() || a.IsLinkLocalUnicast() {
			t.Errorf("%v is among %v", a, mine)
		}
	}
}
