package config

import (
	"cmp"
	"maps"
	"slices"

	"github.com/certkeep/certkeep/internal/plan"
)

// EventInstalled is the event of which most hooks are.
const EventInstalled = "installed"

// pendingHooks are the events whose hooks stay pending until they succeed.
// The others accompany an order: they run while it goes on, or never.
func (c *Config) pendingHooks(cert *Certificate) []string {
	var events []string
	for _, event := range slices.Concat(slices.Collect(maps.Keys(c.Hooks)), slices.Collect(maps.Keys(cert.Hooks))) {
		switch event {
		case "renewing", "challenge-setup", "challenge-cleanup", "dns-updated",
			"set_dns_challenge", "clear_dns_challenge", "set_http_challenge", "clear_http_challenge":
		default:
			events = append(events, event)
		}
	}
	slices.Sort(events)
	events = slices.Compact(events)
	return events
}

// Wanted is the configuration as package plan decides upon it.
func (c *Config) Wanted() plan.Wanted {
	w := plan.Wanted{Node: c.Node, Sealed: c.Sealed(), Limits: c.limits(), Certs: make([]plan.WantedCert, 0, len(c.Certificates))}
	global := indexRules(c.Challenges)
	for i := range c.Certificates {
		w.Certs = append(w.Certs, c.wantedCert(&c.Certificates[i], global))
	}
	c.wantTLSA(w.Certs)
	w.Keys = c.wantedKeys()
	w.Channels = c.Notify.channels()
	if len(c.Authorizations) > 0 {
		w.Certs = append(w.Certs, c.wantedAuthorizations(global))
	}
	c.wantContacts(w.Certs)
	return w
}

// wantedCert is one certificate as package plan decides upon it.
func (c *Config) wantedCert(cert *Certificate, global rules) plan.WantedCert {
	w := plan.WantedCert{
		Name:            cert.Name,
		Names:           cert.Names,
		Domains:         c.domainsOf(cert.Names, cert.Issuers),
		CommonName:      cert.CommonName,
		CommonNameGiven: cert.CommonNameGiven,
		Issuers:         cert.Issuers,
		KeyTypes:        make([]string, 0, len(cert.KeyTypes)),
		Keys:            c.KeysOf(cert),
		FreshKey:        cert.Key == "" && !cert.KeyReuse && cert.BackupKey,
		Profile:         c.wantedProfile(cert),
		MustStaple:      cert.MustStaple,
		Quarantine:      cert.Quarantine,
		Protected:       protected(cert),
		Proof:           c.proof(cert, global),
		Renew:           cert.Renew,
		Warn:            cert.Warn,
		Mode:            plannedMode(cert.Mode),
		Maintenance:     maintenanceOf(cert.Maintenance),
		Keep:            c.Keep.Versions,
		NoIssue:         !c.Issue,
		NoSolve:         !c.Solve,
	}
	for _, t := range cert.KeyTypes {
		w.KeyTypes = append(w.KeyTypes, string(t))
	}
	if cert.CSR != nil {
		w.CSR = cmp.Or(cert.CSR.SHA256, csrUnread)
	}
	hooks := c.pendingHooks(cert)
	for _, t := range cert.Targets() {
		w.Targets = append(w.Targets, plan.WantedTarget{
			Name:     t.Name,
			Config:   c.digest(cert, t),
			Services: cert.Services,
			Hooks:    hooks,
			Verify:   len(cert.Verify) > 0,
			Staged:   cert.Activate == ActivateOnRestart && len(cert.Services) > 0,
			Pins:     slices.ContainsFunc(cert.Verify, func(e Endpoint) bool { return e.Pins }),
			DH:       cert.DHParams.Own > 0 && t.holds(PartDHParams),

			Shared:    c.Shares(cert, t),
			HoldsKeys: slices.ContainsFunc(t.Files, File.holdsOtherKey),
		})
	}
	if slices.ContainsFunc(w.Targets, func(t plan.WantedTarget) bool { return t.DH }) {
		w.DH = plan.WantedDH{Bits: cert.DHParams.Own, WithKey: cert.DHParams.WithKey}
	}
	c.wantStatements(cert, hooks, &w)
	return w
}

// csrUnread stands for the digest of a signing request that cannot be read. No
// version has it, so what is served is neither taken for right nor exchanged
// for one that was made without a request.
const csrUnread = "unreadable"

// plannedMode is a mode as package plan knows it.
func plannedMode(mode string) plan.Mode {
	if mode == ModeAuto {
		return plan.ModeAuto
	}
	return plan.Mode(mode)
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
