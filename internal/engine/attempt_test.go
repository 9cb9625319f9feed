package engine

import (
	"context"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// workerFor is a worker on a certificate as the store knows it.
func (f *fixture) workerFor(name string) *worker {
	f.Helper()
	wanted := f.current().wanted
	for _, want := range wanted.Certs {
		if want.Name == name {
			return &worker{engine: f.Engine, parts: f.current(), want: want, node: "node1", known: f.known(name)}
		}
	}
	f.Fatalf("the config has no %s", name)
	return nil
}

// TestMendedRequestIsCountedAfresh: failures with a request that was mended
// since do not add to those of the new one.
func TestMendedRequestIsCountedAfresh(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	wrong := plan.Request{Names: []string{"a.tets"}}
	err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		k.Tries = map[string]plan.Tries{"ecdsa-p256": {Count: 6, Last: time.Now(), Ended: time.Now(), Request: &wrong}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	step := plan.Step{Kind: plan.KindIssue, KeyType: "ecdsa-p256", Issuer: "pebble"}
	if _, err := f.workerFor("a.test").begin(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if tries := f.known("a.test").Tries["ecdsa-p256"]; tries.Count != 1 {
		t.Errorf("counted %d", tries.Count)
	}
}

// TestInterruptedKeepsAnothersWish: an attempt that was broken off in good
// order does not make another CA's Retry-After void.
func TestInterruptedKeepsAnothersWish(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	later := time.Now().Add(time.Hour)
	err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		k.Tries = map[string]plan.Tries{"ecdsa-p256": {Imposed: later, ImposedBy: "other"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w, step := f.workerFor("a.test"), plan.Step{Kind: plan.KindIssue, KeyType: "ecdsa-p256", Issuer: "pebble"}
	order, err := w.begin(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	w.failed(t.Context(), step, order, context.Canceled)
	if tries := f.known("a.test").Tries["ecdsa-p256"]; tries.Count != 0 || !tries.Imposed.Equal(later) || tries.ImposedBy != "other" {
		t.Errorf("tries: %+v", tries)
	}
}

// TestReadyIsLost: where the version that waits cannot be read, what is
// published is still put beside a new pair.
func TestReadyIsLost(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {key_types: [ecdsa-p256, ecdsa-p384]}}\n")
	f.apply()
	err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		lost := k.Versions[len(k.Versions)-1]
		lost.ID = "nosuchone"
		k.Versions = append(k.Versions, lost)
		k.Ready = lost.ID
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	record := f.workerFor("a.test").versionWith(t.Context(), plan.Step{}, plan.Pair{KeyType: "ecdsa-p384"}, "chain", time.Now())
	if _, kept := record.Version.Pair("ecdsa-p256"); !kept {
		t.Errorf("the other pair was dropped: %+v", record.Version)
	}
}
