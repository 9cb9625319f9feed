package store_test

import (
	"context"
	"crypto"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// then is an instant of which all facts of the tests speak.
func then() time.Time { return time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC) }

// open opens a state folder and closes it with the test.
func open(t testing.TB, path string, disk durable.Disk, mode store.Mode) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, disk, "web1", mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newStore makes an empty state folder and holds it.
func newStore(t testing.TB) *store.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "state"), durable.NoSync{}, store.Holder)
}

func newKey(t testing.TB) (crypto.Signer, string) {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := keys.Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, fingerprint
}

// version is a version with one pair on a key.
func version(id, key string, names ...string) plan.Version {
	return plan.Version{ID: id, Created: then(), Pairs: []plan.Pair{{
		KeyType: "ecdsa-p256", Key: key, Issuer: "letsencrypt", Request: plan.Request{Names: names},
		NotBefore: then().Add(-time.Hour), NotAfter: then().Add(90 * 24 * time.Hour),
		Serial: "04a3c6b1", SHA256: strings.Repeat("7b", 32), CertID: "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", CA: "E7",
	}}}
}

// chainOf is a version's record; the store does not look into chains.
func chainOf(cert string, v plan.Version) store.VersionRecord {
	chains := map[string]string{}
	for _, pair := range v.Pairs {
		chains[pair.KeyType] = "-----BEGIN CERTIFICATE-----\n" + v.ID + "\n-----END CERTIFICATE-----\n"
	}
	return store.VersionRecord{Certificate: cert, Version: v, Chains: chains}
}

// fullCert fills a record as one looks after a year of renewals.
func fullCert(c *plan.KnownCert) {
	for i := range 3 {
		c.Versions = append(c.Versions, version(fmt.Sprintf("V%d", i), strings.Repeat("8d1f", 16), c.Name, "www."+c.Name))
	}
	c.Published = "V2"
	c.Advice = map[string]plan.Advice{"ecdsa-p256": {
		CertID: "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", Start: then(), End: then().Add(48 * time.Hour), At: then().Add(time.Hour),
		AskAgain: then().Add(6 * time.Hour),
	}}
	c.Issued = []plan.Issued{{At: then(), Names: []string{c.Name, "www." + c.Name}, KeyType: "ecdsa-p256", Lifetime: 90 * 24 * time.Hour}}
}

// fullTargets fills targets as they look when all is well.
func fullTargets(targets map[string]plan.Target) {
	t := plan.Target{Version: "V2", State: plan.TargetVerified, Config: strings.Repeat("1c", 32), At: then()}
	for _, name := range []string{"cert", "chain", "fullchain", "privkey"} {
		t.Files = append(t.Files, plan.File{Path: "/etc/ssl/certkeep/example.test/" + name + ".pem", SHA256: strings.Repeat("7b", 32)})
	}
	t.Verify = plan.VerifyFact{Version: "V2", At: then(), Results: []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictRight}}}
	targets["default"] = t
}

// fill writes n certificates with their targets.
func fill(t testing.TB, s *store.Store, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("site%05d.example.test", i)
		err := s.UpdateCert(t.Context(), name, func(c *plan.KnownCert) error {
			fullCert(c)
			return nil
		})
		if err == nil {
			err = s.UpdateTargets(t.Context(), name, func(targets map[string]plan.Target) error {
				fullTargets(targets)
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// cpu is the processor time that this process used, of all processors: what a
// busy machine does not disturb.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkKnown(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStore(b)
			fill(b, s, n)
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				known, err := s.Known(context.Background())
				if err != nil || len(known.Certs) != n || known.Certs["site00007.example.test"].Targets["default"].Version != "V2" {
					b.Fatalf("%d certificates, %v", len(known.Certs), err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

func BenchmarkUpdateCert(b *testing.B) {
	for name, disk := range map[string]durable.Disk{"OS": durable.OS{}, "NoSync": durable.NoSync{}} {
		b.Run(name, func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state"), disk, store.Holder)
			fill(b, s, 1)
			n := 0
			for b.Loop() {
				n++
				err := s.UpdateCert(context.Background(), "site00000.example.test", func(c *plan.KnownCert) error {
					c.Tries = map[string]plan.Tries{"ecdsa-p256": {Count: n}}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func fingerprintOf(t testing.TB, key crypto.Signer) string {
	t.Helper()
	fingerprint, err := keys.Fingerprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint
}
