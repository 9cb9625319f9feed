package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// daneFixture is an engine on a CA and a name server that holds the zone test.
type daneFixture struct {
	*fixture
	bind    *bindtest.Server
	service *live
	name    string // in DNS, of the service's records
	backup  bool   // the next key is kept ready
}

func newDANE(t *testing.T, zone bindtest.Zone) *daneFixture {
	t.Helper()
	return newDANEAt(t, zone, acmetest.Options{})
}

func newDANEAt(t *testing.T, zone bindtest.Zone, ca acmetest.Options) *daneFixture {
	t.Helper()
	zone.Name = "test"
	zone.Records = "a IN A 127.0.0.1\nb IN A 127.0.0.1\n" + zone.Records
	bind := bindtest.Start(t, zone)
	ca.DNS = bind.Address
	d := &daneFixture{fixture: newFixture(t, ca), bind: bind}
	if err := os.WriteFile(filepath.Join(d.dir, "update.key"), bind.KeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	d.service = newLive(t, d.dir)
	d.name = fmt.Sprintf("_%d._tcp.a.test", d.service.port)
	return d
}

// serve configures a.test with a service and further keys, and others.
func (d *daneFixture) serve(tlsa, others string) {
	d.Helper()
	installed := filepath.Join(d.dir, "out/a.test")
	reload := d.script("reload", d.service.reload(filepath.Join(installed, "privkey.pem"), filepath.Join(installed, "fullchain.pem")))
	d.configure(fmt.Sprintf(`
dns: {main: {provider: rfc2136, zones: [test], server: %[1]q, tsig_file: %[2]s/update.key, resolver: %[1]q, propagation: {servers: [%[1]q], timeout: 2s}}}
services: {web: {reload: %[3]s}}
certificates:
  a.test: {services: [web], backup_key: %[7]t, verify: [{port: %[4]d, address: 127.0.0.1}], tlsa: [{host: a.test, port: %[4]d%[5]s}]}
  %[6]s
`, d.bind.Address, d.dir, reload, d.service.port, tlsa, others, d.backup))
}

// published is the records that the name server has.
func (d *daneFixture) published() []string {
	d.Helper()
	var texts []string
	for _, line := range d.bind.Set(d.T, d.name, "TLSA") {
		fields := strings.SplitN(line, " ", 4)
		texts = append(texts, strings.ToLower(fields[3]))
	}
	return texts
}

// spki is the record of the key of a version's only pair.
func (d *daneFixture) spki(k *plan.KnownCert, id string) string {
	d.Helper()
	v, ok := k.Version(id)
	if !ok {
		d.Fatalf("version %s is not known", id)
	}
	return "3 1 1 " + v.Pairs[0].Key
}

func (d *daneFixture) check(what string, want ...string) {
	d.Helper()
	slices.Sort(want)
	if got := d.published(); !slices.Equal(got, want) {
		d.Errorf("%s: published %q, want %q", what, got, want)
	}
}

// runUntil runs the engine as a daemon does, until the certificate is as it
// should be and nothing is left to do.
func (d *daneFixture) runUntil(done func(*plan.KnownCert) bool) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	steps := make(chan struct{}, 1)
	d.Watch = func(Progress) {
		select {
		case steps <- struct{}{}:
		default:
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Engine.Run(ctx) }()
	for !done(d.known("a.test")) {
		select {
		case <-steps:
		case <-ctx.Done():
			d.Fatalf("it never came: %+v", d.known("a.test"))
		}
	}
	cancel()
	<-ended
}

// A first certificate, a renewal that waits for the record of its new key, and
// the end of the old one, with a real CA, a real name server, and time that
// passes.
func TestTLSAThroughAKeyChange(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.serve(", ttl: 3s", "")
	d.apply()
	k := d.known("a.test")
	first := k.Published
	one := d.spki(k, first)
	d.check("after the first", one)
	if target := k.Targets["default"]; target.State != plan.TargetVerified || target.Version != first || k.Ready != "" {
		t.Errorf("known %+v", k)
	}
	d.checkIdle()

	d.ask(plan.AskRenew, "a.test")
	d.apply()
	k = d.known("a.test")
	if k.Ready == "" || k.Published != first {
		t.Fatalf("nothing waits: %+v", k)
	}
	two := d.spki(k, k.Ready)
	d.check("while the new one waits", one, two)
	if shown := d.service.shows(d.fixture); shown == "" || k.Targets["default"].Version != first {
		t.Error("the new certificate did not wait")
	}

	d.runUntil(func(k *plan.KnownCert) bool {
		return k.Published != first && len(k.Asks) == 0 && len(d.published()) == 1
	})
	k = d.known("a.test")
	if k.Ready != "" || len(k.Asks) != 0 || d.spki(k, k.Published) != two || k.Targets["default"].State != plan.TargetVerified {
		t.Errorf("known %+v", k)
	}
	d.check("in the end", two)
	if n := d.happened("a.test", store.EventTLSAUpdated); n != 3 {
		t.Errorf("%d changes of records were told, want 3", n)
	}
	if d.service.shows(d.fixture) != d.leaf(filepath.Join(d.dir, "out/a.test/cert.pem")) {
		t.Error("the service shows another certificate than is installed")
	}
}

// Where the next key is kept ready its record is there long before, and a
// renewal waits for nothing.
func TestTLSAOfTheNextKey(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.backup = true
	d.serve(", ttl: 1s", "")
	d.apply()
	keys, err := d.store.KnownKeys(t.Context(), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	set := keys.Keys["ecdsa-p256"]
	d.check("after the first", "3 1 1 "+set.Primary.SHA256, "3 1 1 "+set.Next.SHA256)
	first := d.known("a.test").Published
	d.ask(plan.AskRenew, "a.test")
	d.runUntil(func(k *plan.KnownCert) bool {
		return k.Published != first && len(k.Asks) == 0 && k.Targets["default"].State == plan.TargetVerified
	})
	d.apply()
	if k := d.known("a.test"); d.spki(k, k.Published) != "3 1 1 "+set.Next.SHA256 {
		t.Error("the key that was ready is not the one of the new certificate")
	}
	if keys, err = d.store.KnownKeys(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	set = keys.Keys["ecdsa-p256"]
	d.check("after the renewal", "3 1 1 "+set.Primary.SHA256, "3 1 1 "+set.Next.SHA256)
}

// A next key that cannot be read keeps nothing from its place.
func TestTLSAOfALostKey(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.backup = true
	d.serve("", "")
	d.apply()
	keys, err := d.store.KnownKeys(t.Context(), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	lost := filepath.Join(d.dir, "state/records/keys", keys.Keys["ecdsa-p256"].Next.SHA256+".json")
	if err := os.WriteFile(lost, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.serve(", selector: spki, matching: [sha256, full]", "")
	if _, err := d.Apply(t.Context(), nil, Only{Kinds: []plan.Kind{plan.KindLookTLSA, plan.KindTLSA}}); err != nil {
		t.Fatal(err)
	}
	primary := keys.Keys["ecdsa-p256"].Primary.SHA256
	if got := d.published(); len(got) != 2 || !strings.HasPrefix(got[0], "3 1 0 30") || got[1] != "3 1 1 "+primary {
		t.Errorf("published %q", got)
	}
}

// Two certificates at one name in DNS keep each other's records.
func TestTLSAOfCertificatesTogether(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.serve(", ttl: 3s", fmt.Sprintf("b.test: {key_types: [rsa-2048], tlsa: [{name: %s, ttl: 3s}]}", d.name))
	d.apply()
	// Whoever comes second waits for its record beside that of the first.
	d.runUntil(func(k *plan.KnownCert) bool {
		return k.Published != "" && d.known("b.test").Published != "" && len(d.published()) == 3
	})
	d.apply()
	a, b := d.known("a.test"), d.known("b.test")
	keys, err := d.store.KnownKeys(t.Context(), "b.test")
	if err != nil {
		t.Fatal(err)
	}
	all := []string{d.spki(a, a.Published), d.spki(b, b.Published), "3 1 1 " + keys.Keys["rsa-2048"].Next.SHA256}
	d.check("both", all...)
	d.checkIdle()
	d.ask(plan.AskRenew, "a.test")
	d.apply()
	a = d.known("a.test")
	if a.Ready == "" {
		t.Fatalf("the new key of a.test does not wait: %+v", a)
	}
	d.check("a new one", append(all, d.spki(a, a.Ready))...)
}

// A node that answers no challenges publishes the records of its certificates as
// any other does.
func TestTLSAOfFollower(t *testing.T) {
	t.Parallel()
	d := newDANEAt(t, bindtest.Zone{}, acmetest.Options{AuthzReuse: 100})
	d.configure("authorizations: [a.test]\n")
	d.apply()
	answered := d.ca.Count(acmetest.Challenge)
	d.serve(", ttl: 3s", "\nsolve: false")
	d.apply()
	k := d.known("a.test")
	d.check("by a follower", d.spki(k, k.Published))
	if n := d.ca.Count(acmetest.Challenge) - answered; n != 0 {
		t.Errorf("%d challenges were answered", n)
	}
	d.checkIdle()
}

// What fails leaves what is served as it is, and says what to do.
func TestTLSAFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		zone   bindtest.Zone
		code   plan.Code
		words  string
		issued bool // and served all the same
	}{
		"refused": {bindtest.Zone{Policy: "deny update zonesub TLSA; grant update zonesub ANY;"}, plan.CodeDNSUpdate, "answered REFUSED", true},
		"alias":   {bindtest.Zone{Records: "$GENERATE 1-65535 _$._tcp.a IN CNAME _25._tcp.b"}, plan.CodeDNSLookup, "alias of _25._tcp.b.test; name that one", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDANE(t, tt.zone)
			d.serve("", "")
			report, err := d.Apply(t.Context(), nil, Only{})
			if err != nil || !report.Failed {
				t.Fatalf("%v, failed %v", err, report.Failed)
			}
			k := d.known("a.test")
			if (k.Published != "") != tt.issued || (k.Ready != "") == tt.issued {
				t.Errorf("published %q, ready %q", k.Published, k.Ready)
			}
			p := d.problem(tt.code)
			if !strings.Contains(p.Words, tt.words) || p.Remedy == "" {
				t.Errorf("problem %+v", p)
			}
			if k.TLSA[d.name].Tries.Count != 1 {
				t.Errorf("tries %+v", k.TLSA[d.name].Tries)
			}
			if tt.issued {
				d.check("refused")
			}
		})
	}
}

// Somebody else's change is undone, and a service that shows what no record
// matches is told of.
func TestTLSAChangedByOthers(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.serve("", "")
	d.apply()
	k := d.known("a.test")
	right := d.spki(k, k.Published)
	foreign := "3 1 1 " + strings.Repeat("ab", 32)
	writer, ok := d.current().writers["main"].zone.writer.(dns.Replacer)
	if !ok {
		t.Fatal("it replaces nothing")
	}
	if _, err := writer.Replace(t.Context(), dns.Set{Name: d.name, Type: "TLSA", Values: []string{foreign}, TTL: 5 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	d.check("changed", foreign)
	d.ask(plan.AskApply, "a.test")
	d.apply()
	d.check("mended", right)

	// What is verified is compared with the records that were seen.
	err := d.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		t := k.TLSA[d.name]
		t.Facts = t.Facts.See(time.Now(), []string{foreign}, time.Minute)
		k.TLSA[d.name] = t
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.ask(plan.AskVerify, "a.test")
	report, err := d.Apply(t.Context(), nil, Only{Kinds: []plan.Kind{plan.KindVerify}})
	if err != nil || !report.Failed || len(report.Done) != 1 {
		t.Fatalf("%v, %+v", err, report.Done)
	}
	if p := d.problem(plan.CodeVerifyWrong); !strings.Contains(p.Words, "which clients that look at its TLSA records refuse: no TLSA record matches") {
		t.Errorf("problem %+v", p)
	}
}
