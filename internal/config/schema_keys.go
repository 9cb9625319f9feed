package config

import (
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
	return object("keys", "Private keys that several certificates share: each of these names them with `key`. All of them change together, or none does.", []key[Keys]{
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
	}, func(r *reader, n *node, k *Keys) {
		if k.AutoRollover && k.Expires == 0 {
			r.out.add(n.placeOf("auto_rollover"), fmt.Sprintf("keys %q are to change by themselves, and nothing says at what age", k.Name), "add expires: 730d")
		}
		if k.MinBackupAge > 0 && !k.Backup {
			r.out.add(n.placeOf("min_backup_age"), fmt.Sprintf("keys %q have no backup key whose age could count", k.Name), "remove min_backup_age, or set backup_key: true")
		}
		r.mark("keys."+k.Name, n)
	})
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
