package engine

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// keySet is what is known of keys.
func (f *fixture) keySet(name string) *plan.KnownKeys {
	f.Helper()
	k, err := f.store.KnownKeys(f.Context(), name)
	if err != nil || k.Damage != "" {
		f.Fatalf("keys %s: %v %s", name, err, k.Damage)
	}
	return k
}

// key is the fingerprint of the key that a certificate is served on.
func (f *fixture) key(name, keyType string) string {
	f.Helper()
	k := f.known(name)
	v, ok := k.Version(k.Published)
	pair, found := v.Pair(keyType)
	if !ok || !found {
		f.Fatalf("%s has no %s pair: %+v", name, keyType, k)
	}
	return pair.Key
}

func (f *fixture) out(name string) string { return filepath.Join(f.dir, "out", name, "cert.pem") }

const ec256 = "ecdsa-p256"

func sharing(f *fixture) {
	f.configure(`keys: {both: {}}
hooks: {renewing: {command: ` + f.script("veto", `test "$CERTKEEP_CERTIFICATE" != b.test || ! test -e "`+f.dir+`/no"`) + `}}
certificates: {a.test: {key: both}, b.test: {key: both}}
`)
}

// TestSharedKeys takes two certificates on one key through their first issue
// and a change of it.
func TestSharedKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	first := f.keySet("both").Keys[ec256]
	if first.Primary.IsZero() || first.Next.IsZero() || f.key("a.test", ec256) != first.Primary.SHA256 || f.key("b.test", ec256) != first.Primary.SHA256 {
		t.Fatalf("keys %+v, certificates on %s and %s", first, f.key("a.test", ec256), f.key("b.test", ec256))
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("the second pass did %+v", done)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	if f.key("a.test", ec256) != first.Primary.SHA256 {
		t.Error("a renewal changed the key")
	}
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	second := f.keySet("both").Keys[ec256]
	if second.Primary.SHA256 != first.Next.SHA256 || second.Previous.SHA256 != first.Primary.SHA256 || second.Next.IsZero() {
		t.Errorf("keys are %+v, were %+v", second, first)
	}
	for _, name := range []string{"a.test", "b.test"} {
		if f.key(name, ec256) != second.Primary.SHA256 {
			t.Errorf("%s is on another key", name)
		}
		if n := f.happened(name, store.EventKeyRollover); n != 1 {
			t.Errorf("%s heard of %d changes, want 1", name, n)
		}
		f.checkServed(name)
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestRolloverOrNotAtAll has one of two certificates fail: nothing changes, and
// all of it happens once that is mended.
func TestRolloverOrNotAtAll(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	no := filepath.Join(f.dir, "no")
	if err := os.WriteFile(no, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := []string{f.leaf(f.out("a.test")), f.leaf(f.out("b.test")), f.keySet("both").Keys[ec256].Primary.SHA256}
	f.ask(plan.AskRollover, "b.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if f.known("a.test").Rolled == "" || f.keySet("both").Rolling == nil {
		t.Fatal("no rollover is under way")
	}
	after := []string{f.leaf(f.out("a.test")), f.leaf(f.out("b.test")), f.keySet("both").Keys[ec256].Primary.SHA256}
	for i := range before {
		if before[i] != after[i] {
			t.Errorf("a rollover that failed for one certificate changed something (%d)", i)
		}
	}
	f.reopen()
	sharing(f)
	if err := os.Remove(no); err != nil {
		t.Fatal(err)
	}
	orders := len(finalized(f.ca))
	f.apply()
	if n := len(finalized(f.ca)) - orders; n != 1 {
		t.Errorf("%d orders were finalised to end it, want the missing one", n)
	}
	for _, name := range []string{"a.test", "b.test"} {
		if f.key(name, ec256) != f.keySet("both").Keys[ec256].Primary.SHA256 {
			t.Errorf("%s is on another key", name)
		}
		f.checkServed(name)
	}
	if f.key("a.test", ec256) == before[2] {
		t.Error("the key did not change")
	}
}

// TestCancelledRollover leaves all as it was.
func TestCancelledRollover(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	if err := os.WriteFile(filepath.Join(f.dir, "no"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	was := f.keySet("both").Keys[ec256]
	f.ask(plan.AskRollover, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Ask(t.Context(), plan.AskRollover, []string{"a.test"}, RolloverCancelled); err != nil {
		t.Fatal(err)
	}
	f.apply()
	if k := f.keySet("both"); k.Rolling != nil || k.Ask != nil || k.Keys[ec256] != was {
		t.Errorf("keys are %+v, were %+v", k, was)
	}
}

// TestKeyReuse keeps the key of a lone certificate, from the one that it had.
func TestKeyReuse(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	key := f.key("a.test", ec256)
	f.configure("certificates: {a.test: {key_reuse: true}}\n")
	if orders := len(finalized(f.ca)); orders != 1 {
		t.Fatalf("%d orders", orders)
	}
	f.apply()
	for range 4 { // more versions than are kept
		f.ask(plan.AskRenew, "a.test")
		f.apply()
	}
	if f.key("a.test", ec256) != key {
		t.Error("a renewal changed the key")
	}
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	if f.key("a.test", ec256) == key || f.keySet("a.test").Keys[ec256].Previous.SHA256 != key {
		t.Errorf("keys: %+v", f.keySet("a.test"))
	}
	f.checkServed("a.test")
}

// TestBackupKeyWithoutReuse has each renewal use the key that was kept ready.
func TestBackupKeyWithoutReuse(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {backup_key: true}}\n")
	f.apply()
	for range 2 {
		ready := f.keySet("a.test").Keys[ec256].Next.SHA256
		f.ask(plan.AskRenew, "a.test")
		f.apply()
		if ready == "" || f.key("a.test", ec256) != ready {
			t.Errorf("renewed on %s, ready was %s", f.key("a.test", ec256), ready)
		}
		f.checkServed("a.test")
		if done := f.apply().Done; len(done) != 0 {
			t.Errorf("a further pass did %+v", done)
		}
	}
}

// TestOtherKeyType changes the type of a shared key in one go.
func TestOtherKeyType(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	certificates := "certificates: {a.test: {key: both}, b.test: {key: both}}\n"
	f.configure("keys: {both: {key_types: [ecdsa-p256]}}\n" + certificates)
	f.apply()
	f.configure("keys: {both: {key_types: [ecdsa-p384, ecdsa-p256]}}\n" + certificates)
	was := f.key("a.test", ec256)
	f.apply()
	for _, name := range []string{"a.test", "b.test"} {
		if f.key(name, "ecdsa-p384") != f.keySet("both").Keys["ecdsa-p384"].Primary.SHA256 || f.key(name, ec256) != was {
			t.Errorf("%s: %+v", name, f.known(name))
		}
		f.checkServed(name)
	}
	if done := f.apply().Done; len(done) != 0 {
		t.Errorf("a further pass did %+v", done)
	}
}

// TestCompromisedSharedKey: every certificate on a key that is said to be
// compromised gets another one.
func TestCompromisedSharedKey(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	was := f.keySet("both").Keys[ec256]
	if err := f.store.Ban(t.Context(), was.Primary.SHA256, plan.Ban{At: time.Now(), Cert: "a.test"}); err != nil {
		t.Fatal(err)
	}
	f.apply()
	f.apply()
	for _, name := range []string{"a.test", "b.test"} {
		if f.key(name, ec256) != was.Next.SHA256 {
			t.Errorf("%s is not on the key that was ready", name)
		}
		f.checkServed(name)
		for _, v := range f.known(name).Versions {
			if p := v.Pairs[0]; p.Revoked != (p.Key == was.Primary.SHA256) {
				t.Errorf("%s on %s: revoked %t", name, p.Key, p.Revoked)
			}
		}
	}
}

// TestDamagedKeys takes over the keys in use where the record of them is
// damaged.
func TestDamagedKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	was := f.keySet("both").Keys[ec256].Primary.SHA256
	f.spoil("keysets/both.json", "torn")
	f.apply()
	if set := f.keySet("both").Keys[ec256]; set.Primary.SHA256 != was || set.Next.IsZero() {
		t.Errorf("keys: %+v", set)
	}
	if n := len(finalized(f.ca)); n != 2 {
		t.Errorf("%d orders, want the first two", n)
	}
}

// TestForgetOwnKeys drops keys that nobody else is on, and no others.
func TestForgetOwnKeys(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("keys: {a.test: {}}\ncertificates: {a.test: {key: a.test}, b.test: {key: a.test}, c.test: {key_reuse: true, backup_key: true}}\n")
	f.apply()
	for _, name := range []string{"a.test", "c.test"} {
		if err := f.store.Forget(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.keySet("a.test").Keys) != 1 || len(f.keySet("c.test").Keys) != 0 {
		t.Errorf("a: %+v, c: %+v", f.keySet("a.test"), f.keySet("c.test"))
	}
	left, err := f.store.Keys(t.Context())
	if err != nil || len(left) != 2 {
		t.Errorf("keys left: %q, %v; want the shared one and its next", left, err)
	}
	f.configure("keys: {a.test: {}}\ncertificates: {b.test: {key: a.test}}\n")
	f.apply()
	f.checkServed("b.test")
}

// TestOldVersionOnAKeptKey: a version that a prune could not delete is not
// taken for what a renewal on the same key brought.
func TestOldVersionOnAKeptKey(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {key_reuse: true}}\n")
	f.apply()
	old, err := f.store.Version(t.Context(), "a.test", f.known("a.test").Published)
	if err != nil {
		t.Fatal(err)
	}
	old.Version.ID = "leftover"
	if err := f.store.PutVersion(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	published, _ := f.known("a.test").Version(f.known("a.test").Published)
	if published.Pairs[0].Serial == old.Version.Pairs[0].Serial || len(finalized(f.ca)) != 2 {
		t.Errorf("published is %s again, after %d orders", published.Pairs[0].Serial, len(finalized(f.ca)))
	}
}

// TestRolledKeyIsLost begins again what a person asked for, with another key.
func TestRolledKeyIsLost(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	sharing(f)
	f.apply()
	if err := os.WriteFile(filepath.Join(f.dir, "no"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRollover, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	was := f.keySet("both")
	f.spoil("keys/"+was.Rolling.Keys[ec256]+".json", "torn")
	if err := os.Remove(filepath.Join(f.dir, "no")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
			t.Fatal(err)
		}
	}
	f.ask(plan.AskApply, "a.test", "b.test")
	f.apply()
	set := f.keySet("both").Keys[ec256]
	if set.Primary.SHA256 == was.Keys[ec256].Primary.SHA256 || set.Primary.SHA256 == was.Rolling.Keys[ec256] {
		t.Errorf("keys: %+v", set)
	}
	for _, name := range []string{"a.test", "b.test"} {
		if f.key(name, ec256) != set.Primary.SHA256 {
			t.Errorf("%s is on another key", name)
		}
		f.checkServed(name)
	}
}

// TestRolloverWithAnUnreachableName has the CA not get to a name of one of two
// certificates: no file changes and no service hears of anything, however often
// it is tried; once the name can be reached, all of it happens.
func TestRolloverWithAnUnreachableName(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`keys: {both: {files: [{path: ` + f.dir + `/out/both.key, content: key}, {path: ` + f.dir + `/out/next.key, content: backup-key}]}}
services: {web: {reload: [` + f.script("reload", "echo told >> "+f.dir+"/reloads\n") + `]}}
certificates:
  a.test: {key: both, services: [web], files: [{path: ` + f.dir + `/out/a.pem, content: fullchain}]}
  b.test: {key: both, services: [web]}
`)
	f.apply()
	out := func() map[string]string {
		tree, err := faultfs.Tree(filepath.Join(f.dir, "out"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	before, reloads := out(), f.lines("reloads")
	if len(before) < 5 || len(reloads) == 0 {
		t.Fatalf("there are %d files, and %d reloads", len(before), len(reloads))
	}
	if err := f.ca.DNS.ServFail("b.test"); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRollover, "b.test")
	for range 2 {
		if fault := f.failing(); fault == nil {
			t.Fatal("nothing failed")
		}
		if after := out(); !maps.Equal(before, after) || len(f.lines("reloads")) != len(reloads) {
			t.Fatalf("something changed:\n%q\n%q", before, after)
		}
		f.ask(plan.AskApply, "b.test") // the failure backs off
	}
	if err := f.ca.DNS.ClearServFail("b.test"); err != nil {
		t.Fatal(err)
	}
	f.apply()
	after := out()
	for _, path := range []string{"both.key", "next.key", "a.pem", "b.test"} {
		if before[path] == "" || before[path] == after[path] {
			t.Errorf("%s did not change", path)
		}
	}
	if f.key("a.test", ec256) != f.key("b.test", ec256) || len(f.lines("reloads")) == len(reloads) {
		t.Errorf("they are on %s and %s, %d reloads", f.key("a.test", ec256), f.key("b.test", ec256), len(f.lines("reloads")))
	}
}
