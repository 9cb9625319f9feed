package dns

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/plan"
)

func tlsaSet(name string, values ...string) Set {
	return Set{Name: name, Type: "TLSA", Values: values, TTL: 5 * time.Minute}
}

func names(sets []Set) (names []string) {
	for _, s := range sets {
		names = append(names, s.Name)
	}
	return names
}

func TestReplace(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "_25._tcp.a 60 IN TLSA 3 1 1 " + hex("01") + "\n_25._tcp.a IN TXT \"stays\"\n"},
		bindtest.Zone{Name: "other.test"})
	u := writer(t, s, nil)
	const a, b, c = "_25._tcp.a.example.test", "_443._tcp.b.example.test", "_25._tcp.c.other.test"
	one, two, long := "3 1 1 "+hex("01"), "3 1 1 "+hex("02"), "2 0 0 "+strings.Repeat("0123", 1500)
	ttl := tlsaSet(a, two)
	ttl.TTL = time.Hour
	for _, step := range []struct {
		name    string
		sets    []Set
		changed []string
		serials uint32 // by how much the zone's serial number grows
		at      string
		want    []string
	}{
		{"foreign set", []Set{tlsaSet(a, two, one), tlsaSet(b, one), tlsaSet(c, one)}, []string{a, b, c}, 1, a, []string{"300 IN TLSA " + one, "300 IN TLSA " + two}},
		{"nothing differs", []Set{tlsaSet(a, one, strings.ToUpper(two)), tlsaSet(b, one, one), tlsaSet(c, one)}, nil, 0, b, []string{"300 IN TLSA " + one}},
		{"one differs", []Set{tlsaSet(a, two), tlsaSet(b, one)}, []string{a}, 1, a, []string{"300 IN TLSA " + two}},
		{"its TTL differs", []Set{ttl}, []string{a}, 1, a, []string{"3600 IN TLSA " + two}},
		{"too long for UDP", []Set{tlsaSet(b, long, one)}, []string{b}, 1, b, []string{"300 IN TLSA " + long, "300 IN TLSA " + one}},
		{"removed", []Set{tlsaSet(a), tlsaSet(b)}, []string{a, b}, 1, a, nil},
		{"removed again", []Set{tlsaSet(a), tlsaSet("_25._tcp.never.example.test")}, nil, 0, b, nil},
	} {
		serial := s.Serial(t, "example.test")
		changed, err := u.Replace(t.Context(), step.sets...)
		if err != nil || !slices.Equal(names(changed), step.changed) {
			t.Fatalf("%s: changed %q, %v", step.name, names(changed), err)
		}
		if got := s.Set(t, step.at, "TLSA"); !slices.Equal(got, step.want) {
			t.Errorf("%s: %s has %q", step.name, step.at, got)
		}
		if grown := s.Serial(t, "example.test") - serial; grown != step.serials {
			t.Errorf("%s: %d updates", step.name, grown)
		}
		if got := s.TXT(t, a); !slices.Equal(got, []string{"stays"}) {
			t.Errorf("%s: another type lost %q", step.name, got)
		}
	}
}

// What package dane writes comes back as the same set, whatever its length.
func TestReplaceTLSA(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	want, err := dane.ParseSet([]string{
		"3 1 1 " + hex("01"), "3 1 2 " + hex("01") + hex("02"), "2 0 0 " + strings.Repeat("0123", 3000), "255 7 9 00",
	})
	if err != nil {
		t.Fatal(err)
	}
	set := tlsaSet("_25._tcp.mail.example.test", want.Texts()...)
	if _, err := writer(t, s, nil).Replace(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	shown, err := Resolver{}.Look(t.Context(), Nameserver{Address: s.Address}, set.Name, "TLSA")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dane.ParseSet(shown.Values); err != nil || !got.Equal(want) {
		t.Errorf("got %q, %v", shown.Values, err)
	}
	if differing := (Resolver{}).Differing(t.Context(), []Nameserver{{Address: s.Address}}, set); len(differing) != 0 {
		t.Errorf("got %v", differing)
	}
}

// One zone, or one set, that cannot be written keeps no other from it; within
// a zone all is made or nothing.
func TestReplaceFails(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "_25._tcp.alias IN CNAME elsewhere\n"},
		bindtest.Zone{Name: "strict.test", Policy: "grant update wildcard *.strict.test. TXT;"}, bindtest.Zone{Name: "other.test"})
	u := writer(t, s, nil)
	good := "3 1 1 " + hex("01")
	const a, c = "_25._tcp.a.example.test", "_25._tcp.c.other.test"
	for name, bad := range map[string]Set{
		"policy": tlsaSet("_25._tcp.a.strict.test", good), "no such zone": tlsaSet("_25._tcp.a.example.invalid", good),
		"no record": tlsaSet("_25._tcp.b.example.test", "3 1"), "no name": tlsaSet("$(x).example.test", good), "twice": tlsaSet(c, good),
	} {
		changed, err := u.Replace(t.Context(), tlsaSet(c, good), bad)
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", name, err)
		}
		if !slices.Equal(names(changed), []string{c}) {
			t.Errorf("%s: changed %q", name, names(changed))
		}
		if _, err := u.Replace(t.Context(), tlsaSet(c)); err != nil {
			t.Fatal(err)
		}
	}
	changed, err := u.Replace(t.Context(), tlsaSet(a, good), tlsaSet("_25._tcp.alias.example.test", good), tlsaSet(c, good))
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Rcode != "YXRRSET" || !slices.Equal(names(changed), []string{c}) {
		t.Errorf("beside a CNAME: changed %q, %v", names(changed), err)
	}
	if got := s.Set(t, a, "TLSA"); len(got) != 0 {
		t.Errorf("half of a zone's update was made: %q", got)
	}
	stranger := writer(t, s, func(c *RFC2136Config) { c.TSIG = nil })
	if changed, err := stranger.Replace(t.Context(), tlsaSet(a, good)); err == nil || len(changed) > 0 {
		t.Errorf("an update without a signature: %q, %v", names(changed), err)
	}
}

func TestProgramReplaces(t *testing.T) {
	one, two, three := "3 1 1 "+hex("01"), "3 1 1 "+hex("02"), "3 1 1 "+hex("03")
	zone := func(values ...string) bindtest.Zone {
		z := bindtest.Zone{Name: "example.test"}
		for _, v := range values {
			z.Records += "_25._tcp.a IN TLSA " + v + "\n"
		}
		return z
	}
	first, lags := bindtest.Start(t, zone(one, two)), bindtest.Start(t, zone(one))
	out := filepath.Join(t.TempDir(), "out")
	p, err := NewProgram(ProgramConfig{
		Command:  command.Command{Args: []string{"/bin/sh", "-c", `echo "$CERTKEEP_DNS_ACTION $CERTKEEP_DNS_VALUE $CERTKEEP_DNS_TTL" >>"$0"`, out}},
		Zones:    []string{"example.test"},
		Resolver: Resolver{Nameservers: []string{first.Address, lags.Address}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const name = "_25._tcp.a.example.test"
	for _, tt := range []struct {
		name string
		set  Set
		told string
	}{
		{"adds before it removes", tlsaSet(name, two, three), "add " + two + " 300\nadd " + three + " 300\nremove " + one + " 300\n"},
		{"all but one has it", tlsaSet(name, one, strings.ToUpper(two)), "add " + two + " 300\n"},
		{"removes all", tlsaSet(name), "remove " + one + " 300\nremove " + two + " 300\n"},
		{"nothing to do", tlsaSet("_443._tcp.a.example.test"), ""},
	} {
		if err := os.WriteFile(out, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		changed, err := p.Replace(t.Context(), tt.set)
		told, readErr := os.ReadFile(out)
		if err := errors.Join(err, readErr); err != nil || string(told) != tt.told || (len(changed) == 1) != (tt.told != "") {
			t.Errorf("%s: told %q, changed %v, %v", tt.name, told, changed, err)
		}
	}
}

func TestProgramReplaceFails(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test", Records: "strange IN TXT \"a\\010b\"\n"})
	p, err := NewProgram(ProgramConfig{Command: command.Command{Shell: "exit 3"}, Zones: []string{"example.test"}, Resolver: Resolver{Nameservers: []string{s.Address}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]Set{
		"program": tlsaSet("_25._tcp.a.example.test", "3 1 1 "+hex("01")), "record": tlsaSet("_25._tcp.a.example.test", "3 1 x"),
		"strange value":   {Name: "strange.example.test", Type: "TXT", Values: []string{"a"}},
		"no server knows": tlsaSet("_25._tcp.a.example.org"), "name": tlsaSet("a b"),
	} {
		changed, err := p.Replace(t.Context(), set)
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate || len(changed) != 0 || errors.Is(err, errStrange) != (name == "strange value") {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
	}
}
