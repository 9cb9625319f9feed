package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

func isDamaged(err error) bool {
	_, ok := errors.AsType[*store.DamagedError](err)
	return ok
}

func TestVersions(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	one := chainOf("a.test", version("V1", "k1", "a.test"))
	for range 2 { // writing it again, as after an answer that was lost, changes nothing
		if err := s.PutVersion(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Version(ctx, "a.test", "V1"); err != nil || !reflect.DeepEqual(got, one) {
		t.Errorf("Version = %+v, %v", got, err)
	}
	other := chainOf("a.test", version("V1", "k2", "a.test"))
	if err := s.PutVersion(ctx, other); err == nil {
		t.Error("another version was written under the same id")
	}
	if got, err := s.Version(ctx, "a.test", "V1"); err != nil || got.Version.Pairs[0].Key != "k1" {
		t.Errorf("after it: %+v, %v", got, err)
	}
	without := one
	without.Version.ID, without.Chains = "V2", nil
	if err := s.PutVersion(ctx, without); err == nil {
		t.Error("a version without its chain was written")
	}
	if err := s.PutVersion(ctx, chainOf("a.test", version("V3", "k1", "a.test"))); err != nil {
		t.Fatal(err)
	}
	if ids, err := s.VersionIDs(ctx, "a.test"); err != nil || !slices.Equal(ids, []string{"V1", "V3"}) {
		t.Errorf("VersionIDs = %q, %v", ids, err)
	}
	for range 2 {
		if err := s.DeleteVersion(ctx, "a.test", "V1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Version(ctx, "a.test", "V1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	text, err := os.ReadFile(recordFile(s, "versions/a.test/V3"))
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"V4": string(text), // it says to be V3
		"V5": strings.ReplaceAll(string(text[:len(text)/2]), "V3", "V5"),
		"V6": strings.ReplaceAll(strings.Replace(string(text), `"chains":{"ecdsa-p256"`, `"chains":{"rsa-2048"`, 1), "V3", "V6"),
	} {
		overwrite(t, s, "versions/a.test/"+name, damaged)
		if _, err := s.Version(ctx, "a.test", name); !isDamaged(err) {
			t.Errorf("%s: %v, want a DamagedError", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	key, fingerprint := newKey(t)
	other, otherPrint := newKey(t)
	for range 2 {
		if got, err := s.PutKey(ctx, key); got != fingerprint || err != nil {
			t.Fatalf("PutKey = %s, %v", got, err)
		}
	}
	if _, err := s.PutKey(ctx, other); err != nil {
		t.Fatal(err)
	}
	got, err := s.Key(ctx, fingerprint)
	if err != nil || !reflect.DeepEqual(got, key) {
		t.Errorf("Key = %v, %v", got, err)
	}
	want := []string{fingerprint, otherPrint}
	slices.Sort(want)
	if all, err := s.Keys(ctx); err != nil || !slices.Equal(all, want) {
		t.Errorf("Keys = %q, %v", all, err)
	}
	if info, err := os.Stat(recordFile(s, "keys/"+fingerprint)); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode = %v, %v", info, err)
	}
	if _, err := s.Key(ctx, "00"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown key: %v", err)
	}

	// A record that holds another key, or half of one, is damaged; the same
	// key again mends it.
	text, err := os.ReadFile(recordFile(s, "keys/"+otherPrint))
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{string(text), string(text[:90]), strings.Replace(string(text), "BEGIN", "B", 1), ""} {
		overwrite(t, s, "keys/"+fingerprint, damaged)
		if _, err := s.Key(ctx, fingerprint); !isDamaged(err) {
			t.Errorf("Key of %.40q…: %v, want a DamagedError", damaged, err)
		}
		if _, err := s.PutKey(ctx, key); err != nil {
			t.Errorf("PutKey over %.40q…: %v", damaged, err)
		}
		if _, err := s.Key(ctx, fingerprint); err != nil {
			t.Error(err)
		}
	}
	overwrite(t, s, "keys/"+fingerprint, `{"format":1,"secret":{"key_id":"k","algorithm":"age","data":"c2VjcmV0"}}`)
	_, err = s.Key(ctx, fingerprint)
	if _, ok := errors.AsType[*store.SealedError](err); !ok || !strings.Contains(err.Error(), `"age"`) || strings.Contains(err.Error(), "c2Vj") {
		t.Errorf("sealed by a later version: %v", err)
	}
	if _, err := s.PutKey(ctx, key); err == nil {
		t.Error("a sealed key was overwritten")
	}
	if err := s.DeleteKey(ctx, fingerprint); err != nil {
		t.Error(err)
	}
}

func TestUnusedKeys(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	var prints []string
	for range 4 {
		key, fingerprint := newKey(t)
		if _, err := s.PutKey(ctx, key); err != nil {
			t.Fatal(err)
		}
		prints = append(prints, fingerprint)
	}
	update(t, s, "a", func(c *plan.KnownCert) {
		c.Versions = []plan.Version{version("V", prints[0], "a")}
		c.Orders = map[string]plan.Order{"ecdsa-p256": {Key: prints[1]}}
	})
	update(t, s, "b", func(c *plan.KnownCert) { c.Versions = []plan.Version{version("W", prints[0], "b")} })
	used, err := s.References(ctx)
	slices.Sort(used[prints[0]])
	if want := map[string][]string{prints[0]: {"a", "b"}, prints[1]: {"a"}}; err != nil || !reflect.DeepEqual(used, want) {
		t.Errorf("References = %v, %v, want %v", used, err, want)
	}
	want := prints[2:]
	slices.Sort(want)
	for _, away := range []time.Duration{2 * time.Hour, -2 * time.Hour} { // later, and under a clock that was set back
		unused, err := s.UnusedKeys(ctx, time.Now().Add(away), time.Hour)
		slices.Sort(unused)
		if err != nil || !slices.Equal(unused, want) {
			t.Errorf("UnusedKeys = %q, %v, want %q", unused, err, want)
		}
	}
	if young, err := s.UnusedKeys(ctx, time.Now(), time.Hour); err != nil || len(young) != 0 {
		t.Errorf("keys made just now are called unused: %q, %v", young, err)
	}
	overwrite(t, s, "groups/c", "{")
	if unused, err := s.UnusedKeys(ctx, time.Now().Add(2*time.Hour), time.Hour); err == nil {
		t.Errorf("with a damaged record that may refer to any: %q", unused)
	}
}

func TestAccounts(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	key, fingerprint := newKey(t)
	next, nextPrint := newKey(t)
	if _, err := s.Account(ctx, "ca"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no account: %v", err)
	}
	err := s.UpdateAccount(ctx, "ca", func(a *store.Account) error {
		if a.Issuer != "ca" || a.Key != "" {
			t.Errorf("fresh account = %+v", a)
		}
		a.Directory, a.Contact, a.Created = "https://ca.test/dir", []string{"mailto:a@b.test"}, then()
		return a.SetKey(key)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.UpdateAccount(ctx, "ca", func(a *store.Account) error {
		a.URL, a.Status, a.Terms = "https://ca.test/acct/1", store.AccountValid, "https://ca.test/terms"
		a.Intention = &store.Intention{Kind: store.IntendRollKey, Since: then()}
		return a.Intention.SetKey(next)
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(ctx, "ca")
	if err != nil || a.Key != fingerprint || a.Directory == "" || a.URL == "" || a.Intention.Key != nextPrint {
		t.Errorf("Account = %+v, %v", a, err)
	}
	if got, err := a.Signer(); err != nil || !reflect.DeepEqual(got, key) {
		t.Errorf("Signer: %v", err)
	}
	if got, err := a.Intention.Signer(); err != nil || !reflect.DeepEqual(got, next) {
		t.Errorf("Intention.Signer: %v", err)
	}
	overwrite(t, s, "accounts/broken", "{")
	all, err := s.Accounts(ctx)
	if !isDamaged(err) || len(all) != 1 || !reflect.DeepEqual(all["ca"], a) {
		t.Errorf("Accounts = %+v, %v", all, err)
	}
	if err := s.UpdateAccount(ctx, "broken", func(*store.Account) error { return nil }); !isDamaged(err) {
		t.Errorf("a damaged account is replaced: %v", err)
	}
}

func TestArchiveAccount(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	key, _ := newKey(t)
	err := s.UpdateAccount(ctx, "ca", func(a *store.Account) error { return a.SetKey(key) })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is none
		if err := s.ArchiveAccount(ctx, "ca", "the CA does not know it"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Account(ctx, "ca"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after archiving: %v", err)
	}
	archived, err := filepath.Glob(filepath.Join(s.Dir(), "records/accounts/archive/ca/*.json"))
	if err != nil || len(archived) != 1 {
		t.Fatalf("archive = %q, %v", archived, err)
	}
	text, err := os.ReadFile(archived[0])
	if err != nil || !bytes.Contains(text, []byte("the CA does not know it")) || !bytes.Contains(text, []byte("PRIVATE KEY")) {
		t.Errorf("archived record lacks reason or key: %v", err)
	}
	if all, err := s.Accounts(ctx); err != nil || len(all) != 0 {
		t.Errorf("Accounts lists archived ones: %+v, %v", all, err)
	}
}

// archiving is a disk on which a hook runs, once, before a file of a folder is made.
type archiving struct {
	durable.Disk
	folder string
	meddle func()
}

func (m *archiving) Create(path string, data []byte, a durable.Attr) error {
	if meddle := m.meddle; meddle != nil && strings.Contains(path, m.folder) {
		m.meddle = nil
		meddle()
	}
	return m.Disk.Create(path, data, a)
}

// TestArchiveChangingAccount: an account that is changed, or sealed under
// another key, while it is copied to the archive is archived as it is then.
func TestArchiveChangingAccount(t *testing.T) {
	disk := &archiving{Disk: durable.NoSync{}, folder: "accounts/archive"}
	s, err := openUnder(t, filepath.Join(t.TempDir(), "state"), disk, store.Holder, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := newKey(t)
	if err := s.UpdateAccount(t.Context(), "ca", func(a *store.Account) error { return a.SetKey(key) }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(recordFile(s, "accounts/ca"))
	if err != nil {
		t.Fatal(err)
	}
	disk.meddle = func() {
		overwrite(t, s, "accounts/ca", strings.Replace(string(text), `"issuer"`, `"url":"https://ca.test/1","issuer"`, 1))
	}
	if err := s.ArchiveAccount(t.Context(), "ca", "gone"); err != nil {
		t.Fatal(err)
	}
	if disk.meddle != nil {
		t.Error("nothing was changed meanwhile")
	}
	copies, err := filepath.Glob(filepath.Join(s.Dir(), "records/accounts/archive/ca/*.json"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("archive = %q, %v", copies, err)
	}
	if text, err := os.ReadFile(copies[0]); err != nil || !bytes.Contains(text, []byte("https://ca.test/1")) || !bytes.Contains(text, []byte("gone")) {
		t.Errorf("archived is\n%s\n%v", text, err)
	}
	if _, err := s.Account(t.Context(), "ca"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after archiving: %v", err)
	}
}

// TestArchiveDamagedAccount: what cannot be read is kept as it is, and a new
// account can be registered. One of a later Certkeep is left alone.
func TestArchiveDamagedAccount(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	overwrite(t, s, "accounts/ca", "scrambled")
	overwrite(t, s, "accounts/later", `{"format":2}`)
	if err := s.ArchiveAccount(ctx, "ca", "reset by a person"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account(ctx, "ca"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after archiving: %v", err)
	}
	aside, err := filepath.Glob(filepath.Join(s.Dir(), "records/damaged/accounts/ca/*.json"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("put aside: %q, %v", aside, err)
	}
	if text, err := os.ReadFile(aside[0]); err != nil || string(text) != "scrambled" {
		t.Errorf("put aside: %q, %v", text, err)
	}
	err = s.ArchiveAccount(ctx, "later", "reset by a person")
	if _, ok := errors.AsType[*store.NewerError](err); !ok {
		t.Errorf("of a later Certkeep: %v", err)
	}
}

// TestSecretsAreNotShown prints and logs what carries secrets in every way.
func TestSecretsAreNotShown(t *testing.T) {
	key, _ := newKey(t)
	a := store.Account{Issuer: "ca", Intention: &store.Intention{Kind: store.IntendRollKey}}
	if err := errors.Join(a.SetKey(key), a.Intention.SetKey(key)); err != nil {
		t.Fatal(err)
	}
	secret := *a.Secret.Data
	if !strings.Contains(secret, "PRIVATE KEY") {
		t.Fatalf("the envelope is empty")
	}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&shown, verb+" "+verb+" "+verb+" "+verb+"\n", a, &a, a.Secret, []any{a.Secret, *a.Intention, map[string]store.Envelope{"x": a.Secret}})
	}
	fmt.Fprint(&shown, a.Secret.String(), a.Secret.GoString())
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("json", "secret", a.Secret, "account", a)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("text", "secret", a.Secret, "account", a, "pointer", &a)
	public, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(public)
	body := strings.Split(secret, "\n")[1] // the first line of base64
	for what, text := range map[string]string{"PEM": "PRIVATE KEY", "base64": body, "hex": fmt.Sprintf("%x", body), "HEX": fmt.Sprintf("%X", body)} {
		if strings.Contains(shown.String(), text) {
			t.Errorf("the secret is shown as %s in:\n%s", what, &shown)
		}
	}
	if !strings.Contains(shown.String(), `algorithm "none"`) {
		t.Errorf("no sign of the secret in:\n%s", &shown)
	}
}

func history(t *testing.T, s *store.Store, cert string) []store.Event {
	t.Helper()
	var all []store.Event
	for e, err := range s.History(t.Context(), cert) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestHistory(t *testing.T) {
	disk := faultfs.New(durable.NoSync{})
	s := open(t, filepath.Join(t.TempDir(), "state"), disk, store.Holder)
	ctx := t.Context()
	want := []store.Event{
		{Time: then(), Kind: store.EventIssued, Cert: "a", Version: "V1", Issuer: "ca", KeyType: "ecdsa-p256", Words: "line\nbreak"},
		{Time: then().Add(time.Second), Kind: store.EventErrored, Cert: "a", Target: "default", Detail: []string{"x", "y"}, Fault: &plan.Fault{Code: plan.CodeDisk, Words: "full", At: then()}},
	}
	for _, e := range want {
		if err := s.Append(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	if got := history(t, s, "a"); !reflect.DeepEqual(got, want) {
		t.Errorf("History = %+v", got)
	}
	disk.Arm(1, faultfs.Torn)
	if err := s.Append(ctx, want[0]); err == nil {
		t.Fatal("no fault")
	}
	disk.Disarm()
	if got := history(t, s, "a"); !reflect.DeepEqual(got, want) {
		t.Errorf("with a torn line: %+v", got)
	}
	if err := s.Append(ctx, want[1]); err != nil {
		t.Fatal(err)
	}
	if got := history(t, s, "a"); !reflect.DeepEqual(got, append(want, want[1])) {
		t.Errorf("behind a torn line: %+v", got)
	}
	long := store.Event{Kind: store.EventErrored, Cert: "a", Words: strings.Repeat("w", 1<<20), Detail: []string{strings.Repeat("d", 1<<20)}, Fault: &plan.Fault{Words: strings.Repeat("f", 1<<20)}}
	if err := s.Append(ctx, long); err != nil {
		t.Fatal(err)
	}
	if err := s.TrimHistory(ctx, "a", 1); err != nil {
		t.Fatal(err)
	}
	got := history(t, s, "a")
	if len(got) != 1 || got[0].Kind != store.EventErrored || got[0].Time.IsZero() || len(got[0].Words) > 5000 {
		t.Errorf("an endless event: %d events", len(got))
	}
	if err := s.Append(ctx, store.Event{Kind: store.EventErrored}); err == nil {
		t.Error("an event of no certificate was noted")
	}
}
