package engine

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// What was taken from a CA's limits for an order that it never got, as the
// process was killed before, is what the next order has; it is taken once.
func TestLimitsOfAnOrderThatWasNeverSent(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.issuers = fmt.Sprintf("limited: {directory: %q, roots_file: %s, limits: {per_domain: 2/7d}}", f.ca.DirectoryURL(), f.roots)
	config := "certificates: {a.test: {issuer: [limited]}}\n"
	f.configure(config)
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := world.Wanted.Certs[0]
	taken := []plan.Spending{{Kind: plan.LimitDomain, Whom: "a.test", Limit: plan.Limit{Most: 2, Per: 7 * 24 * time.Hour}}}
	spent := plan.SpentKeys(taken)
	err = f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		k.Begin(ecKey, plan.Order{Issuer: "limited", Spent: spent, Request: want.Request(), Created: time.Now().Add(-time.Hour)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = f.store.UpdateIssuer(t.Context(), "limited", func(k *plan.KnownIssuer) error {
		*k = k.Count(time.Now(), append(taken, taken...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(config)
	f.apply()
	if f.known("a.test").Published == "" {
		t.Error("it waits for the limit that is taken for it")
	}
	if world, err = f.World(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := world.Known.Issuers["limited"].Spend(time.Now(), taken); ok {
		t.Error("another one would be ordered, though both were used")
	}
	if late := world.Known.Issuers["limited"].Ledger[spent[0]].Late; late < time.Hour {
		t.Errorf("the CA is thought to have counted it after %s; it did so after an hour", late)
	}
}

// unheard is a disk that stores what is known of a CA and says that it did not.
type unheard struct {
	durable.Disk
	left int // times
}

func (d *unheard) Rename(oldPath, newPath string) error {
	err := d.Disk.Rename(oldPath, newPath)
	if d.left > 0 && strings.HasSuffix(newPath, "/issuers/limited.json") {
		d.left--
		return errors.Join(err, syscall.EIO)
	}
	return err
}

// An order that is not sent since what it takes of a CA's limits could not be
// stored, or seems so, takes nothing.
func TestLimitsOfAnOrderThatCouldNotBeCounted(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.issuers = fmt.Sprintf("limited: {directory: %q, roots_file: %s, limits: {per_domain: 1/7d}}", f.ca.DirectoryURL(), f.roots)
	disk := &unheard{Disk: durable.NoSync{}}
	f.disk = disk
	f.reopen()
	f.configure("certificates: {a.test: {issuer: [limited]}}\n")
	disk.left = 1
	if fault := f.failing(); fault == nil || fault.Code != plan.CodeDisk || disk.left != 0 {
		t.Fatalf("it failed by %+v", fault)
	}
	f.ask(plan.AskApply, "a.test") // the failure backs off
	f.apply()
	if f.known("a.test").Published == "" {
		t.Error("it waits for the limit that nobody took anything of")
	}
}
