package config

import (
	"slices"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// KeysOf is the name of the keys that a certificate is issued on, where they
// outlive it: shared ones, or its own. It is "" where each issue makes a new key.
func (c *Config) KeysOf(cert *Certificate) string {
	switch {
	case cert.CSR != nil, len(cert.Static) > 0:
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
	for i := range all {
		c.share(&all[i])
	}
	return all
}

// SharedTarget is the name of the target that the files of keys make, with
// those of the certificates on them. No target of a certificate has it.
const SharedTarget = "_keys"

// share says that keys have files of their own.
func (c *Config) share(w *plan.WantedKeys) {
	files := c.KeyFiles(w.Name, w.KeyTypes)
	if len(files) == 0 {
		return
	}
	w.Provided = c.Keys[w.Name].Provided
	d := make(digester, 0, 256)
	d.put("keys 1")
	d.files(files)
	d.passphrase(c.Keys[w.Name].Passphrase)
	w.Shared = &plan.WantedTarget{Name: SharedTarget, Config: d.sum(), HoldsKeys: slices.ContainsFunc(files, File.holdsOtherKey)}
}

// KeyFiles are the files of shared keys, one for each key type where {key_type}
// stands in the path.
func (c *Config) KeyFiles(name string, keyTypes []string) []File {
	cert := Certificate{Name: name, Settings: Settings{Owner: c.Defaults.Owner, Group: c.Defaults.Group}}
	for _, t := range keyTypes {
		cert.KeyTypes = append(cert.KeyTypes, keys.Type(t))
	}
	var files []File
	for _, f := range c.Keys[name].Files {
		files = append(files, expand(c, &cert, f)...)
	}
	return files
}

// Shares reports whether a target of a certificate is switched with the files
// of its keys.
func (c *Config) Shares(cert *Certificate, t Target) bool {
	return cert.Key != "" && t.Layout == "" && t.Name == DefaultTarget && len(c.Keys[cert.Key].Files) > 0
}

func (f File) holdsOtherKey() bool { return slices.ContainsFunc(f.Content, Part.otherKey) }

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
