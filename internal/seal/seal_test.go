package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/seal"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	ring := seal.NewRing(key)
	for _, secret := range []string{"", "x", strings.Repeat("PRIVATE KEY ", 10_000)} {
		sealed, err := ring.Seal([]byte(secret), "key 1")
		if err != nil {
			t.Fatal(err)
		}
		again, err := ring.Seal([]byte(secret), "key 1")
		if err != nil || again.Data == sealed.Data {
			t.Errorf("the same twice: %v", err)
		}
		got, err := ring.Open(sealed, "key 1")
		if err != nil || string(got) != secret {
			t.Errorf("Open of %d bytes: %v", len(secret), err)
		}
		if sealed.KeyID != key.ID() || strings.Contains(sealed.Data, "PRIVATE") {
			t.Errorf("sealed = %.80v", sealed)
		}
	}
}

func TestWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	ring, other := seal.NewRing(seal.NewKey()), seal.NewRing(seal.NewKey())
	sealed, err := ring.Seal([]byte("secret"), "key 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Open(sealed, "key 2"); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("moved to another place: %v", err)
	}
	_, err = other.Open(sealed, "key 1")
	if unknown, ok := errors.AsType[*seal.UnknownKeyError](err); !ok || unknown.KeyID != ring.First() || unknown.Have[0] != other.First() {
		t.Errorf("under another key: %v", err)
	}
	renamed := sealed
	renamed.KeyID = other.First() // the other key's name does not make it the other key's
	if _, err := other.Open(renamed, "key 1"); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("with another key's id: %v", err)
	}
	later := sealed
	later.Algorithm = "xchacha20-poly1305-2"
	_, err = ring.Open(later, "key 1")
	if _, ok := errors.AsType[*seal.AlgorithmError](err); !ok {
		t.Errorf("of a later version: %v", err)
	}
	if _, err := (seal.Ring{}).Seal(nil, ""); !errors.Is(err, seal.ErrNoKeys) {
		t.Errorf("sealed without a key: %v", err)
	}
	data, err := base64.StdEncoding.DecodeString(sealed.Data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		altered := sealed
		altered.Data = base64.StdEncoding.EncodeToString(bad)
		if _, err := ring.Open(altered, "key 1"); !errors.Is(err, seal.ErrAltered) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		altered.Data = base64.StdEncoding.EncodeToString(data[:i])
		if _, err := ring.Open(altered, "key 1"); !errors.Is(err, seal.ErrAltered) {
			t.Errorf("cut off at %d: %v", i, err)
		}
	}
}

func TestFormerKeysOpen(t *testing.T) {
	t.Parallel()
	old, next := seal.NewKey(), seal.NewKey()
	sealed, err := seal.NewRing(old).Seal([]byte("secret"), "p")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.ParseKeys(fmt.Appendf(nil, "# new\n%s\r\n\n  # old\n  %s", next.Text(), old.Text()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Open(sealed, "p"); err != nil || string(got) != "secret" {
		t.Errorf("Open: %q, %v", got, err)
	}
	fresh, err := ring.Seal(nil, "p")
	if err != nil || fresh.KeyID != next.ID() {
		t.Errorf("sealed under %s, want the first key: %v", fresh.KeyID, err)
	}
}

func TestParseKeysRefuses(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	text := string(key.Text())
	mistyped := []byte(text)
	if mistyped[30]++; mistyped[30] == 'z'+1 {
		mistyped[30] = 'b'
	}
	for _, bad := range []string{"", "\n# none\n", "hello", text[:len(text)-4], text + "AAAA", string(mistyped), text + "\n" + text, strings.ToUpper(text)} {
		_, err := seal.ParseKeys([]byte(bad))
		if err == nil {
			t.Errorf("ParseKeys of %q passed", bad)
		} else if strings.Contains(err.Error(), text[25:40]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
	var many []byte
	for range 101 {
		many = append(append(many, seal.NewKey().Text()...), '\n')
	}
	if _, err := seal.ParseKeys(many); err == nil {
		t.Error("101 keys passed")
	}
}

func TestKeysAreNotShown(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	secret := string(key.Text())[25:60]
	ring := seal.NewRing(key)
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb+verb, key, &key, ring, []any{key})
	}
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("json", "key", key, "ring", ring)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("text", "key", key, "ring", &ring)
	text, err := json.Marshal(map[string]any{"key": key, "ring": ring})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(text)
	if strings.Contains(shown.String(), secret) || !strings.Contains(shown.String(), key.ID()) {
		t.Errorf("shown: %s", shown.String())
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(key.Text()), "certkeep-store-key-1:"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown.String(), fmt.Sprintf("%x", raw[:8])) || strings.Contains(shown.String(), strings.Trim(fmt.Sprint(raw[:6]), "[]")) {
		t.Errorf("bytes of the key are shown: %s", shown.String())
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	ring := seal.NewRing(seal.NewKey())
	content := []byte("-----BEGIN PRIVATE KEY-----\n\x00\xff")
	text, err := ring.SealFile(content, "archive/a")
	if err != nil {
		t.Fatal(err)
	}
	if !seal.IsFile(text) || bytes.Contains(text, []byte("PRIVATE")) || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("file: %s", text)
	}
	if got, err := ring.OpenFile(text, "archive/a"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("OpenFile: %q, %v", got, err)
	}
	if _, err := ring.OpenFile(text, "archive/b"); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("moved: %v", err)
	}
	if seal.IsFile(content) {
		t.Error("a key in the clear says that it is sealed")
	}
	if _, err := ring.OpenFile(text[:len(text)/2], "archive/a"); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("cut off: %v", err)
	}
}

// FuzzFile: whatever lies there, a sealed file is read as one, or refused.
func FuzzFile(f *testing.F) {
	key := seal.NewKey()
	ring := seal.NewRing(key)
	good, err := ring.SealFile([]byte("secret"), "place")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(good), string(good[:40]), "", "{", `{"certkeep_sealed":1,`, `{"certkeep_sealed":1,"key_id":"0","algorithm":"xchacha20-poly1305","data":""}`,
		`{"certkeep_sealed":1,"key_id":"` + key.ID() + `","algorithm":"xchacha20-poly1305","data":"AAAA"}`, `{"certkeep_sealed":1,"algorithm":"none","data":"x"}`,
		"-----BEGIN PRIVATE KEY-----\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sealed, err := seal.ParseFile(text)
		if err != nil && (sealed != seal.Sealed{}) {
			t.Errorf("%v, and %+v", err, sealed)
		}
		if content, err := ring.OpenFile(text, "place"); err == nil && string(content) != "secret" {
			t.Errorf("opened what nobody sealed: %q", content)
		}
	})
}

// FuzzParseKeys: no text crashes it, and what is read is written as it was.
func FuzzParseKeys(f *testing.F) {
	for _, seed := range [][]byte{nil, seal.NewKey().Text(), []byte("# x\ncertkeep-store-key-1:AAAA"), []byte("certkeep-store-key-1:\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := seal.ParseKeys(text)
		if err != nil {
			return
		}
		for _, key := range ring.Keys() {
			if !bytes.Contains(text, key.Text()) {
				t.Errorf("%s was read of what does not hold it", key)
			}
		}
	})
}
