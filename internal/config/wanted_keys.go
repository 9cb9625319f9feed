package config

import (
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// KeysOf is the name of the keys that a certificate is issued on, where they
// outlive it: shared ones, or its own. It is "" where each issue makes a new key.
func (c *Config) KeysOf(cert *Certificate) string {
	switch {
	case cert.CSR != nil:
		return ""
	case cert.Key != "":
		return cert.Key
	case cert.KeyReuse, cert.BackupKey:
		return cert.Name
	}
	return ""
}

// wantedKeys are the keys that outlive certificates.
func (c *Config) wantedKeys() []plan.WantedKeys {
	var all []plan.WantedKeys
	place := map[string]int{}
	for i := range c.Certificates {
		cert := &c.Certificates[i]
		name := c.KeysOf(cert)
		if name == "" {
			continue
		}
		at, ok := place[name]
		if !ok {
			at = len(all)
			place[name] = at
			all = append(all, c.newWantedKeys(name, cert))
		}
		all[at].Certs = append(all[at].Certs, cert.Name)
		for _, t := range cert.KeyTypes {
			if !slices.Contains(all[at].KeyTypes, string(t)) {
				all[at].KeyTypes = append(all[at].KeyTypes, string(t))
			}
		}
	}
	return all
}

// newWantedKeys are the keys of a name, which the first certificate on them
// wants.
func (c *Config) newWantedKeys(name string, cert *Certificate) plan.WantedKeys {
	if cert.Key == "" {
		return plan.WantedKeys{Name: name, Backup: cert.BackupKey, EachTime: !cert.KeyReuse}
	}
	k := c.Keys[name]
	w := plan.WantedKeys{Name: name, Backup: k.Backup, Expires: k.Expires, AutoRollover: k.AutoRollover, MinBackupAge: k.MinBackupAge}
	for _, t := range k.KeyTypes {
		w.KeyTypes = append(w.KeyTypes, string(t))
	}
	return w
}
