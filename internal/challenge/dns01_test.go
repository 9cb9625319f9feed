package challenge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
)

func dnsChallenge(name string, wildcard bool, keyAuthorization string) Challenge {
	return Challenge{
		Type: TypeDNS01, Identifier: Identifier{Value: name, Wildcard: wildcard},
		Token: "token", KeyAuthorization: keyAuthorization,
	}
}

// solver writes to the first server, and looks at all of them.
func solver(t *testing.T, servers ...*bindtest.Server) *DNS01 {
	t.Helper()
	key, err := dns.ParseTSIG(servers[0].KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	resolver := dns.Resolver{Servers: []string{servers[0].Address}}
	for _, s := range servers {
		resolver.Nameservers = append(resolver.Nameservers, s.Address)
	}
	writer, err := dns.NewRFC2136(dns.RFC2136Config{Server: servers[0].Address, TSIG: &key, Resolver: resolver})
	if err != nil {
		t.Fatal(err)
	}
	return NewDNS01(DNS01Config{Writer: writer, Resolver: resolver})
}

func TestDNS01ApexAndWildcard(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "_acme-challenge IN TXT \"of somebody else\"\n"})
	d := solver(t, s)
	apex, wildcard := dnsChallenge("example.test", false, "apex"), dnsChallenge("example.test", true, "wildcard")
	const name = "_acme-challenge.example.test"
	has := func(step string, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := s.TXT(t, name); !slices.Equal(got, want) {
			t.Fatalf("%s: got %q, want %q", step, got, want)
		}
	}
	for _, c := range []Challenge{apex, wildcard} {
		if err := d.Present(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := d.Wait(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	has("both presented", "of somebody else", apex.DNSValue(), wildcard.DNSValue())
	if err := d.CleanUp(t.Context(), apex); err != nil {
		t.Fatal(err)
	}
	has("one cleaned up", "of somebody else", wildcard.DNSValue())
	again := solver(t, s) // after a crash nothing is remembered
	if err := errors.Join(again.CleanUp(t.Context(), wildcard), again.CleanUp(t.Context(), wildcard)); err != nil {
		t.Fatal(err)
	}
	has("both cleaned up", "of somebody else")
}

func TestDNS01FollowsAliases(t *testing.T) {
	s := bindtest.Start(t,
		bindtest.Zone{Name: "example.test", Records: "_acme-challenge.www IN CNAME www-example.challenges.test.\n*.wild IN CNAME elsewhere\n"},
		bindtest.Zone{Name: "challenges.test"})
	d := solver(t, s)
	for host, target := range map[string]string{
		"www.example.test":  "www-example.challenges.test",
		"wild.example.test": "_acme-challenge.wild.example.test", // what a wildcard says gives way to what is written
	} {
		c := dnsChallenge(host, false, host)
		if err := errors.Join(d.Present(t.Context(), c), d.Wait(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
		if got := s.TXT(t, target); !slices.Equal(got, []string{c.DNSValue()}) {
			t.Errorf("%s has %q", target, got)
		}
		if err := d.CleanUp(t.Context(), c); err != nil {
			t.Error(err)
		}
		if got := s.TXT(t, target); len(got) != 0 {
			t.Errorf("%s still has %q", target, got)
		}
	}
}

// The second server is a primary of its own: it lacks the record until it is
// told of it by hand.
func TestDNS01WaitsForEveryServer(t *testing.T) {
	first := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	second := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	d, late := solver(t, first, second), solver(t, second)
	c := dnsChallenge("www.example.test", false, "one")
	if err := d.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}

	d.config.Timeout = time.Nanosecond
	err := d.Wait(t.Context(), c)
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSPropagation {
		t.Fatalf("got %v", err)
	}
	missing, ok := errors.AsType[*NotPropagatedError](err)
	if !ok || len(missing.Lacking) != 1 || missing.Lacking[0].Server.Address != second.Address {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), second.Address) || strings.Contains(err.Error(), first.Address) {
		t.Errorf("it does not name the one that lags: %v", err)
	}
	t.Log(err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.config.Timeout = time.Minute
	if err := d.Wait(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	waited := make(chan error, 1)
	go func() { waited <- d.Wait(t.Context(), c) }()
	if err := late.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestDNS01Failures(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Policy: "grant update name nothing.example.test. TXT;"},
		bindtest.Zone{Name: "loop.test", Records: "_acme-challenge IN CNAME a\na IN CNAME _acme-challenge\n"})
	d := solver(t, s)
	err := d.Present(t.Context(), dnsChallenge("www.example.test", false, "one"))
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate || failure.Hint != "" {
		t.Errorf("refused: got %v", err)
	}
	err = d.Present(t.Context(), dnsChallenge("loop.test", false, "one"))
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate {
		t.Errorf("a circle of aliases: got %v", err)
	}
	ip := dnsChallenge("192.0.2.1", false, "one")
	ip.Identifier.IP = true
	err = d.Present(t.Context(), ip)
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeNoChallenge {
		t.Errorf("an IP address: got %v", err)
	}
}

// unsure is a writer whose answers are lost.
type unsure struct {
	dns.Writer
	removed bool
	fail    error
}

func (u *unsure) Add(context.Context, dns.Record) error { return errors.New("answer lost") }

func (u *unsure) Remove(context.Context, dns.Record) error {
	u.removed = true
	return u.fail
}

func TestDNS01TakesBackWhatMayBeThere(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	for _, fail := range []error{nil, errors.New("still no answer")} {
		u := &unsure{fail: fail}
		d := NewDNS01(DNS01Config{Writer: u, Resolver: dns.Resolver{Servers: []string{s.Address}}})
		err := d.Present(t.Context(), dnsChallenge("www.example.test", false, "one"))
		failure, ok := errors.AsType[*Error](err)
		if !ok || !u.removed || (failure.Hint == "") != (fail == nil) {
			t.Errorf("got %v, removed %v", err, u.removed)
		}
	}
}

// noted is a writer that notes what it was given.
type noted struct{ records []dns.Record }

func (n *noted) Add(_ context.Context, r dns.Record) error {
	n.records = append(n.records, r)
	return nil
}

func (n *noted) Remove(_ context.Context, r dns.Record) error { return n.Add(context.Background(), r) }

// A name and its wildcard have one name in DNS; the record says which it is.
func TestDNS01SaysWhoseProofItIs(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	for subject, wildcard := range map[string]bool{"example.test": false, "*.example.test": true} {
		n := &noted{}
		d := NewDNS01(DNS01Config{Writer: n, Resolver: dns.Resolver{Servers: []string{s.Address}}})
		c := dnsChallenge("example.test", wildcard, "one")
		if err := errors.Join(d.Present(t.Context(), c), d.CleanUp(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
		for _, r := range n.records {
			if r.Name != "_acme-challenge.example.test" || r.Subject != subject {
				t.Errorf("%s: got %+v", subject, r)
			}
		}
		if len(n.records) != 2 {
			t.Errorf("%s: %d records", subject, len(n.records))
		}
	}
}
