package dane

import (
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"
)

// What is served satisfies what is made of it, by every usage and selector;
// another server's does not.
func TestMatches(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	for usage := range DANEEE + 1 {
		for selector := range SPKI + 1 {
			w := Want{Usage: usage, Selector: selector, Matching: []Matching{Full, SHA256, SHA512}}
			set := mustMake(t, w, h.material())
			if missing := set.Missing(h.presented()); len(missing) != 0 {
				t.Errorf("%d %d: own chain: %v", usage, selector, missing)
			}
			if missing := set.Missing(other.presented()); len(missing) != 3 {
				t.Errorf("%d %d: foreign chain: only %v", usage, selector, missing)
			}
			if err := set.Check(h.presented(), "mail.example.com", start()); err != nil {
				t.Errorf("%d %d: %v", usage, selector, err)
			}
			if err := set.Check(other.presented(), "mail.example.com", start()); !errors.Is(err, ErrNoMatch) {
				t.Errorf("%d %d: foreign chain: %v", usage, selector, err)
			}
		}
	}
}

// An authority counts only where a client finds it, and where it signed.
func TestMatchesAuthority(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	whole, short := h.presented(), h.presented()
	whole.Chain = append(slices.Clone(whole.Chain), h.root.cert)
	alone := Presented{Chain: h.presented().Chain[:1], Root: h.root.cert}
	mixed := Presented{Chain: []*x509.Certificate{other.leaf, h.inner.cert}, Root: h.root.cert}
	root := Material{Authorities: []*x509.Certificate{h.root.cert}}
	inner := Material{Authorities: []*x509.Certificate{h.inner.cert}}
	asEE := Material{Authorities: []*x509.Certificate{h.leaf}}
	digest, full := []Matching{SHA256}, []Matching{Full}
	for name, tt := range map[string]struct {
		want      Want
		from      Material
		presented Presented
		match     bool
	}{
		"DANE-TA, root presented":             {Want{DANETA, Cert, digest}, root, whole, true},
		"DANE-TA, root not presented":         {Want{DANETA, Cert, digest}, root, short, false},
		"DANE-TA, root in the record":         {Want{DANETA, Cert, full}, root, short, true},
		"DANE-TA, root's key in the record":   {Want{DANETA, SPKI, full}, root, short, true},
		"DANE-TA, inner's key, leaf alone":    {Want{DANETA, SPKI, full}, inner, alone, true},
		"DANE-TA, root's key, leaf alone":     {Want{DANETA, SPKI, full}, root, alone, false},
		"DANE-TA, inner without a signature":  {Want{DANETA, Cert, digest}, inner, mixed, false},
		"DANE-TA, full, without a signature":  {Want{DANETA, Cert, full}, inner, mixed, false},
		"DANE-TA of the leaf":                 {Want{DANETA, Cert, digest}, asEE, short, false},
		"PKIX-TA, root that the client has":   {Want{PKIXTA, Cert, digest}, root, short, true},
		"PKIX-TA, root above another chain":   {Want{PKIXTA, Cert, digest}, root, alone, false},
		"PKIX-TA, root that nobody has":       {Want{PKIXTA, SPKI, digest}, root, Presented{Chain: short.Chain}, false},
		"PKIX-TA, inner":                      {Want{PKIXTA, SPKI, digest}, inner, short, true},
		"PKIX-TA, full, needs the chain also": {Want{PKIXTA, Cert, full}, root, Presented{Chain: short.Chain}, false},
		"nothing presented":                   {Want{DANETA, Cert, full}, root, Presented{}, false},
	} {
		set := mustMake(t, tt.want, tt.from)
		if got := len(set) == 1 && set[0].Matches(tt.presented); got != tt.match {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// RFC 7671 section 8.4: each combination has to match by itself.
func TestMissing(t *testing.T) {
	h, next := newHouse(t), newHouse(t)
	key := Want{Usage: DANEEE, Selector: SPKI, Matching: []Matching{SHA256}}
	strong := Want{Usage: DANEEE, Selector: SPKI, Matching: []Matching{SHA512}}
	anchor := Want{Usage: DANETA, Selector: Cert, Matching: []Matching{SHA256}}
	both := mustMake(t, key, h.material()).Union(mustMake(t, key, next.material()))
	for name, tt := range map[string]struct {
		set    Set
		ok, no []Params // missing with the old chain, and with the next
	}{
		"8.1, before":      {mustMake(t, key, h.material()), nil, []Params{{DANEEE, SPKI, SHA256}}},
		"8.1, between":     {both, nil, nil},
		"8.1, after":       {mustMake(t, key, next.material()), []Params{{DANEEE, SPKI, SHA256}}, nil},
		"8.2, anchor only": {both.Union(mustMake(t, anchor, h.material())), nil, []Params{{DANETA, Cert, SHA256}}},
		"8.3, new digest":  {both.Union(mustMake(t, strong, h.material())), nil, []Params{{DANEEE, SPKI, SHA512}}},
		"no records":       {nil, nil, nil},
		"unusable":         {Set{{Params: Params{9, 9, 9}, data: "x"}}, nil, nil},
	} {
		if got := tt.set.Missing(h.presented()); !slices.Equal(got, tt.ok) {
			t.Errorf("%s: the old chain lacks %v", name, got)
		}
		if got := tt.set.Missing(next.presented()); !slices.Equal(got, tt.no) {
			t.Errorf("%s: the next chain lacks %v", name, got)
		}
	}
	// A client that knows SHA-512 passes the matching SHA-256 over (section 9).
	agile := both.Union(mustMake(t, strong, h.material()))
	if err := agile.Check(next.presented(), "mail.example.com", start()); !errors.Is(err, ErrNoMatch) {
		t.Errorf("got %v", err)
	}
}

func TestCheckNamesAndTimes(t *testing.T) {
	h := newHouse(t)
	const name = "mail.example.com"
	for usage := range DANEEE + 1 {
		set := mustMake(t, Want{Usage: usage, Selector: SPKI}, h.material())
		looks := usage != DANEEE
		if usage.LooksAtExpiry() != looks {
			t.Errorf("%d: looks at expiry: %v", usage, !looks)
		}
		for what, err := range map[string]error{
			"ended":   set.Check(h.presented(), name, end().Add(time.Second)),
			"not yet": set.Check(h.presented(), name, start().Add(-time.Second)),
		} {
			if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok != looks || looks && invalid.Reason != x509.Expired || !looks && err != nil {
				t.Errorf("%d, %s: got %v", usage, what, err)
			}
		}
		err := set.Check(h.presented(), "www.example.com", start())
		if _, ok := errors.AsType[x509.HostnameError](err); ok != looks || !looks && err != nil {
			t.Errorf("%d, another name: got %v", usage, err)
		}
		if err := set.Check(h.presented(), name, end()); err != nil {
			t.Errorf("%d, in its last second: %v", usage, err)
		}
	}
	mixed := mustMake(t, Want{Usage: DANEEE}, h.material()).Union(mustMake(t, Want{Usage: DANETA}, h.material()))
	if err := mixed.Check(h.presented(), "other", end().AddDate(1, 0, 0)); err != nil {
		t.Errorf("the DANE-EE record matches, whatever the other says: %v", err)
	}
	for _, none := range []Set{nil, {{Params: Params{DANEEE, SPKI, SHA256}, data: "short"}}} {
		if err := none.Check(h.presented(), name, start()); !errors.Is(err, ErrUnusable) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNeeds(t *testing.T) {
	h := newHouse(t)
	digest := []Matching{SHA256}
	inner := mustMake(t, Want{DANETA, SPKI, digest}, Material{Authorities: []*x509.Certificate{h.inner.cert}})
	for name, tt := range map[string]struct {
		want Want
		from Presented
		need Set
	}{
		"the leaf":                 {Want{DANEEE, SPKI, digest}, h.presented(), mustMake(t, Want{DANEEE, SPKI, digest}, h.material())},
		"a root the client has":    {Want{PKIXTA, Cert, digest}, h.presented(), mustMake(t, Want{PKIXTA, Cert, digest}, h.material())},
		"a root that it needs":     {Want{DANETA, SPKI, digest}, h.presented(), inner},
		"no authority":             {Want{DANETA, SPKI, digest}, Presented{Chain: []*x509.Certificate{h.leaf}, Root: h.root.cert}, Set{}},
		"nothing":                  {Want{DANEEE, SPKI, digest}, Presented{}, nil},
		"an authority in full too": {Want{DANETA, Cert, []Matching{Full}}, h.presented(), mustMake(t, Want{DANETA, Cert, []Matching{Full}}, h.material())},
	} {
		if got, err := Needs(tt.want, tt.from); err != nil || !got.Equal(tt.need) {
			t.Errorf("%s: got %q, %v", name, got.Texts(), err)
		}
	}
	if got, err := Needs(Want{Usage: 7}, h.presented()); err == nil {
		t.Errorf("got %v", got)
	}
}
