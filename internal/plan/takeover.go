package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Unclaimed are the certificates of the store that the config does not name, by
// name: those that were taken out of it, or have another name there now. Such a
// certificate may be what another one of the config wants; see takeOver.
func Unclaimed(wanted Wanted, known Known) []*KnownCert {
	named := make(map[string]bool, len(wanted.Certs))
	for _, want := range wanted.Certs {
		named[want.Name] = true
	}
	var all []*KnownCert
	for name, k := range known.Certs {
		if !named[name] && k.Damage == "" && !k.Newer && len(k.Versions) > 0 {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *KnownCert) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// takeOver adds the step that takes over a stored certificate which nothing in
// the config names any more: the one that is all that is wanted, so that nothing
// is ordered for a new name in the config; else the one that shares the most
// names, so that something is served until the order is through. The stored one
// stays where it is: taken back into the config, it is there again. It reports
// whether that leaves nothing to order.
func (d *decision) takeOver() bool {
	from, v, fits := d.heir()
	if from == nil {
		return false
	}
	words := fmt.Sprintf("%s is stored, is in the config no more, and ", from.Name)
	if fits {
		words += "fits"
	} else {
		words += fmt.Sprintf("has %d of the names: it is served until the order is through", shares(v, d.want))
	}
	d.add(Step{Kind: KindTakeOver, From: from.Name, Version: v.ID, Urgent: d.urgent, Reason: Reason{ReasonFits, words}})
	return fits
}

// heir is the stored certificate to take over, with its version, and whether it
// is all that is wanted.
func (d *decision) heir() (from *KnownCert, version Version, fits bool) {
	for _, k := range d.world.Unclaimed {
		v, ok := d.usable(k)
		if !ok {
			continue
		}
		whole := d.satisfies(v)
		better := from == nil || whole && !fits ||
			whole == fits && cmp.Or(cmp.Compare(shares(v, d.want), shares(version, d.want)), v.NotAfter().Compare(version.NotAfter())) > 0
		if better {
			from, version, fits = k, v, whole
		}
	}
	return from, version, fits
}

// usable is the published version of a stored certificate, where it could be
// served for what is wanted now: it has some of its names, and a key that is not
// shared with others.
func (d *decision) usable(k *KnownCert) (Version, bool) {
	v, ok := k.Version(k.Published)
	if !ok || v.Broken != "" || d.want.Keys != "" || d.want.CSR != "" || d.want.Authorize || shares(v, d.want) == 0 || !v.NotAfter().After(d.now) {
		return Version{}, false
	}
	for _, p := range v.Pairs {
		revoked := p.Revoked || d.banned(p.Key) || k.IsToBeRevoked(p)
		if revoked || p.Request.CSR != "" || p.NotBefore.After(d.now.Add(clockAhead)) {
			return Version{}, false
		}
	}
	return v, slices.ContainsFunc(d.want.KeyTypes, func(keyType string) bool { _, ok := v.Pair(keyType); return ok })
}

// shares counts the names that a version has of those that are wanted.
func shares(v Version, want WantedCert) int {
	if len(v.Pairs) == 0 {
		return 0
	}
	return len(want.Names) - len(without(want.Names, v.Pairs[0].Request.Names))
}
