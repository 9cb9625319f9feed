package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// sweepCase is one run of a sweep: what goes wrong at which change.
type sweepCase struct {
	fault faultfs.Fault
	power bool // cut after it
	n     int
}

// sweep lets every change to the disk that run makes go wrong in every way,
// also with the power cut after it, each time from a state that prepare made
// anew. Check is given the store that the next process opens, and whether run
// reported success.
func sweep(t *testing.T, prepare, run func(t *testing.T, s *store.Store) error, check func(t *testing.T, s *store.Store, done bool)) {
	for _, fault := range faultfs.Faults() {
		for _, power := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v-power-%v", fault, power), func(t *testing.T) {
				t.Parallel()
				for n := 1; !t.Failed(); n++ {
					if !sweepOne(t, sweepCase{fault, power, n}, prepare, run, check) {
						return
					}
				}
			})
		}
	}
}

// sweepOne is one case of sweep. It reports whether the fault happened: if
// not, run makes fewer changes, and the sweep is through.
func sweepOne(t *testing.T, c sweepCase, prepare, run func(*testing.T, *store.Store) error, check func(*testing.T, *store.Store, bool)) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	disk := faultfs.New(durable.NoSync{}) // faultfs knows what was synced
	s, err := store.Open(t.Context(), path, disk, "web1", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	if err := prepare(t, s); err != nil {
		t.Fatal(err)
	}
	disk.Arm(c.n, c.fault)
	err = run(t, s)
	tripped := disk.Tripped()
	if c.power {
		if err := disk.PowerCut(); err != nil {
			t.Fatal(err)
		}
	}
	disk.Disarm()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil && !errors.Is(err, faultfs.ErrFault) {
		t.Errorf("err = %v, want the fault", err)
	}
	next := open(t, path, disk, store.Holder)
	check(t, next, err == nil)
	if t.Failed() {
		t.Errorf("so it was at change %d of the sweep", c.n)
	}
	return tripped
}

// oldOrNew checks a value: after success it is the new one, else one of both.
func oldOrNew(t *testing.T, got, before, after string, done bool) {
	t.Helper()
	if got != after && (done || got != before) {
		t.Errorf("found %q; before %q, after %q, success reported: %v", got, before, after, done)
	}
}

func TestUpdateCertFaults(t *testing.T) {
	publish := func(id string) func(*testing.T, *store.Store) error {
		return func(t *testing.T, s *store.Store) error {
			return s.UpdateCert(t.Context(), "a", func(c *plan.KnownCert) error {
				fullCert(c)
				c.Published = id
				return nil
			})
		}
	}
	sweep(t, publish("old"), publish("new"), func(t *testing.T, s *store.Store, done bool) {
		c := known(t, s).Certs["a"]
		if c.Damage != "" || len(c.Versions) < 3 {
			t.Errorf("cert = %+v", c)
		}
		oldOrNew(t, c.Published, "old", "new", done)
		if err := publish("next")(t, s); err != nil || known(t, s).Certs["a"].Published != "next" {
			t.Errorf("the next process cannot go on: %v", err)
		}
	})
}

func TestPutVersionAndKeyFaults(t *testing.T) {
	key, fingerprint := newKey(t)
	v := chainOf("a", version("V", fingerprint, "a"))
	run := func(t *testing.T, s *store.Store) error {
		if _, err := s.PutKey(t.Context(), key); err != nil {
			return err
		}
		return s.PutVersion(t.Context(), v)
	}
	sweep(t, func(*testing.T, *store.Store) error { return nil }, run, func(t *testing.T, s *store.Store, done bool) {
		got, err := s.Version(t.Context(), "a", "V")
		if errors.Is(err, store.ErrNotFound) && !done {
			got, err = v, nil
		}
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("version = %+v, %v", got, err)
		}
		if _, err := s.Key(t.Context(), fingerprint); err != nil && (done || !errors.Is(err, store.ErrNotFound)) {
			t.Errorf("key: %v", err)
		}
		if err := run(t, s); err != nil { // as the next process does
			t.Errorf("again: %v", err)
		}
	})
}

// TestLifeFaults goes through the writes of a certificate's life: whatever is
// published is there, with its key, at every instant.
func TestLifeFaults(t *testing.T) {
	key, fingerprint := newKey(t)
	issue := func(id string) func(*testing.T, *store.Store) error {
		return func(t *testing.T, s *store.Store) error {
			ctx := t.Context()
			err := s.UpdateCert(ctx, "a", func(c *plan.KnownCert) error {
				c.Tries = map[string]plan.Tries{"ecdsa-p256": {Count: 1, Open: true, Last: then()}}
				return nil
			})
			if err == nil {
				_, err = s.PutKey(ctx, key)
			}
			if err == nil {
				err = s.UpdateCert(ctx, "a", func(c *plan.KnownCert) error {
					c.Orders = map[string]plan.Order{"ecdsa-p256": {Issuer: "ca", Key: fingerprint, URL: "https://ca/1"}}
					return nil
				})
			}
			v := version(id, fingerprint, "a")
			if err == nil {
				err = s.PutVersion(ctx, chainOf("a", v))
			}
			if err == nil {
				err = s.UpdateCert(ctx, "a", func(c *plan.KnownCert) error {
					c.Versions, c.Published, c.Orders, c.Tries = append(c.Versions, v), id, nil, nil
					return nil
				})
			}
			if err == nil {
				err = s.UpdateTargets(ctx, "a", func(targets map[string]plan.Target) error {
					targets["default"] = plan.Target{Version: id, State: plan.TargetWritten}
					return nil
				})
			}
			return err
		}
	}
	sweep(t, issue("V1"), issue("V2"), func(t *testing.T, s *store.Store, done bool) {
		c := known(t, s).Certs["a"]
		oldOrNew(t, c.Published, "V1", "V2", done)
		oldOrNew(t, c.Targets["default"].Version, "V1", "V2", done)
		published, found := c.Version(c.Published)
		v, err := s.Version(t.Context(), "a", c.Published)
		if err != nil || !found || !reflect.DeepEqual(v.Version, published) {
			t.Fatalf("the published version: %+v, %v", v, err)
		}
		if _, err := s.Key(t.Context(), published.Pairs[0].Key); err != nil {
			t.Errorf("its key: %v", err)
		}
		for _, order := range c.Orders {
			if _, err := s.Key(t.Context(), order.Key); err != nil {
				t.Errorf("the key of its order: %v", err)
			}
		}
	})
}

// TestWritesPerCertificate counts what docs/STORE.md lists: two syncs a
// write, and those of the folders that are made once.
func TestWritesPerCertificate(t *testing.T) {
	disk := faultfs.New(durable.OS{})
	s := open(t, filepath.Join(t.TempDir(), "state"), disk, store.Holder)
	key, _ := newKey(t)
	disk.Disarm()
	err := s.UpdateCert(t.Context(), "a", func(c *plan.KnownCert) error { c.Published = "V"; return nil })
	if err == nil {
		_, err = s.PutKey(t.Context(), key)
	}
	if err == nil {
		err = s.PutVersion(t.Context(), chainOf("a", version("V", "k", "a")))
	}
	if err != nil {
		t.Fatal(err)
	}
	if tally := disk.Tally(); tally[faultfs.Create] != 3 || tally[faultfs.Rename] != 3 || tally[faultfs.SyncDir] != 3 {
		t.Errorf("three writes made %v", tally)
	}
}

func TestForgetFaults(t *testing.T) {
	own, ownPrint := newKey(t)
	shared, sharedPrint := newKey(t)
	prepare := func(t *testing.T, s *store.Store) error {
		_, err := s.PutKey(t.Context(), own)
		if err == nil {
			_, err = s.PutKey(t.Context(), shared)
		}
		for cert, key := range map[string]string{"a": ownPrint, "b": sharedPrint} {
			vs := []plan.Version{version("V", key, cert), version("W", sharedPrint, cert)}
			for _, v := range vs {
				err = errors.Join(err, s.PutVersion(t.Context(), chainOf(cert, v)))
			}
			update(t, s, cert, func(c *plan.KnownCert) { c.Versions, c.Published = vs, "V" })
			err = errors.Join(err, s.UpdateTargets(t.Context(), cert, func(targets map[string]plan.Target) error {
				fullTargets(targets)
				return nil
			}), s.Append(t.Context(), store.Event{Kind: store.EventIssued, Cert: cert}))
		}
		return err
	}
	forget := func(t *testing.T, s *store.Store) error { return s.Forget(t.Context(), "a") }
	sweep(t, prepare, forget, func(t *testing.T, s *store.Store, done bool) {
		for name, c := range known(t, s).Certs {
			for _, v := range c.Versions {
				if _, err := s.Version(t.Context(), name, v.ID); err != nil {
					t.Errorf("%s points to version %s: %v", name, v.ID, err)
				}
				if _, err := s.Key(t.Context(), v.Pairs[0].Key); err != nil {
					t.Errorf("%s points to key %.8s…: %v", name, v.Pairs[0].Key, err)
				}
			}
		}
		// A person forgets it again, who knows it by its record.
		if known(t, s).Certs["a"] != nil {
			if err := forget(t, s); err != nil {
				t.Fatal(err)
			}
		}
		k := known(t, s)
		if len(k.Certs) != 1 || k.Certs["b"].Published != "V" || k.Certs["b"].Targets == nil {
			t.Errorf("left: %+v", k.Certs)
		}
		if ids, err := s.VersionIDs(t.Context(), "a"); err != nil || len(ids) != 0 {
			t.Errorf("versions left: %q, %v", ids, err)
		}
		left, err := s.Keys(t.Context())
		if err != nil || !slices.Contains(left, sharedPrint) || slices.Contains(left, ownPrint) {
			t.Errorf("keys left: %q, %v; own %s, shared %s", left, err, ownPrint, sharedPrint)
		}
	})
}

func TestArchiveAccountFaults(t *testing.T) {
	key, _ := newKey(t)
	register := func(t *testing.T, s *store.Store) error {
		return s.UpdateAccount(t.Context(), "ca", func(a *store.Account) error {
			a.Created = then()
			return a.SetKey(key)
		})
	}
	archive := func(t *testing.T, s *store.Store) error { return s.ArchiveAccount(t.Context(), "ca", "gone") }
	sweep(t, register, archive, func(t *testing.T, s *store.Store, done bool) {
		if _, err := s.Account(t.Context(), "ca"); err == nil && done || err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("account: %v", err)
		}
		if err := archive(t, s); err != nil {
			t.Fatal(err)
		}
		copies, err := filepath.Glob(filepath.Join(s.Dir(), "records/accounts/archive/ca/*.json"))
		if err != nil || len(copies) != 1 {
			t.Errorf("archived copies: %q, %v", copies, err)
		}
	})
}

func TestForgetKeepsHistory(t *testing.T) {
	s := newStore(t)
	if err := errors.Join(s.Append(t.Context(), store.Event{Kind: store.EventIssued, Cert: "a"}), s.Forget(t.Context(), "a")); err != nil {
		t.Fatal(err)
	}
	events := history(t, s, "a")
	if len(events) != 2 || events[0].Kind != store.EventIssued || events[1].Kind != store.EventForgotten {
		t.Errorf("history = %+v", events)
	}
}

func TestForgetBesideDamage(t *testing.T) {
	s := newStore(t)
	key, fingerprint := newKey(t)
	if _, err := s.PutKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	update(t, s, "a", func(c *plan.KnownCert) { c.Versions = []plan.Version{version("V", fingerprint, "a")} })
	overwrite(t, s, "groups/b", "{") // may refer to the key
	overwrite(t, s, "groups/c", `{"format":2}`)
	for _, name := range []string{"a", "b", "never-known"} {
		if err := s.Forget(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k := known(t, s); len(k.Certs) != 1 || k.Certs["c"] == nil {
		t.Errorf("left: %+v", k.Certs)
	}
	if _, err := s.Key(t.Context(), fingerprint); err != nil {
		t.Errorf("a key that another record may refer to was dropped: %v", err)
	}
}

func TestRepairFaults(t *testing.T) {
	prepare := func(t *testing.T, s *store.Store) error {
		for i, id := range []string{"V1", "V2", "V3"} {
			v := version(id, "k", "a")
			v.Created = v.Created.AddDate(0, 0, i)
			if err := s.PutVersion(t.Context(), chainOf("a", v)); err != nil {
				return err
			}
		}
		overwrite(t, s, "versions/a/V3", "{")
		overwrite(t, s, "groups/a", `{"format":1,"group":"a","certs":{"a":{"publ`)
		return nil
	}
	repair := func(t *testing.T, s *store.Store) error { return s.Repair(t.Context(), "a") }
	sweep(t, prepare, repair, func(t *testing.T, s *store.Store, done bool) {
		if c := known(t, s).Certs["a"]; c.Damage != "" {
			if done {
				t.Errorf("still damaged: %s", c.Damage)
			}
			if err := repair(t, s); err != nil {
				t.Fatal(err)
			}
		}
		c := known(t, s).Certs["a"]
		if c.Published != "V2" || len(c.Versions) != 2 || c.Versions[0].ID != "V1" {
			t.Errorf("rebuilt: %+v", c)
		}
		aside, err := filepath.Glob(filepath.Join(s.Dir(), "records/damaged/groups/a/*.json"))
		if err != nil || len(aside) == 0 {
			t.Errorf("put aside: %q, %v", aside, err)
		}
		if err := repair(t, s); !errors.Is(err, store.ErrNotDamaged) {
			t.Errorf("repairing what is whole: %v", err)
		}
	})
}

func TestRepairRefuses(t *testing.T) {
	s := newStore(t)
	overwrite(t, s, "groups/newer", `{"format":2}`)
	err := s.Repair(t.Context(), "newer")
	if _, ok := errors.AsType[*store.NewerError](err); !ok || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("newer: %v", err)
	}
	if err := s.Repair(t.Context(), "unknown"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}
