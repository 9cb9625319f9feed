package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// EventInstalled is the event of which most hooks are.
const EventInstalled = "installed"

// pendingHooks are the events whose hooks stay pending until they succeed.
// The others accompany an order: they run while it goes on, or never.
func (c *Config) pendingHooks() []string {
	var events []string
	for event := range c.Hooks {
		switch event {
		case "renewing", "challenge-setup", "challenge-cleanup", "dns-updated":
		default:
			events = append(events, event)
		}
	}
	slices.Sort(events)
	return events
}

// Wanted is the configuration as package plan decides upon it.
func (c *Config) Wanted() plan.Wanted {
	w := plan.Wanted{Node: c.Node, Certs: make([]plan.WantedCert, 0, len(c.Certificates))}
	for i := range c.Certificates {
		w.Certs = append(w.Certs, c.WantedCert(&c.Certificates[i]))
	}
	return w
}

// WantedCert is one certificate as package plan decides upon it.
func (c *Config) WantedCert(cert *Certificate) plan.WantedCert {
	w := plan.WantedCert{
		Name:            cert.Name,
		Names:           cert.Names,
		CommonName:      cert.CommonName,
		CommonNameGiven: cert.CommonNameGiven,
		Issuers:         cert.Issuers,
		KeyTypes:        make([]string, 0, len(cert.KeyTypes)),
		Profile:         c.wantedProfile(cert),
		MustStaple:      cert.MustStaple,
		Renew:           cert.Renew,
		Warn:            cert.Warn,
		Keep:            c.Keep.Versions,
	}
	for _, t := range cert.KeyTypes {
		w.KeyTypes = append(w.KeyTypes, string(t))
	}
	if cert.CSR != nil {
		w.CSR = cert.CSR.SHA256
	}
	hooks := c.pendingHooks()
	for _, t := range cert.Targets() {
		w.Targets = append(w.Targets, plan.WantedTarget{
			Name:     t.Name,
			Config:   c.digest(cert, t),
			Services: cert.Services,
			Hooks:    hooks,
			Verify:   len(cert.Verify) > 0,
		})
	}
	return w
}

// wantedProfile is the profile whose change is worth a new certificate: the
// certificate's own, or the one that all its issuers agree on. Where issuers
// disagree, a failover must not look like a change of mind; ProfileAt still
// says what each of them is asked for.
func (c *Config) wantedProfile(cert *Certificate) string {
	if cert.Profile != "" || len(cert.Issuers) == 0 {
		return cert.Profile
	}
	profile := c.Issuers[cert.Issuers[0]].Profile
	for _, name := range cert.Issuers[1:] {
		if c.Issuers[name].Profile != profile {
			return ""
		}
	}
	return profile
}

// digest names all that shapes a target's files and how they are activated.
// A new digest has the target written again, and a version that a service
// refused tried again.
func (c *Config) digest(cert *Certificate, t Target) string {
	d := make(digester, 0, 512)
	d.put("target 1", t.Layout, t.Path, t.Owner, t.Group)
	if t.Layout != "" {
		d.count(len(cert.KeyTypes))
		for _, k := range cert.KeyTypes {
			d.put(string(k))
		}
	}
	d.count(len(t.Files))
	for _, f := range t.Files {
		d.put(f.Path, f.Owner, f.Group, strconv.FormatUint(uint64(f.Mode), 8), string(f.KeyType))
		d.count(len(f.Content))
		for _, part := range f.Content {
			d.put(string(part))
		}
	}
	d.count(len(cert.Services))
	for _, name := range cert.Services {
		d.service(c.Services[name])
	}
	sum := sha256.Sum256(d)
	return hex.EncodeToString(sum[:10])
}

// digester gathers lists of texts so that no two lists look alike.
type digester []byte

func (d *digester) put(texts ...string) {
	for _, s := range texts {
		d.count(len(s))
		*d = append(*d, s...)
	}
}

func (d *digester) count(n int) { *d = binary.AppendUvarint(*d, uint64(n)) }

// service covers what is run for a service, not how often.
func (d *digester) service(s service.Service) {
	d.put(s.Name, s.Unit)
	for _, actions := range [][]service.Action{s.Status, s.Check, s.Reload} {
		d.count(len(actions))
		for _, a := range actions {
			d.count(len(a.Args))
			d.put(a.Args...)
			d.put(a.Shell, a.Signal, a.PIDFile)
		}
	}
	d.count(len(s.PIDFiles))
	d.put(s.PIDFiles...)
}
