package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// withdrawKinds are those of the command.
func withdrawKinds() Only {
	return Only{Kinds: []plan.Kind{plan.KindRevoke, plan.KindWithdraw, plan.KindLookTLSA, plan.KindTLSA, plan.KindAnswer}}
}

// TestWithdrawRemovesTLSA: with what is revoked its records go, and what is
// issued on the key whose record was there before waits for nothing.
func TestWithdrawRemovesTLSA(t *testing.T) {
	t.Parallel()
	d := newDANE(t, bindtest.Zone{})
	d.backup = true
	d.serve(", ttl: 1h", "")
	d.apply()
	was := d.keySet("a.test").Keys[ec256]
	first := d.served("a.test")
	d.check("before", "3 1 1 "+was.Primary.SHA256, "3 1 1 "+was.Next.SHA256)

	d.revoke(RevokeWish{Reason: plan.RevokeCessation, Withdraw: true}, "a.test")
	if _, err := d.Apply(t.Context(), nil, withdrawKinds()); err != nil {
		t.Fatal(err)
	}
	d.checkRevoked(first, plan.RevokeCessation)
	d.check("withdrawn")
	if left, err := os.ReadDir(filepath.Join(d.dir, "out/a.test")); len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}

	d.reopen()
	d.serve(", ttl: 1h", "")
	d.apply()
	set := d.keySet("a.test").Keys[ec256]
	if set.Primary.SHA256 != was.Next.SHA256 || d.key("a.test", ec256) != was.Next.SHA256 {
		t.Errorf("keys are %+v, were %+v", set, was)
	}
	d.check("afterwards", "3 1 1 "+set.Primary.SHA256, "3 1 1 "+set.Next.SHA256)
	if shown := d.service.shows(d.fixture); shown != d.leaf(filepath.Join(d.dir, "out/a.test/cert.pem")) {
		t.Error("the service shows another certificate than is installed")
	}
	d.checkIdle()
}

// TestWithdrawnIsNotAdopted: files that could not be taken away are not taken
// for what an administrator had before.
func TestWithdrawnIsNotAdopted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	first := f.served("a.test")
	f.revoke(RevokeWish{Reason: plan.RevokeUnspecified, Withdraw: true}, "a.test")
	if _, err := f.Apply(t.Context(), nil, Only{Kinds: []plan.Kind{plan.KindRevoke}}); err != nil {
		t.Fatal(err)
	}
	err := f.store.UpdateTargets(t.Context(), "a.test", func(targets map[string]plan.Target) error {
		clear(targets) // as a node that knows nothing of it finds them
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	if now := f.served("a.test"); now.SHA256 == first.SHA256 || now.Revoked {
		t.Errorf("served is %+v", now)
	}
	f.checkServed("a.test")
}

// TestSweepWithdrawal has every change of the disk go wrong, in every way, while
// certificates are withdrawn.
func TestSweepWithdrawal(t *testing.T) { withdrawals(t).sweep(t, 23) }

// TestKeysThatCouldNotBeStored: a change of keys that failed, and was done after
// that, holds nothing up that comes after it.
func TestKeysThatCouldNotBeStored(t *testing.T) {
	l := withdrawals(t)
	f := l.begin(t)
	l.disk.Disarm()
	f.apply()
	for i, op := range l.disk.Ops() {
		if strings.Contains(op.Path, "/records/keysets") {
			t.Run(fmt.Sprintf("%s at %d", op.Verb, i+1), func(t *testing.T) { l.one(t, i+1, faultfs.Refused) })
		}
	}
}

// withdrawals are a life in which certificates on common keys are withdrawn, and
// others take their place on the keys that were ready.
func withdrawals(t *testing.T) *life {
	t.Helper()
	l := newLife(t)
	l.orders, l.certs = 2, []string{"a.test", "b.test"}
	l.config = `keys:
  both:
    files:
      - {path: $DIR/both.key, content: key}
      - {path: $DIR/both_backup.key, content: backup-key}
certificates:
  a.test: {key: both, files: [{path: $DIR/a.pem, content: fullchain}]}
  b.test: {key: both, files: [{path: $DIR/b.pem, content: fullchain}]}
`
	var was plan.KeySet
	var old []plan.Pair
	l.prepare(t, func(f *fixture) {
		f.apply()
		was = f.keySet("both").Keys[ec256]
		old = []plan.Pair{f.served("a.test"), f.served("b.test")}
		f.revoke(RevokeWish{Reason: plan.RevokeSuperseded, Withdraw: true}, "a.test", "b.test")
	})
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkKeyFiles()
		set := f.keySet("both").Keys[ec256]
		if set.Primary.SHA256 != was.Next.SHA256 || set.Next.IsZero() || set.Next.SHA256 == was.Next.SHA256 {
			f.Errorf("keys are %+v, were %+v", set, was)
		}
		for i, name := range []string{"a.test", "b.test"} {
			f.checkRevoked(old[i], plan.RevokeSuperseded)
			if f.key(name, ec256) != set.Primary.SHA256 || f.served(name).Revoked {
				f.Errorf("%s is served by %+v; the keys are %+v", name, f.served(name), set)
			}
		}
	}
	return l
}
