package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// The parts of a key as text: a mark, then base64url of the key and a few bytes
// of its digest, by which a typing error is noticed.
const (
	mark      = "certkeep-store-key-1:"
	keySize   = 32
	checkSize = 4
)

// maxKeys bounds how many keys a ring has: one a month for years.
const maxKeys = 100

// Key is a store key. Printing or logging one shows its id alone.
type Key struct {
	// secret is a pointer to text because fmt, of a struct around this one,
	// prints all fields without asking their methods; of such a pointer, and of
	// no other kind, it never shows what lies behind it.
	secret *string
}

// NewKey makes a key.
func NewKey() Key {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // it never fails: see crypto/rand
	return keyOf(secret)
}

// keyOf is the key of some bytes.
func keyOf(secret []byte) Key {
	text := string(secret)
	return Key{secret: &text}
}

// digest is one of several digests of the key, which tell nothing of each other.
func (k Key) digest(what string) [sha256.Size]byte {
	return sha256.Sum256([]byte("certkeep store key " + what + " 1\x00" + *k.secret))
}

// ID names the key, and tells nothing of it.
func (k Key) ID() string {
	sum := k.digest("id")
	return hex.EncodeToString(sum[:8])
}

// check is what notices a typing error.
func (k Key) check() []byte {
	sum := k.digest("check")
	return sum[:checkSize]
}

// Text is the key as a line of a key file, without its end.
func (k Key) Text() []byte {
	return []byte(mark + base64.RawURLEncoding.EncodeToString(append([]byte(*k.secret), k.check()...)))
}

// String shows the id.
func (k Key) String() string { return "<store key " + k.ID() + ">" }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// Format is String for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON is String.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"store key ` + k.ID() + `"`), nil }

// Ring is the keys of a store: the first one seals, all of them open.
type Ring struct {
	keys []Key
}

// NewRing is a ring of keys.
func NewRing(keys ...Key) Ring { return Ring{keys: slices.Clone(keys)} }

// IDs are the ids of the keys, the one that seals first.
func (r Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.ID()
	}
	return ids
}

// First is the id of the key that seals; "" where there is none.
func (r Ring) First() string {
	if len(r.keys) == 0 {
		return ""
	}
	return r.keys[0].ID()
}

// Has reports whether a key is in the ring.
func (r Ring) Has(id string) bool { return slices.Contains(r.IDs(), id) }

// Keys are the keys, the one that seals first.
func (r Ring) Keys() []Key { return slices.Clone(r.keys) }

// ParseKeys reads keys, one a line; the first one seals. Empty lines, and those
// that begin with #, are passed over. No error quotes the text.
func ParseKeys(text []byte) (Ring, error) {
	var r Ring
	line := 0
	for text := range bytes.Lines(text) {
		line++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		key, err := parseKey(text)
		if err != nil {
			return Ring{}, fmt.Errorf("line %d: %w", line, err)
		}
		if r.Has(key.ID()) {
			return Ring{}, fmt.Errorf("line %d: the same key again", line)
		}
		if r.keys = append(r.keys, key); len(r.keys) > maxKeys {
			return Ring{}, fmt.Errorf("more than %d keys", maxKeys)
		}
	}
	if len(r.keys) == 0 {
		return Ring{}, errors.New("it holds no store key; `certkeep store key` makes one")
	}
	return r, nil
}

// parseKey reads a line.
func parseKey(line []byte) (Key, error) {
	data, found := strings.CutPrefix(string(line), mark)
	if !found {
		return Key{}, fmt.Errorf("it is no store key, which begins with %s; `certkeep store key` makes one", mark)
	}
	all, err := base64.RawURLEncoding.Strict().DecodeString(data)
	if err != nil || len(all) != keySize+checkSize {
		return Key{}, errors.New("the store key is cut off, or mistyped")
	}
	k := keyOf(all[:keySize])
	if !bytes.Equal(k.check(), all[keySize:]) {
		return Key{}, errors.New("the store key is mistyped: its end does not fit the rest")
	}
	return k, nil
}

// list names some ids.
func list(ids []string) string { return strings.Join(ids, ", ") }
