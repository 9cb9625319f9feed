package dns

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestAgreed(t *testing.T) {
	t.Parallel()
	const name = "_25._tcp.a.test"
	record := func(ttl, two string) string { return name + ". " + ttl + " IN TLSA 3 1 1 " + hex(two) + "\n" }
	one := bindtest.Start(t, bindtest.Zone{Name: "test", Records: record("60", "AA") + record("60", "bb") + "_25._tcp.c IN CNAME _25._tcp.a\n"})
	same := bindtest.Start(t, bindtest.Zone{Name: "test", Records: record("90", "bb") + record("90", "aa")})
	other := bindtest.Start(t, bindtest.Zone{Name: "test", Records: record("60", "aa")})
	none := bindtest.Start(t, bindtest.Zone{Name: "test"})
	foreign := bindtest.Start(t, bindtest.Zone{Name: "else"})
	both := []string{"3 1 1 " + hex("aa"), "3 1 1 " + hex("bb")}
	for what, tt := range map[string]struct {
		name    string
		servers []string
		values  []string
		ttl     time.Duration
		code    plan.Code
		words   string
	}{
		"one":               {name, []string{one.Address}, both, time.Minute, "", ""},
		"spelling, longest": {name, []string{one.Address, same.Address}, both, 90 * time.Second, "", ""},
		"none":              {name, []string{none.Address}, nil, 0, "", ""},
		"no such name":      {"_25._tcp.b.test", []string{one.Address, none.Address}, nil, 0, "", ""},
		"another set":       {name, []string{one.Address, other.Address}, nil, 0, plan.CodeDNSPropagation, other.Address + " has another set"},
		"nothing yet":       {name, []string{one.Address, none.Address}, nil, 0, plan.CodeDNSPropagation, none.Address + " does not have it"},
		"dead":              {name, []string{one.Address, "127.0.0.1:1"}, nil, 0, plan.CodeDNSLookup, "127.0.0.1:1 cannot be asked"},
		"all dead":          {name, []string{"127.0.0.1:1"}, nil, 0, plan.CodeDNSLookup, "127.0.0.1:1 cannot be asked"},
		"of another zone":   {name, []string{foreign.Address}, nil, 0, plan.CodeDNSLookup, foreign.Address + " answered REFUSED"},
		"an alias":          {"_25._tcp.C.test.", []string{one.Address}, nil, 0, plan.CodeDNSLookup, "it is an alias of " + name + "; name that one in the config instead"},
		"no name":           {"a b", []string{one.Address}, nil, 0, plan.CodeDNSLookup, "not a usable DNS name"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			set, err := Resolver{Servers: []string{one.Address}, Nameservers: tt.servers}.Agreed(t.Context(), tt.name, "TLSA")
			if tt.code == "" {
				if err != nil || !slices.Equal(set.Values, tt.values) || set.TTL != tt.ttl {
					t.Errorf("%+v, %v", set, err)
				}
				return
			}
			failed, ok := errors.AsType[*Error](err)
			if !ok || failed.Code != tt.code || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v", set, err)
			}
		})
	}
	// Without servers of one's own those of the zone are asked, if there is one.
	if set, err := (Resolver{Servers: []string{foreign.Address}}).Agreed(t.Context(), name, "TLSA"); err == nil {
		t.Errorf("of a zone that nobody knows: %+v", set)
	}
}
