package sim

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// The keys that certificates share have files of their own, which are switched
// together with the spread files of the certificates. One of these certificates
// has such files always, the other one in some histories.

// keyFileKinds are what lies in them, and under which name.
func keyFileKinds() map[string]string {
	return map[string]string{"key": "both", "backup-key": "next", "previous-key": "last"}
}

// ownKeyFile is where a key of one kind lies.
func (w *world) ownKeyFile(content, keyType string) string {
	return filepath.Join(w.root, "out/private", keyFileKinds()[content]+"."+keyType+".key")
}

// sharedConfig is what the config says of the keys that certificates share.
func (w *world) sharedConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, "keys:\n  %s:\n    key_types: [ecdsa-p256, ecdsa-p384]\n    backup_key: true\n    expires: %dd\n    auto_rollover: true\n    min_backup_age: 10d\n    files:\n", sharedKeys, keyAge/day)
	for _, keyType := range []string{"ecdsa-p256", "ecdsa-p384"} {
		for _, content := range []string{"key", "backup-key", "previous-key"} {
			fmt.Fprintf(&b, "      - {path: %s, content: %s, key_type: %s}\n", w.ownKeyFile(content, keyType), content, keyType)
		}
	}
	return b.String()
}

// besideKeys holds that the file of a shared key has the key of the certificates
// that are switched with it.
func (j *judge) besideKeys(p *cert) {
	w := j.world
	if p.key == "" || !p.spread || !w.noJournal(p) || p.held.Load() > 0 || w.isSpoilt(p) {
		return
	}
	for _, s := range p.sides() {
		seen, there := j.seen(s)
		if !there || seen.placeholder || s.keyType() != seen.keyType {
			continue
		}
		chain, _ := w.files(s)
		if _, err := tls.LoadX509KeyPair(chain, w.ownKeyFile("key", s.keyType())); err != nil {
			j.breach("%s: the file of its keys has another: %v", s, err)
		}
	}
}

// keyFilesSettled holds at the end that each file of the shared keys has its key.
func (j *judge) keyFilesSettled(known *plan.KnownKeys) {
	for keyType, set := range known.Keys {
		for content, key := range map[string]plan.Key{"key": set.Primary, "backup-key": set.Next, "previous-key": set.Previous} {
			have, err := readKeyFile(j.world.ownKeyFile(content, keyType))
			if have != key.SHA256 {
				j.breach("keys %s: the %s of %s is %q in its file, and has to be %q: %v", known.Name, content, keyType, have, key.SHA256, err)
			}
		}
	}
}

// readKeyFile is the fingerprint of the key in a file; "" without one.
func readKeyFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	key, err := keys.Parse(text)
	if err != nil {
		return "", err
	}
	return keys.Fingerprint(key.Public())
}
