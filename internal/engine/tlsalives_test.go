package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
)

// daneLife is a stretch of a certificate's life with TLSA records of its key
// and the next one.
type daneLife struct {
	*life
	bind *bindtest.Server
	name string
}

func newDANELife(t *testing.T) *daneLife {
	t.Helper()
	bind := bindtest.Start(t, bindtest.Zone{Name: "test", Records: "a IN A 127.0.0.1"})
	l := &daneLife{life: newLifeAt(t, acmetest.Options{DNS: bind.Address}), bind: bind, name: "_25._tcp.a.test"}
	if err := os.WriteFile(filepath.Join(l.dir, "update.key"), bind.KeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	l.config = fmt.Sprintf(`
dns: {main: {provider: rfc2136, server: %[1]q, tsig_file: $DIR/update.key, resolver: %[1]q, propagation: {servers: [%[1]q], timeout: 2s}}}
certificates: {a.test: {tlsa: [{name: %[2]s}]}}
`, bind.Address, l.name)
	return l
}

// show has the name server show these records before each case.
func (l *daneLife) show(t *testing.T, records ...string) {
	t.Helper()
	key, err := dns.ParseTSIG(l.bind.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := dns.NewRFC2136(dns.RFC2136Config{Server: l.bind.Address, TSIG: &key, Resolver: dns.Resolver{Servers: []string{l.bind.Address}}})
	if err != nil {
		t.Fatal(err)
	}
	l.afresh = func() {
		if _, err := writer.Replace(t.Context(), dns.Set{Name: l.name, Type: "TLSA", Values: records, TTL: 5 * time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
}

// whole fails the test unless what is served has its record, and the next key
// too, and nothing waits.
func (l *daneLife) whole(f *fixture) {
	f.Helper()
	f.checkServed("a.test")
	k := f.known("a.test")
	keys, err := f.store.KnownKeys(f.Context(), "a.test")
	if err != nil {
		f.Fatal(err)
	}
	set := keys.Keys["ecdsa-p256"]
	v, _ := k.Version(k.Published)
	pair, _ := v.Pair("ecdsa-p256")
	if pair.Key != set.Primary.SHA256 || keys.Rolling != nil || k.Ready != "" {
		f.Errorf("published %+v on keys %+v; ready %q", pair, keys, k.Ready)
	}
	want := []string{"3 1 1 " + set.Primary.SHA256, "3 1 1 " + set.Next.SHA256}
	if set.Next.IsZero() && keys.Tries.Count > 0 {
		want = want[:1] // it could not be stored, and is made later
	}
	d := daneFixture{fixture: f, bind: l.bind, name: l.name}
	d.check("in the end", want...)
}

func TestSweepTLSAFirst(t *testing.T) {
	l := newDANELife(t)
	l.show(t)
	l.judge = l.whole
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 9)
}

// A renewal on the key that was kept ready, whose record is old enough.
func TestSweepTLSARenewal(t *testing.T) {
	l := newDANELife(t)
	var before string
	l.judge = func(f *fixture) {
		l.whole(f)
		if f.known("a.test").Published == before {
			f.Error("nothing was renewed")
		}
	}
	l.prepare(t, func(f *fixture) {
		f.apply()
		before = f.known("a.test").Published
		err := f.store.UpdateCert(f.Context(), "a.test", func(k *plan.KnownCert) error {
			facts := k.TLSA[l.name]
			var texts []string
			for _, r := range facts.Facts.Records {
				texts = append(texts, r.Text)
			}
			facts.Facts = plan.TLSAFacts{}.See(time.Now().Add(-time.Hour), texts, 5*time.Minute)
			k.TLSA[l.name] = facts
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
		l.show(t, f.known("a.test").TLSA[l.name].Facts.Published()...)
		f.ask(plan.AskRenew, "a.test")
	})
	l.sweep(t, 12)
}
