package store_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store"
)

// ring makes what reads some keys.
func ring(keys ...seal.Key) store.Keys {
	return func() (seal.Ring, error) { return seal.NewRing(keys...), nil }
}

// openUnder opens a state folder by store keys, and does not close it.
func openUnder(t testing.TB, path string, disk durable.Disk, mode store.Mode, keys store.Keys) (*store.Store, error) {
	t.Helper()
	return store.OpenSealed(t.Context(), store.Options{Path: path, Disk: disk, Node: "web1", Mode: mode, Keys: keys})
}

// sealedStore is openUnder for a holder that has to succeed.
func sealedStore(t testing.TB, path string, keys store.Keys) *store.Store {
	t.Helper()
	s, err := openUnder(t, path, durable.NoSync{}, store.Holder, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// treasure is what a store of the tests holds.
type treasure struct {
	keys    []crypto.Signer
	account crypto.Signer
	next    crypto.Signer
}

// newTreasure makes the secrets of a store.
func newTreasure(t testing.TB) treasure {
	t.Helper()
	var all [5]crypto.Signer
	for i := range all {
		all[i], _ = newKey(t)
	}
	return treasure{keys: all[:3], account: all[3], next: all[4]}
}

const archivedKey = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"

// fill stores them: keys, an account whose key is being changed, one that was
// archived, and a copy of a replaced file.
func (tr treasure) fill(ctx context.Context, s *store.Store) error {
	var err error
	for _, key := range tr.keys {
		_, failed := s.PutKey(ctx, key)
		err = errors.Join(err, failed)
	}
	for _, issuer := range []string{"old", "ca"} {
		err = errors.Join(err, s.UpdateAccount(ctx, issuer, func(a *store.Account) error {
			a.Directory, a.Created = "https://"+issuer, then()
			a.Intention = &store.Intention{Kind: store.IntendRollKey, Since: then()}
			return errors.Join(a.SetKey(tr.account), a.Intention.SetKey(tr.next))
		}))
	}
	err = errors.Join(err, s.ArchiveAccount(ctx, "old", "gone"))
	copied := filepath.Join(s.Dir(), "archive", "a", "20261121T100000.000Z-V", "etc@key.pem")
	if failed := os.MkdirAll(filepath.Dir(copied), 0o700); failed != nil {
		return failed
	}
	return errors.Join(err, s.KeepFile(copied, []byte(archivedKey), func(data []byte) error { return os.WriteFile(copied, data, 0o600) }))
}

// check fails the test unless everything can be read.
func (tr treasure) check(t testing.TB, s *store.Store) {
	t.Helper()
	for _, key := range tr.keys {
		fingerprint := fingerprintOf(t, key)
		got, err := s.Key(t.Context(), fingerprint)
		if err != nil || !sameKey(got, key) {
			t.Errorf("key %.8s…: %v", fingerprint, err)
		}
	}
	a, err := s.Account(t.Context(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Signer(); err != nil || !sameKey(got, tr.account) {
		t.Errorf("account: %v", err)
	}
	if got, err := a.Intention.Signer(); err != nil || !sameKey(got, tr.next) {
		t.Errorf("the account's next key: %v", err)
	}
	copied := archivedCopy(t, s)
	text, err := os.ReadFile(copied)
	if err == nil {
		text, err = s.OpenFile(copied, text)
	}
	if err != nil || string(text) != archivedKey {
		t.Errorf("archived: %q, %v", text, err)
	}
}

// archivedCopy is the one file of the archive.
func archivedCopy(t testing.TB, s *store.Store) string {
	t.Helper()
	copied, err := filepath.Glob(filepath.Join(s.Dir(), "archive/a/*/*"))
	if err != nil || len(copied) != 1 {
		t.Fatalf("archive: %q, %v", copied, err)
	}
	return copied[0]
}

func sameKey(a, b crypto.Signer) bool {
	return a != nil && a.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(b.Public())
}

// inTheClear lists the files below a folder that hold a private key.
func inTheClear(t testing.TB, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEverySecretIsSealed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	key, tr := seal.NewKey(), newTreasure(t)
	s := sealedStore(t, path, ring(key))
	if err := tr.fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	overwrite(t, s, "accounts/broken", `{"secret":"-----BEGIN PRIVATE KEY-----`)
	if err := s.ArchiveAccount(t.Context(), "broken", "damaged"); err != nil {
		t.Fatal(err)
	}
	if found := inTheClear(t, path); len(found) != 0 {
		t.Errorf("in the clear, before anything was asked for: %q", found)
	}
	tr.check(t, s)
	report, err := s.Seal(t.Context(), nil)
	if err != nil || len(report.Left) != 0 || report.Changed != 0 || report.All != 7 {
		t.Errorf("Seal = %+v, %v", report, err)
	}
	count, err := s.Seals(t.Context())
	if err != nil || len(count) != 1 || count[key.ID()] != 9 {
		t.Errorf("Seals = %v, %v", count, err)
	}
	var archive bytes.Buffer
	if err := s.Backup(t.Context(), &archive); err != nil || bytes.Contains(archive.Bytes(), []byte("PRIVATE KEY")) || !bytes.Contains(archive.Bytes(), []byte("records/seal.json")) {
		t.Errorf("Backup: %v", err)
	}
	reader, err := openUnder(t, path, durable.NoSync{}, store.Reader, ring(key))
	if err != nil {
		t.Fatal(err)
	}
	tr.check(t, reader)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSealAnExistingStore turns the key on in a store that was in the clear, and
// off again.
func TestSealAnExistingStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	key, tr := seal.NewKey(), newTreasure(t)
	s := sealedStore(t, path, nil)
	err := tr.fill(t.Context(), s)
	overwrite(t, s, "damaged/accounts/x/1", `{"secret":"-----BEGIN PRIVATE KEY-----`)
	if err = errors.Join(err, s.Close()); err != nil || len(inTheClear(t, path)) != 7 {
		t.Fatalf("%v, %q", err, inTheClear(t, path))
	}
	s = sealedStore(t, path, ring(key))
	known, err := s.KnownSeal(t.Context())
	if err != nil || known.Key != key.ID() || !slices.Equal(known.Others, []string{"none"}) {
		t.Fatalf("KnownSeal = %+v, %v", known, err)
	}
	if err := s.Backup(t.Context(), &bytes.Buffer{}); err == nil {
		t.Error("a backup was made of what is half sealed")
	}
	tr.check(t, s)
	var told []int
	report, err := s.Seal(t.Context(), func(done, all int) { told = append(told, done, all) })
	if err != nil || len(report.Left) != 0 || report.Changed != 7 || !slices.Equal(told[len(told)-2:], []int{7, 7}) {
		t.Errorf("Seal = %+v, %v; progress %v", report, err, told)
	}
	if known, err = s.KnownSeal(t.Context()); err != nil || len(known.Others) != 0 {
		t.Errorf("KnownSeal = %+v, %v", known, err)
	}
	tr.check(t, s)
	if err := s.Close(); err != nil || len(inTheClear(t, path)) != 0 {
		t.Fatalf("%v, %q", err, inTheClear(t, path))
	}
	s, err = store.OpenSealed(t.Context(), store.Options{Path: path, Disk: durable.NoSync{}, Node: "web1", Mode: store.Holder, Keys: ring(key), Unseal: true})
	if err != nil {
		t.Fatal(err)
	}
	if report, err = s.Seal(t.Context(), nil); err != nil || report.Changed != 7 || report.Key != "" {
		t.Errorf("unsealed: %+v, %v", report, err)
	}
	tr.check(t, s)
	if err := s.Close(); err != nil || len(inTheClear(t, path)) != 7 {
		t.Errorf("%v, %q", err, inTheClear(t, path))
	}
	s = sealedStore(t, path, nil) // needs no key any more
	tr.check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMissingStoreKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	key, other, tr := seal.NewKey(), seal.NewKey(), newTreasure(t)
	s := sealedStore(t, path, ring(key))
	if err := errors.Join(tr.fill(t.Context(), s), s.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := faultfs.Tree(filepath.Join(path, "records"), nil)
	if err != nil {
		t.Fatal(err)
	}
	unreadable := func() (seal.Ring, error) { return seal.Ring{}, errors.New("no such file") }
	for name, keys := range map[string]store.Keys{"none": nil, "another": ring(other), "unreadable": unreadable} {
		_, err := openUnder(t, path, durable.NoSync{}, store.Holder, keys)
		refused, ok := errors.AsType[*store.StoreKeyError](err)
		if !ok || !slices.Contains(refused.Needs, key.ID()) || !strings.Contains(err.Error(), key.ID()) || !strings.Contains(err.Error(), path) || refused.Remedy() == "" {
			t.Errorf("%s: held: %v", name, err)
		}
		reader, err := openUnder(t, path, durable.NoSync{}, store.Reader, keys)
		if err != nil {
			t.Errorf("%s: a reader is shut out: %v", name, err)
			continue
		}
		if err := reader.CheckKeys(t.Context()); err == nil {
			t.Errorf("%s: the keys are said to fit", name)
		}
		_, err = reader.Key(t.Context(), fingerprintOf(t, tr.keys[0]))
		if _, ok := errors.AsType[*store.SealedError](err); !ok {
			t.Errorf("%s: Key: %v", name, err)
		}
		a, err := reader.Account(t.Context(), "ca")
		if err != nil || a.Directory == "" {
			t.Errorf("%s: what is no secret cannot be read: %v", name, err)
		}
		_, err = a.Signer()
		if _, ok := errors.AsType[*store.SealedError](err); !ok {
			t.Errorf("%s: Signer: %v", name, err)
		}
	}
	after, err := faultfs.Tree(filepath.Join(path, "records"), nil)
	if err != nil || len(faultfs.Differ(before, after)) != 0 {
		t.Errorf("changed: %q, %v", faultfs.Differ(before, after), err)
	}
	s = sealedStore(t, path, ring(other, key)) // a further key is no other one
	tr.check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTamperedAndMovedSecrets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	key, tr := seal.NewKey(), newTreasure(t)
	s := sealedStore(t, path, ring(key))
	if err := tr.fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	a, b := fingerprintOf(t, tr.keys[0]), fingerprintOf(t, tr.keys[1])
	text, err := os.ReadFile(filepath.Join(path, "records/keys", a+".json"))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, s, "keys/"+b, string(text))
	if _, err := s.Key(t.Context(), b); !isDamaged(err) {
		t.Errorf("moved to another name: %v", err)
	}
	altered := bytes.Replace(text, []byte(`"data":"`), []byte(`"data":"AAAA`), 1)
	overwrite(t, s, "keys/"+a, string(altered))
	if _, err := s.Key(t.Context(), a); !isDamaged(err) {
		t.Errorf("altered: %v", err)
	}
	if err := s.UseKeys(t.Context(), ring(seal.NewKey(), key)); err != nil {
		t.Fatal(err)
	}
	report, err := s.Seal(t.Context(), nil)
	if err != nil || len(report.Left) != 2 || !strings.Contains(report.Left[0], "records/keys/") {
		t.Errorf("Seal = %+v, %v", report, err)
	}
	if _, err := s.PutKey(t.Context(), tr.keys[0]); err != nil { // the key itself mends it
		t.Error(err)
	}
	if _, err := s.Key(t.Context(), a); err != nil {
		t.Error(err)
	}
	copied := archivedCopy(t, s)
	sealed, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenFile(copied+"2", sealed); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("a copy under another name: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
