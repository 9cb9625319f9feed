package plan

import (
	"maps"
	"slices"
	"time"
)

// WantedKeys are keys that outlive the certificates on them: those of an
// entry of `keys`, or of a lone certificate that reuses its key. A certificate
// that names none gets a new key at every issue.
type WantedKeys struct {
	Name     string
	KeyTypes []string // one key each
	Certs    []string // certificates on them, in the order of the config
	Provided bool     // the administrator makes them: none is ever made or changed here
	Backup   bool     // the next keys are kept ready
	EachTime bool     // they change at each renewal of their one certificate

	Expires      time.Duration // age at which they are changed, or a person told; 0: never
	AutoRollover bool          // they are changed at that age
	MinBackupAge time.Duration // how long the next keys must have been ready

	Shared *WantedTarget // files of the keys, switched with those of the certificates; nil: none
}

// KnownKeys is all that is known of such keys.
type KnownKeys struct {
	Name    string            `json:"name"`
	Keys    map[string]KeySet `json:"keys,omitempty"` // by key type
	Rolling *Rollover         `json:"rolling,omitempty"`
	Ask     *AskedRollover    `json:"ask,omitempty"`
	PutOff  time.Time         `json:"put_off,omitzero"` // when a person gave up a change under way
	Tries   Tries             `json:"tries,omitzero"`   // to make keys; failures in a row

	// Shared are this node's facts about the files of the keys. They lie in a
	// record of their own, as the targets of certificates do.
	Shared Target `json:"-"`
	// Inspected is when the files of the keys were last looked at. A running
	// process knows it only.
	Inspected time.Time `json:"-"`
	// Closed says why a key that somebody put at such a file cannot be read.
	// Until it can nothing is made in its place. A running process knows it only.
	Closed string `json:"-"`
	// Damage says why the record could not be read; nothing else is known then.
	Damage string `json:"-"`
	// Newer is set when a later version of Certkeep wrote the record.
	Newer bool `json:"-"`
}

// KeySet is the keys of one type, one after another in time.
type KeySet struct {
	Primary  Key `json:"primary,omitzero"`  // of the certificates
	Next     Key `json:"next,omitzero"`     // kept ready; zero: none
	Previous Key `json:"previous,omitzero"` // before the last rollover; zero: none
}

// Key is a private key, by reference.
type Key struct {
	SHA256 string    `json:"sha256"`         // of the public key (SPKI), hex; also the name of the stored key
	Made   time.Time `json:"made"`           // when it was made, or found
	Since  time.Time `json:"since,omitzero"` // when it became the primary one
	Lost   string    `json:"lost,omitempty"` // why it cannot be used any more
	// Revoked is when a person had what is on it revoked and withdrawn. It is
	// the primary one until another takes its place, and nothing is issued on it.
	Revoked time.Time `json:"revoked,omitzero"`
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.SHA256 == "" }

// Usable reports whether there is a key, and nothing speaks against it.
func (k Key) Usable() bool { return k.SHA256 != "" && k.Lost == "" && k.Revoked.IsZero() }

// Rollover is a change of keys under way. Every certificate on them is issued
// on the new keys first; then one write makes these the primary ones, and only
// then anything is installed. Until that write nothing has changed, whatever
// fails.
type Rollover struct {
	At     time.Time         `json:"at"`
	Keys   map[string]string `json:"keys"` // the primary keys to be, by key type
	Reason Reason            `json:"reason"`
	Asked  bool              `json:"asked,omitempty"`
}

// AskedRollover is a person's wish for other keys.
type AskedRollover struct {
	At     time.Time `json:"at"`
	Force  bool      `json:"force,omitempty"`  // however young the next keys are
	Cancel bool      `json:"cancel,omitempty"` // end the one under way instead
}

// Primary is the key of a key type, "" where there is none.
func (k *KnownKeys) Primary(keyType string) string { return k.Keys[keyType].Primary.SHA256 }

// References lists the fingerprints of all keys that are not to be deleted.
func (k *KnownKeys) References() []string {
	var all []string
	for _, set := range k.Keys {
		for _, key := range []Key{set.Primary, set.Next, set.Previous} {
			if !key.IsZero() {
				all = append(all, key.SHA256)
			}
		}
	}
	if k.Rolling != nil {
		all = append(all, slices.Collect(maps.Values(k.Rolling.Keys))...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Switch makes the keys of the rollover under way the primary ones.
func (k *KnownKeys) Switch(now time.Time) {
	next := make(map[string]KeySet, len(k.Rolling.Keys))
	for keyType, fingerprint := range k.Rolling.Keys {
		set := k.Keys[keyType]
		if set.Primary.SHA256 != fingerprint {
			rolled := Key{SHA256: fingerprint, Made: k.Rolling.At, Since: now}
			if set.Next.SHA256 == fingerprint {
				rolled.Made, set.Next = set.Next.Made, Key{}
			}
			set.Previous, set.Primary = set.Primary, rolled
		}
		next[keyType] = set
	}
	k.Keys, k.Rolling, k.PutOff = next, nil, time.Time{}
}

// On reports whether some version or order of the certificate is on keys.
func (k *KnownCert) On(keys string) bool {
	for _, v := range k.Versions {
		if slices.ContainsFunc(v.Pairs, func(p Pair) bool { return p.Keys == keys }) {
			return true
		}
	}
	for _, o := range k.Orders {
		if o.Keys == keys {
			return true
		}
	}
	return false
}
