package dns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/bindtest"
)

func TestAlias(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: `
_acme-challenge.one IN CNAME _acme-challenge.central
_acme-challenge.two IN CNAME _acme-challenge.one
_acme-challenge.away IN CNAME x.other.test.
*.wild IN CNAME _acme-challenge.central
_acme-challenge.towild IN CNAME any.wild
_acme-challenge.loop IN CNAME loop2
loop2 IN CNAME _acme-challenge.loop
self IN CNAME self
_acme-challenge.strange IN CNAME a\;reboot
l0 IN CNAME l1
l1 IN CNAME l2
l2 IN CNAME l3
l3 IN CNAME l4
l4 IN CNAME l5
l5 IN CNAME l6
l6 IN CNAME l7
l7 IN CNAME l8
l8 IN CNAME l9
l9 IN CNAME l10
`}, bindtest.Zone{Name: "other.test", Records: "x IN CNAME y.other.test.\n"})
	r := Resolver{Servers: []string{s.Address}}
	for name, want := range map[string]string{
		"_acme-challenge.example.test":        "_acme-challenge.example.test",
		"_acme-challenge.one.example.test":    "_acme-challenge.central.example.test",
		"_acme-challenge.TWO.example.test.":   "_acme-challenge.central.example.test",
		"_acme-challenge.away.example.test":   "y.other.test",
		"_acme-challenge.wild.example.test":   "_acme-challenge.wild.example.test", // written there it hides the wildcard
		"_acme-challenge.towild.example.test": "_acme-challenge.central.example.test",
		"l2.example.test":                     "l10.example.test",
	} {
		if got, err := r.Alias(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"_acme-challenge.loop.example.test", "self.example.test", "_acme-challenge.strange.example.test", "l0.example.test", "", "out.of.reach.invalid"} {
		if got, err := r.Alias(t.Context(), name); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
}

func TestZone(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "sub IN NS ns1.sub\nns1.sub IN A 127.0.0.1\nalias IN CNAME www.other.test.\n"},
		bindtest.Zone{Name: "sub.example.test"}, bindtest.Zone{Name: "other.test"})
	r := Resolver{Servers: []string{s.Address}}
	for name, want := range map[string]string{
		"example.test":                     "example.test.",
		"_acme-challenge.www.example.test": "example.test.", // no such name: the SOA comes in the authority section
		"ns1.example.test":                 "example.test.",
		"a.b.sub.example.test":             "sub.example.test.",
		"alias.example.test":               "example.test.",
	} {
		if got, err := r.Zone(t.Context(), name); err != nil || got.Name != want || got.Primary != "ns1."+want {
			t.Errorf("%s: got %v, %v; want %q", name, got, err, want)
		}
	}
	_, err := r.Zone(t.Context(), "www.example.invalid")
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Rcode != "REFUSED" {
		t.Errorf("got %v", err)
	}
}

func TestResolverTriesEveryServer(t *testing.T) {
	refusing := bindtest.Start(t, bindtest.Zone{Name: "other.test"})
	knowing := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	r := Resolver{Servers: []string{refusing.Address, knowing.Address}}
	if got, err := r.Zone(t.Context(), "www.example.test"); err != nil || got.Name != "example.test." {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := r.Zone(t.Context(), "www.example.invalid")
	if !errors.Is(err, errNoServer) || !strings.Contains(err.Error(), refusing.Address) || !strings.Contains(err.Error(), knowing.Address) {
		t.Errorf("got %v", err)
	}
}

func TestAuthorities(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: `
@ IN NS ns2
@ IN NS ns.other.test.
ns2 IN A 192.0.2.1
ns2 IN A 192.0.2.2
ns2 IN AAAA 2001:db8::1
`}, bindtest.Zone{Name: "other.test", Records: "ns IN A 192.0.2.3\n"}, bindtest.Zone{Name: "lost.test", Records: "@ IN NS nowhere.other.test.\n"})
	r := Resolver{Servers: []string{s.Address}}
	got, err := r.Authorities(t.Context(), "www.example.test")
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := strings.Cut(s.Address, ":")
	for _, want := range []Nameserver{
		{"ns1.example.test", host + ":53"},
		{"ns2.example.test", "192.0.2.1:53"},
		{"ns2.example.test", "192.0.2.2:53"},
		{"ns2.example.test", "[2001:db8::1]:53"},
		{"ns.other.test", "192.0.2.3:53"},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%v is missing in %v", want, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("got %v", got)
	}
	if got, err := r.Authorities(t.Context(), "www.lost.test"); err == nil {
		t.Errorf("a name server without an address was overlooked: %v", got)
	}
	r.Nameservers = []string{"192.0.2.9", "192.0.2.9:5353"}
	got, err = r.Authorities(t.Context(), "www.example.test")
	if err != nil || len(got) != 2 || got[0].Address != "192.0.2.9:53" || got[1].Address != "192.0.2.9:5353" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestLacking(t *testing.T) {
	has := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "a IN TXT \"other\"\na IN TXT \"value\"\n"})
	lags := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "a IN TXT \"other\"\n"})
	lame := bindtest.Start(t, bindtest.Zone{Name: "other.test"})
	servers := []Nameserver{
		{"one", has.Address},
		{"two", lags.Address},
		{"three", lame.Address},
	}
	got := (Resolver{}).Lacking(t.Context(), servers, Record{Name: "a.example.test", Type: "TXT", Value: "value"})
	if len(got) != 2 || got[0].Server != servers[1] || got[0].Err != nil || got[1].Server != servers[2] || got[1].Err == nil {
		t.Fatalf("got %v", got)
	}
	if all := (Resolver{}).Lacking(t.Context(), servers[:2], Record{Name: "a.example.test", Type: "TXT", Value: "other"}); len(all) != 0 {
		t.Errorf("got %v", all)
	}
}

func TestLackingForWantOfARoute(t *testing.T) {
	noWay := fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)})
	down := fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
	servers := []Nameserver{{"one", "192.0.2.1:53"}, {"one", "[2001:db8::1]:53"}}
	for _, tt := range []struct {
		shown []bool
		errs  []error
		want  int
	}{
		{[]bool{true, false}, []error{nil, noWay}, 0},
		{[]bool{true, false}, []error{nil, down}, 1},
		{[]bool{true, false}, []error{nil, nil}, 1},
		{[]bool{false, false}, []error{nil, noWay}, 2},
		{[]bool{false, false}, []error{noWay, noWay}, 2},
	} {
		asked := []Lack{{Server: servers[0], Err: tt.errs[0]}, {Server: servers[1], Err: tt.errs[1]}}
		if got := judge(asked, tt.shown); len(got) != tt.want {
			t.Errorf("%v, %v: got %v", tt.shown, tt.errs, got)
		}
	}
}
