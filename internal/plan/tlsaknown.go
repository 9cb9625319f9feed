package plan

import (
	"slices"
	"time"
)

// WantedTLSA is the TLSA records of one name in DNS that speak of a
// certificate.
type WantedTLSA struct {
	Name   string        // in ASCII, such as _25._tcp.mail.example.com
	Config string        // digest of which records are made of a chain
	TTL    time.Duration // of the records; zero: whatever DNS gives them
	Beside []Neighbour   // other certificates whose records stand at the same name
}

// Neighbour is another certificate that is served where a certificate is.
type Neighbour struct {
	Cert     string
	Keys     string // WantedCert.Keys
	KeyTypes []string
	Targets  []WantedTarget
}

// KnownTLSA is what is known of the records of one name.
type KnownTLSA struct {
	Config string                `json:"config,omitempty"` // WantedTLSA.Config that Chains and Keys were made by
	Chains map[string][][]string `json:"chains,omitempty"` // by version: the records of each of its chains
	Keys   map[string][]string   `json:"keys,omitempty"`   // by fingerprint: the records of keys that are kept ready
	Facts  TLSAFacts             `json:"facts,omitzero"`
	Tries  Tries                 `json:"tries,omitzero"` // looks and changes that failed in a row
}

// certs are the certificate itself, and those beside it.
func (t WantedTLSA) certs(want WantedCert) []Neighbour {
	return append([]Neighbour{{Cert: want.Name, Keys: want.Keys, KeyTypes: want.KeyTypes, Targets: want.Targets}}, t.Beside...)
}

// Versions are those whose records have to be known, by the names of their
// certificates: all that could be served at the name.
func (t WantedTLSA) Versions(w World, want WantedCert) map[string][]Version {
	all := make(map[string][]Version)
	for _, c := range t.certs(want) {
		for _, v := range w.Known.Cert(c.Cert).Versions {
			if v.Broken == "" && len(v.Pairs) > 0 {
				all[c.Cert] = append(all[c.Cert], v)
			}
		}
	}
	return all
}

// Around is the world of one certificate, of which known is known, and of those
// that are served beside it.
func (w World) Around(want WantedCert, known *KnownCert) World {
	around := World{Wanted: Wanted{Node: w.Wanted.Node, Limits: w.Wanted.Limits, Certs: []WantedCert{want}}, Known: w.Known, Unclaimed: w.Unclaimed}
	around.Known.Certs = make(map[string]*KnownCert)
	for _, t := range want.TLSA {
		for _, c := range t.Beside {
			around.Known.Certs[c.Cert] = w.Known.Cert(c.Cert)
		}
	}
	around.Known.Certs[want.Name] = known
	return around
}

// serves lists the ids of the versions that a certificate's targets serve, or
// are to serve. Sure is false while some target may serve another one.
//
// Before the first version is installed anywhere, nobody knows what is served:
// it may be a placeholder, which clients would refuse from the first record on.
func (c Neighbour) serves(k *KnownCert) (ids []string, sure bool) {
	if k.withdrawn() {
		return nil, true
	}
	sure = true
	installed := len(c.Targets) == 0 || slices.ContainsFunc(c.Targets, func(t WantedTarget) bool { return k.Targets[t.Name].Version != "" })
	if k.Published != "" && installed {
		ids = append(ids, k.Published)
	}
	for _, target := range c.Targets {
		fact := k.Targets[target.Name]
		if fact.Version != "" && !slices.Contains(ids, fact.Version) {
			ids = append(ids, fact.Version)
		}
		if fact.Awaits != nil && !slices.Contains(ids, fact.Awaits.Serves) {
			ids = append(ids, fact.Awaits.Serves)
		}
		shown := fact.State == TargetVerified || fact.State == TargetReloaded && !target.Verify
		sure = sure && fact.Version == k.Published && shown
	}
	return ids, sure
}

// left are the versions that have a kind of key which what is published lacks,
// the newest of each. It may have been served before: where files of each kind
// have names of their own they stay, and a server goes on with them.
func (c Neighbour) left(k *KnownCert) (ids []string) {
	published, held := k.Version(k.Published)
	if !held {
		return nil
	}
	for _, keyType := range c.KeyTypes {
		if slices.Contains(published.KeyTypes(), keyType) {
			continue
		}
		for _, v := range slices.Backward(k.Versions) {
			if pair, ok := v.Pair(keyType); ok && v.Broken == "" && !pair.Revoked {
				ids = append(ids, v.ID)
				break
			}
		}
	}
	return ids
}

// half reports whether what is published, or what services read, has not every
// kind of key yet: the files of one that was never issued, or could not be
// installed, may hold a placeholder.
func (c Neighbour) half(k *KnownCert) bool {
	lacks := func(v Version) bool {
		return slices.ContainsFunc(c.KeyTypes, func(keyType string) bool { return !slices.Contains(v.KeyTypes(), keyType) })
	}
	published, held := k.Version(k.Published)
	if !held || len(published.Pairs) == 0 {
		return false
	}
	return slices.ContainsFunc(c.Targets, func(t WantedTarget) bool {
		installed, held := k.Version(k.Targets[t.Name].Version)
		return len(t.Services) > 0 && (lacks(published) || held && lacks(installed))
	})
}

// of are the records of the chains of versions.
func (k KnownTLSA) of(versions []string) (texts []string) {
	for _, id := range versions {
		texts = append(texts, slices.Concat(k.Chains[id]...)...)
	}
	return texts
}

// ours reports whether a record that we made is published.
func (k KnownTLSA) ours() bool { return slices.ContainsFunc(k.Facts.Published(), k.made) }

// made reports whether we made a record.
func (k KnownTLSA) made(text string) bool {
	for _, chains := range k.Chains {
		if slices.ContainsFunc(chains, func(chain []string) bool { return slices.Contains(chain, text) }) {
			return true
		}
	}
	for _, texts := range k.Keys {
		if slices.Contains(texts, text) {
			return true
		}
	}
	return false
}

// Ahead are the fingerprints of keys that are kept ready, or that a rollover
// leads to: what will be served by them has its records in DNS before.
func (t WantedTLSA) Ahead(w World, want WantedCert) []string {
	var all []string
	for _, c := range t.certs(want) {
		if c.Keys == "" {
			continue
		}
		known := w.Known.KeysOf(c.Keys)
		for _, keyType := range c.KeyTypes {
			if next := known.Keys[keyType].Next; next.Usable() {
				all = append(all, next.SHA256)
			}
			if known.Rolling != nil && known.Rolling.Keys[keyType] != "" {
				all = append(all, known.Rolling.Keys[keyType])
			}
		}
	}
	all = slices.DeleteFunc(all, func(key string) bool {
		_, banned := w.Known.Banned[key]
		return banned
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// waits are the versions of a neighbour that wait to be published. That it is
// not known is no reason to take anything away.
func (c Neighbour) waits(w World) []string {
	k := w.Known.Cert(c.Cert)
	var ids []string
	if k.Ready != "" && k.Ready != k.Published {
		ids = append(ids, k.Ready)
	}
	if c.Keys != "" && w.Known.KeysOf(c.Keys).Rolling != nil && k.Rolled != "" {
		ids = append(ids, k.Rolled)
	}
	return ids
}
