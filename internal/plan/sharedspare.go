package plan

import (
	"slices"
	"strings"
)

// spare puts placeholders where services of certificates that share keys need
// files to start, and nothing is there. All are on the shared keys, so that
// they fit the files of these, as what takes their place does. Where the files
// of the keys stand, a certificate that comes later gets its own by itself.
func (k *keyDecision) spare() {
	if k.want.Shared == nil || len(k.missing()) > 0 || k.filesStand() || k.revoked() {
		return
	}
	step := Step{Kind: KindSpare, Target: k.want.Shared.Name, Urgent: true, Reason: Reason{ReasonNoFile, "services are named and no certificates are there"}}
	for _, d := range k.certs {
		if d.has || d.known.Damage != "" {
			continue
		}
		for _, target := range d.want.Targets {
			if target.Shared && len(target.Services) > 0 && d.known.Vacant[target.Name] {
				step.Certs = append(step.Certs, d.want.Name)
				step.Asked = step.Asked || len(d.known.Asks) > 0
			}
		}
	}
	if len(step.Certs) > 0 {
		k.add(step)
	}
}

// filesStand reports whether files of the primary keys were installed.
func (k *keyDecision) filesStand() bool {
	return k.known.Shared.Version != "" && k.known.Shared.Version == KeysVersion(k.want.KeyTypes, k.known)
}

// keyFilesStand reports whether files of the keys that the certificate shares
// were installed, and hold what it would be on.
func (d *decision) keyFilesStand() bool {
	held := strings.Fields(d.keys.Shared.Version)
	for _, keyType := range d.want.KeyTypes {
		if d.keys.Primary(keyType) == "" || !slices.Contains(held, KeysVersion([]string{keyType}, d.keys)) {
			return false
		}
	}
	return true
}
