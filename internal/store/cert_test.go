package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// update is UpdateCert that must succeed.
func update(t testing.TB, s *store.Store, name string, apply func(*plan.KnownCert)) {
	t.Helper()
	err := s.UpdateCert(t.Context(), name, func(c *plan.KnownCert) error {
		apply(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func known(t testing.TB, s *store.Store) plan.Known {
	t.Helper()
	k, err := s.Known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// recordFile is the file of a record.
func recordFile(s *store.Store, key string) string {
	return filepath.Join(s.Dir(), "records", key+".json")
}

func overwrite(t testing.TB, s *store.Store, key, text string) {
	t.Helper()
	path := recordFile(s, key)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsWrittenIsRead fills every field of a certificate and its targets
// and reads them back, after a restart and beside the holder.
func TestWhatIsWrittenIsRead(t *testing.T) {
	s := newStore(t)
	want := &plan.KnownCert{Name: "example.test"}
	fullCert(want)
	want.Held = true
	want.Orders = map[string]plan.Order{"rsa-2048": {
		Issuer: "letsencrypt", Key: "aa", Request: plan.Request{Names: []string{"a"}, Profile: "p"}, URL: "https://ca/o/1?a=<b>&c", Created: then(),
	}}
	want.Tries = map[string]plan.Tries{"rsa-2048": {Count: 2, Last: then(), Open: true, Fault: &plan.Fault{
		Code: plan.CodeNetwork, Words: "ask \"ca\":\nno answer", Detail: []string{"ü"}, Blame: plan.BlameNetwork, At: then(),
	}}}
	want.Asks = map[plan.AskKind]plan.Ask{plan.AskRestore: {At: then(), Version: "V1"}}
	want.Targets = map[string]plan.Target{}
	fullTargets(want.Targets)

	update(t, s, want.Name, func(c *plan.KnownCert) {
		targets := c.Targets
		*c = *want
		c.Targets, c.Damage = targets, "is not stored"
	})
	err := s.UpdateTargets(t.Context(), want.Name, func(targets map[string]plan.Target) error {
		fullTargets(targets)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fault := plan.Fault{Code: plan.CodeRateLimited, Words: "w", At: then()}
	err = s.UpdateIssuer(t.Context(), "letsencrypt", func(i *plan.KnownIssuer) error {
		i.NotBefore, i.Fault = then(), &fault
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*store.Store{"holder": s, "reader": open(t, s.Dir(), durable.OS{}, store.Reader)} {
		k := known(t, s)
		if got := k.Certs[want.Name]; len(k.Certs) != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Known has\n%+v, want\n%+v", name, got, want)
		}
		if got, err := s.KnownCert(t.Context(), want.Name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: KnownCert =\n%+v, %v, want\n%+v", name, got, err, want)
		}
		if got := k.Issuers["letsencrypt"]; !got.NotBefore.Equal(then()) || !reflect.DeepEqual(got.Fault, &fault) {
			t.Errorf("%s: issuer = %+v", name, got)
		}
	}
}

// TestOtherNodesAreNotSeen: targets are those of this node.
func TestOtherNodesAreNotSeen(t *testing.T) {
	s := newStore(t)
	fill(t, s, 1)
	const name = "site00000.example.test"
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), s.Dir(), durable.OS{}, "web2", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := known(t, other).Certs[name]; got == nil || got.Targets != nil || got.Published != "V2" {
		t.Errorf("web2 sees %+v", got)
	}
}

func TestNothingChangedWritesNothing(t *testing.T) {
	disk := faultfs.New(durable.NoSync{})
	s := open(t, filepath.Join(t.TempDir(), "state"), disk, store.Holder)
	ctx := t.Context()
	key, _ := newKey(t)
	nothing := func() error {
		_, err := s.PutKey(ctx, key)
		return errors.Join(
			err,
			s.UpdateCert(ctx, "site00000.example.test", func(*plan.KnownCert) error { return nil }),
			s.UpdateCert(ctx, "unknown", func(*plan.KnownCert) error { return nil }),
			s.UpdateTargets(ctx, "site00000.example.test", func(map[string]plan.Target) error { return nil }),
			s.UpdateTargets(ctx, "unknown", func(map[string]plan.Target) error { return nil }),
			s.UpdateIssuer(ctx, "ca", func(*plan.KnownIssuer) error { return nil }),
			s.UpdateAccount(ctx, "ca", func(*store.Account) error { return nil }),
			s.PutVersion(ctx, chainOf("a", version("V", "k", "a"))),
			s.ArchiveAccount(ctx, "none", "gone"),
		)
	}
	fill(t, s, 1)
	if err := nothing(); err != nil {
		t.Fatal(err)
	}
	disk.Disarm()
	if err := nothing(); err != nil || disk.Count() != 0 {
		t.Errorf("%v; changes: %v", err, disk.Ops())
	}
}

func TestAFailingChangeChangesNothing(t *testing.T) {
	s := newStore(t)
	update(t, s, "a", func(c *plan.KnownCert) { c.Published = "V" })
	failure := errors.New("no")
	err := s.UpdateCert(t.Context(), "a", func(c *plan.KnownCert) error {
		c.Published = "W"
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("err = %v", err)
	}
	if got := known(t, s).Certs["a"].Published; got != "V" {
		t.Errorf("published = %q", got)
	}
}

// TestConflictAppliesAgain changes the record within its own change.
func TestConflictAppliesAgain(t *testing.T) {
	s := newStore(t)
	calls := 0
	err := s.UpdateCert(t.Context(), "a", func(c *plan.KnownCert) error {
		if calls++; calls == 1 {
			update(t, s, "a", func(c *plan.KnownCert) { c.Held = true })
		}
		c.Published += "V"
		return nil
	})
	if err != nil || calls != 2 {
		t.Fatalf("%d calls, %v", calls, err)
	}
	if got := known(t, s).Certs["a"]; got.Published != "V" || !got.Held {
		t.Errorf("cert = %+v, want both changes", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.UpdateCert(ctx, "a", func(c *plan.KnownCert) error {
		cancel()
		c.Published = "W"
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of ctx: %v", err)
	}
}

// TestNoUpdateIsLost changes one name from many goroutines, while readers
// look.
func TestNoUpdateIsLost(t *testing.T) {
	const workers, each = 8, 15
	s := newStore(t)
	reader := open(t, s.Dir(), durable.OS{}, store.Reader)
	update(t, s, "a", func(*plan.KnownCert) {})
	ctx, cancel := context.WithCancel(t.Context())
	var looking, writing sync.WaitGroup
	looking.Go(func() {
		last := 0
		for ctx.Err() == nil {
			c, err := reader.KnownCert(t.Context(), "a")
			if err != nil || c.Damage != "" || len(c.Issued) < last {
				t.Errorf("reader: %v, %q, %d issues after %d", err, c.Damage, len(c.Issued), last)
				return
			}
			last = len(c.Issued)
		}
	})
	for w := range workers {
		writing.Go(func() {
			for i := range each {
				update(t, s, "a", func(c *plan.KnownCert) {
					c.Issued = append(c.Issued, plan.Issued{At: then(), KeyType: fmt.Sprintf("%d-%d", w, i)})
				})
			}
		})
	}
	writing.Wait()
	cancel()
	looking.Wait()
	seen := map[string]bool{}
	for _, issued := range known(t, s).Certs["a"].Issued {
		seen[issued.KeyType] = true
	}
	if len(seen) != workers*each {
		t.Errorf("%d of %d updates are there", len(seen), workers*each)
	}
}

// TestDamageIsContained: a record that cannot be read is told, and the others
// go on.
func TestDamageIsContained(t *testing.T) {
	s := newStore(t)
	update(t, s, "good", func(c *plan.KnownCert) { c.Published = "V" })
	group := func(text string) string { return `{"format":1,"group":"x","certs":{"x":` + text + `}}` }
	tests := map[string]struct {
		text, words string
		newer       bool
	}{
		"empty":        {"", "damaged", false},
		"cut-off":      {group(`{"name":"x"}`)[:30], "damaged", false},
		"binary":       {"\x00\x01\x02", "damaged", false},
		"wrong-type":   {group(`{"name":"x","published":7}`), "damaged", false},
		"bad-time":     {group(`{"name":"x","versions":[{"created":"yesterday"}]}`), "damaged", false},
		"two-records":  {group(`null`) + group(`null`), "damaged", false},
		"no-format":    {`{"group":"no-format"}`, "no format", false},
		"other-record": {group(`{"name":"x"}`), `that of "x"`, false},
		"newer":        {`{"format":2,"group":["x"]}`, "format 2", true},
	}
	for name, test := range tests {
		overwrite(t, s, "groups/"+name, test.text)
	}
	k := known(t, s)
	if k.Certs["good"].Published != "V" || len(k.Certs) != len(tests)+1 {
		t.Errorf("Known has %d certificates, good = %+v", len(k.Certs), k.Certs["good"])
	}
	for name, test := range tests {
		c := k.Certs[name]
		if !strings.Contains(c.Damage, test.words) || c.Newer != test.newer || c.Published != "" {
			t.Errorf("%s: %+v, want damage with %q", name, c, test.words)
		}
		one, err := s.KnownCert(t.Context(), name)
		if err != nil || !reflect.DeepEqual(one, c) {
			t.Errorf("%s: KnownCert = %+v, %v", name, one, err)
		}
		err = s.UpdateCert(t.Context(), name, func(*plan.KnownCert) error { return nil })
		_, damaged := errors.AsType[*store.DamagedError](err)
		_, newer := errors.AsType[*store.NewerError](err)
		if damaged == test.newer || newer != test.newer {
			t.Errorf("%s: UpdateCert = %v", name, err)
		}
		if text, err := os.ReadFile(recordFile(s, "groups/"+name)); err != nil || string(text) != test.text {
			t.Errorf("%s: the record was changed to %q, %v", name, text, err)
		}
	}
}

// TestDamagedTargets: facts about targets can be found again; those of a
// later Certkeep are left alone.
func TestDamagedTargets(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"broken", "foreign", "newer"} {
		update(t, s, name, func(c *plan.KnownCert) { c.Published = "V" })
	}
	overwrite(t, s, "nodes/web1/targets/broken", `{"format":1,"certificate":"broken","targets":{"d`)
	overwrite(t, s, "nodes/web1/targets/foreign", `{"format":1,"certificate":"other","targets":{"d":{"state":"verified"}}}`)
	overwrite(t, s, "nodes/web1/targets/newer", `{"format":2}`)
	k := known(t, s)
	for _, name := range []string{"broken", "foreign"} {
		if c := k.Certs[name]; c.Damage != "" || c.Targets != nil || c.Published != "V" {
			t.Errorf("%s: %+v", name, c)
		}
		err := s.UpdateTargets(t.Context(), name, func(targets map[string]plan.Target) error {
			if len(targets) != 0 {
				t.Errorf("%s: targets = %+v", name, targets)
			}
			fullTargets(targets)
			return nil
		})
		if c, readErr := s.KnownCert(t.Context(), name); err != nil || readErr != nil || c.Targets["default"].Version != "V2" {
			t.Errorf("%s: after %v: %+v, %v", name, err, c, readErr)
		}
	}
	if c := k.Certs["newer"]; !strings.Contains(c.Damage, "format 2") || !c.Newer {
		t.Errorf("newer: %+v", c)
	}
	err := s.UpdateTargets(t.Context(), "newer", func(map[string]plan.Target) error { return nil })
	if _, ok := errors.AsType[*store.NewerError](err); !ok {
		t.Errorf("newer: UpdateTargets = %v", err)
	}
}

func TestDamagedIssuer(t *testing.T) {
	s := newStore(t)
	overwrite(t, s, "issuers/ca", `{"format":1,"not_before":`)
	if i := known(t, s).Issuers["ca"]; i.Fault == nil || i.Fault.Code != plan.CodeDamaged {
		t.Errorf("issuer = %+v, want a fault", i)
	}
	err := s.UpdateIssuer(t.Context(), "ca", func(i *plan.KnownIssuer) error {
		i.NotBefore = then()
		return nil
	})
	if i := known(t, s).Issuers["ca"]; err != nil || i.Fault != nil || !i.NotBefore.Equal(then()) {
		t.Errorf("after the update: %+v, %v", i, err)
	}
}

func TestNames(t *testing.T) {
	s := newStore(t)
	names := []string{"a", "../../../tmp/x", "*.example.test", ".hidden", "ä b", "a.json"}
	for _, name := range names {
		update(t, s, name, func(c *plan.KnownCert) { c.Published = "of " + name })
		if err := s.PutVersion(t.Context(), chainOf(name, version("V", "k", name))); err != nil {
			t.Error(err)
		}
	}
	k := known(t, s)
	var got []string
	for name, c := range k.Certs {
		got = append(got, name)
		if c.Published != "of "+name || c.Damage != "" {
			t.Errorf("%q: %+v", name, c)
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("names = %q, want %q", got, names)
	}
	for _, name := range []string{"", strings.Repeat("x", 129)} {
		err := s.UpdateCert(t.Context(), name, func(c *plan.KnownCert) error { c.Published = "V"; return nil })
		_, readErr := s.KnownCert(t.Context(), name)
		if err == nil || readErr == nil {
			t.Errorf("%q: %v, %v, want errors", name, err, readErr)
		}
	}
}

// ending is a context that ends after it was looked at a few times.
type ending struct {
	context.Context
	looks int
}

func (e *ending) Err() error {
	if e.looks--; e.looks < 0 {
		return context.Canceled
	}
	return nil
}

// What was read before somebody was asked to stop is known, or there is an error:
// never nothing at all.
func TestReadingWhileTheContextEnds(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	update(t, s, "a.test", func(*plan.KnownCert) {})
	if err := s.UpdateTargets(t.Context(), "a.test", func(targets map[string]plan.Target) error {
		targets["default"] = plan.Target{Version: "v1"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateKeys(t.Context(), "k", func(*plan.KnownKeys) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for looks := range 6 {
		for _, name := range []string{"a.test", "unknown"} {
			if known, err := s.KnownCert(&ending{t.Context(), looks}, name); known == nil && err == nil {
				t.Errorf("after %d looks %s is neither known nor unknown", looks, name)
			}
		}
		for _, name := range []string{"k", "unknown"} {
			if known, err := s.KnownKeys(&ending{t.Context(), looks}, name); known == nil && err == nil {
				t.Errorf("after %d looks the keys %s are neither known nor unknown", looks, name)
			}
		}
	}
}
