package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
)

// Keys are private keys that several certificates share, one of each type.
type Keys struct {
	Name         string
	KeyTypes     []keys.Type // empty: those of the certificates on them
	Backup       bool        // the next keys are kept ready
	Expires      time.Duration
	AutoRollover bool
	MinBackupAge time.Duration
	Passphrase   Passphrase // of Files, and of what the certificates on them write
	Provided     bool       // the administrator makes them: they are read from Files
	Files        []File     // of the keys alone; {key_type} stands in their paths yet
}

// keySets are the keys that certificates share.
func keySets() shape[map[string]Keys] {
	return mapOf("NAME", sharedKeys(), "a table of keys", func(r *reader, at place, name string) bool {
		wrong, hint := checkCertificateName(name)
		if wrong != "" {
			r.out.add(at, strings.Replace(wrong, "the certificate name", "the name of keys", 1), hint)
		}
		return wrong == ""
	}, func(k *Keys, name string) { k.Name = name })
}

// keySetNames lists the keys that a certificate may name, for hints.
func keySetNames(c *Config) []string { return declaredNames(c.Keys) }

func knownKeySet(c *Config, name string) bool {
	_, ok := c.Keys[name]
	return ok
}

func sharedKeys() shape[Keys] {
	all := keysOfKeys()
	all = append(all, passphraseKeys(func(k *Keys) *Passphrase { return &k.Passphrase })...)
	return object("keys", "Private keys that several certificates share: each of these names them with `key`. All of them change together, or none does.", all, func(r *reader, n *node, k *Keys) {
		if given := onePassphrase(r, n); given != "" {
			r.mark("keys."+k.Name+".passphrase", n.get(given).value)
		}
		finishKeyFiles(r, n, k)
		if k.AutoRollover && k.Expires == 0 {
			r.out.add(n.placeOf("auto_rollover"), fmt.Sprintf("keys %q are to change by themselves, and nothing says at what age", k.Name), "add expires: 730d")
		}
		if k.MinBackupAge > 0 && !k.Backup {
			r.out.add(n.placeOf("min_backup_age"), fmt.Sprintf("keys %q have no backup key whose age could count", k.Name), "remove min_backup_age, or set backup_key: true")
		}
	})
}

// keysOfKeys are what may be said of keys, their passphrase aside.
func keysOfKeys() []key[Keys] {
	return []key[Keys]{
		field("key_types", filled(distinct(listOf(keyType(), "a list of key types", "[ecdsa-p256]"))), func(k *Keys) *[]keys.Type { return &k.KeyTypes }, about{
			doc: "Kinds of key. A certificate that lists fewer uses these only.", standard: "those of the certificates", example: "[rsa-4096, ecdsa-p384]", off: true,
		}),
		fieldOr("backup_key", truth(), func(k *Keys) *bool { return &k.Backup }, true, about{
			doc: "Whether the next keys are kept ready, for pins and TLSA records.",
		}),
		field("expires", either("a duration or false", "730d", off(0, isZeroDuration), duration(24*time.Hour)), func(k *Keys) *time.Duration { return &k.Expires }, about{
			doc: "Age at which a key should change: a warning says so, or `auto_rollover` does it.", standard: "never", example: "730d", off: true,
		}),
		fieldOr("auto_rollover", truth(), func(k *Keys) *bool { return &k.AutoRollover }, false, about{
			doc: "Whether keys of that age are changed without being asked.",
		}),
		field("min_backup_age", duration(0), func(k *Keys) *time.Duration { return &k.MinBackupAge }, about{
			doc: "How long the next keys must have been ready before they are used, so that everybody who was told of them knows. `rollover --force` does not wait.", standard: "`0s`", example: "60d", off: true,
		}),
		field("files", listOf(file(), "a list of files", "[{path: /etc/ssl/private/shared.key, content: key}]"), func(k *Keys) *[]File { return &k.Files }, about{
			doc: "Files of the keys alone: `key`, `backup-key`, `previous-key` or `der-key`. They are switched together with the `files` of all certificates on them, those with the target `" + DefaultTarget + "`. A key that somebody else puts there is followed.", standard: "none: the keys are written with the certificates", off: true,
		}),
		fieldOr("provided", truth(), func(k *Keys) *bool { return &k.Provided }, false, about{
			doc: "Whether you make the keys yourself: they are read from `files`, and never made or changed.",
		}),
	}
}

func isZeroDuration(d time.Duration) bool { return d == 0 }

// finishKey looks at the keys of a certificate.
func finishKey(r *reader, n *node, c *Certificate) {
	if c.Key == "" {
		if c.CSR != nil {
			c.KeyReuse, c.BackupKey = false, false
		}
		return
	}
	if c.CSR != nil {
		r.out.add(n.placeOf("key"), fmt.Sprintf("certificate %q has a csr, which says its key already", c.Name), "remove one of them")
		return
	}
	shared, ok := r.cfg.Keys[c.Key]
	if n.has("passphrase") || n.has("passphrase_file") || n.has("passphrase_env") || n.has("passphrase_credential") {
		r.out.add(n.placeOf("key"), fmt.Sprintf("certificate %q shares its key, and says a passphrase", c.Name), fmt.Sprintf("say it below keys.%s", c.Key))
	}
	c.Passphrase = shared.Passphrase
	if !ok || len(shared.KeyTypes) == 0 {
		return
	}
	if !n.has("key_types") {
		c.KeyTypes = shared.KeyTypes
		return
	}
	for _, t := range c.KeyTypes {
		if !slices.Contains(shared.KeyTypes, t) {
			r.out.add(n.placeOf("key_types"), fmt.Sprintf("certificate %q wants a %s key, and keys %q have none", c.Name, t, c.Key), hintAmong(string(t), keyTypeNames(shared.KeyTypes)))
		}
	}
}

// finishKeyFiles looks at the files of keys.
func finishKeyFiles(r *reader, n *node, k *Keys) {
	given := n.get("files")
	for i := range k.Files {
		f := &k.Files[i]
		at := given.value.at
		if i < len(given.value.items) {
			at = given.value.items[i].at
		}
		for _, part := range f.Content {
			if part != PartKey && part != PartDERKey && !part.otherKey() {
				r.out.add(at, fmt.Sprintf("%s of keys %q is to hold %s, which belongs to a certificate", f.Path, k.Name, part), "list it below the certificate")
			}
		}
		if f.Mode == 0 {
			whose := *f
			whose.Group = cmp.Or(f.Group, r.cfg.Defaults.Group)
			f.Mode = standardMode(whose)
		}
		if f.Mode&0o004 != 0 {
			r.out.add(at, fmt.Sprintf("mode %04o lets everybody read the private key in %s", f.Mode, f.Path), `write "0600", or "0640" for a group`)
		}
	}
	if k.Provided && !slices.ContainsFunc(k.Files, func(f File) bool { return slices.Equal(f.Content, []Part{PartKey}) }) {
		r.out.add(n.placeOf("provided"), fmt.Sprintf("keys %q are provided, and nothing says where", k.Name), "add files: [{path: /etc/ssl/private/shared.key, content: key}]")
	}
}
