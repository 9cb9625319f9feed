package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/seal"
)

// storeKeyKeys are the keys that say where the store key is.
func storeKeyKeys() []key[Config] {
	keys := secretKeys("store_key", "the key that seals every secret in `state`: private keys, accounts, copies of replaced files. `certkeep store key` makes one. "+
		"Of several, one a line, the first seals and the others only open what was sealed before. Keep a copy elsewhere: without it the store is lost",
		"/etc/certkeep/store.key", func(c *Config) *SecretRef { return &c.StoreKey })
	keys[0].off = true
	return keys
}

// finishStoreKey checks where the store key is, and that no file is installed
// into the folder that it seals.
func finishStoreKey(r *reader, n *node, c *Config) {
	given := 0
	for _, end := range []string{"_file", "_env", "_credential"} {
		if n.has("store_key" + end) {
			given++
			r.mark("store_key", n.get("store_key"+end).value)
		}
	}
	if given > 1 {
		r.out.add(n.at, fmt.Sprintf("at most one of store_key_file, store_key_env and store_key_credential can be said, not %d", given), "")
	}
	if c.StoreKey.IsZero() {
		warnOfOpenState(r, n, c)
		return
	}
	if liesIn(c.State, c.StoreKey.File) {
		r.out.add(n.placeOf("store_key_file"), "the store key lies in the state folder, which it seals", "keep it elsewhere, such as /etc/certkeep/store.key")
	}
	for _, cert := range c.Certificates {
		for _, dir := range foldersOf(cert) {
			if liesIn(c.State, dir) {
				r.out.add(n.placeOf("certificates"), fmt.Sprintf("certificate %s is installed to %s, which is in the sealed state folder", cert.Name, dir), "install it elsewhere: there its key is in the clear")
			}
		}
	}
}

// warnOfOpenState says, once, that keys which files have under a passphrase lie
// in the clear in the state (decision 0025). Of acmebot's configuration that is
// said in its own words.
func warnOfOpenState(r *reader, n *node, c *Config) {
	guarded := slices.ContainsFunc(c.Certificates, func(cert Certificate) bool { return cert.Passphrase.On() })
	for _, k := range c.Keys {
		guarded = guarded || k.Passphrase.On()
	}
	if !guarded || r.out.foreign(n.at) {
		return
	}
	at, _ := passphrasePlace(n)
	r.out.warn(at, "keys are under this passphrase in files, and in the clear in "+c.State,
		"seal the state: `certkeep store key /etc/certkeep/store.key`, and add store_key_file: /etc/certkeep/store.key")
}

// passphrasePlace is where a tree first names a passphrase.
func passphrasePlace(n *node) (at place, ok bool) {
	for _, p := range n.pairs {
		if slices.Contains(passphraseNames(), p.key) && p.value.kind == text {
			return p.value.at, true
		}
		if at, ok = passphrasePlace(p.value); ok {
			return at, true
		}
	}
	return place{}, false
}

// liesIn reports whether a path is a folder or lies below it.
func liesIn(folder, path string) bool {
	if path == "" {
		return false
	}
	folder, path = filepath.Clean(folder), filepath.Clean(path)
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// foldersOf are the folders that a certificate is installed to.
func foldersOf(cert Certificate) []string {
	var dirs []string
	for _, target := range cert.Targets() {
		if target.Layout != "" {
			dirs = append(dirs, target.Path)
		}
		for _, f := range target.Files {
			dirs = append(dirs, filepath.Dir(f.Path))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Sealed reports whether the secrets in the state folder are to be sealed.
func (c *Config) Sealed() bool { return !c.StoreKey.IsZero() }

// StoreKeys reads the keys of the store; none where none is configured. Whoever
// holds them can read every secret of the store.
func (c *Config) StoreKeys() (seal.Ring, error) {
	if !c.Sealed() {
		return seal.Ring{}, nil
	}
	text, err := c.StoreKey.Read()
	if err != nil {
		return seal.Ring{}, fmt.Errorf("store key: %w", err)
	}
	ring, err := seal.ParseKeys(text)
	if err != nil {
		return seal.Ring{}, fmt.Errorf("store key: %s: %w", c.StoreKey, err)
	}
	return ring, nil
}

// checkStoreKey looks whether the store key can be read, and by whom, and
// whether a symlink leads files into the folder that is sealed.
func (k *checker) checkStoreKey() {
	if !k.cfg.Sealed() {
		return
	}
	if _, err := k.cfg.StoreKeys(); err != nil {
		k.add("store_key", err.Error())
	}
	k.exposed("store_key", k.cfg.StoreKey)
	state, err := filepath.EvalSymlinks(k.cfg.State)
	if err != nil {
		return // it is not there yet, and nothing leads there
	}
	seen := map[string]bool{}
	for _, cert := range k.cfg.Certificates {
		for _, dir := range foldersOf(cert) {
			if seen[dir] {
				continue
			}
			seen[dir] = true
			if at, err := filepath.EvalSymlinks(dir); err == nil && liesIn(state, at) {
				k.add("store_key", fmt.Sprintf("certificate %s is installed to %s, which leads into the sealed state folder: its key is in the clear there", cert.Name, dir))
			}
		}
	}
}
