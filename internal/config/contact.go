package config

import (
	"cmp"

	"github.com/certkeep/certkeep/internal/plan"
)

// EmailAt is the mail address that an issuer is told of; "" for none.
func (c *Config) EmailAt(issuer string) string { return cmp.Or(c.Issuers[issuer].Email, c.Email) }

// wantContacts gives each issuer to the first certificate that lists it: that
// one has the CA told where `email` changed, and says that it failed.
func (c *Config) wantContacts(certs []plan.WantedCert) {
	taken := map[string]bool{}
	for i := range certs {
		for _, id := range certs[i].Issuers {
			if !taken[id] {
				taken[id] = true
				certs[i].Contacts = append(certs[i].Contacts, plan.WantedContact{Issuer: id, Email: c.EmailAt(id)})
			}
		}
	}
}

// Emails are the mail addresses of the issuers that have one of their own.
func (c *Config) Emails() map[string]string {
	own := map[string]string{}
	for id, issuer := range c.Issuers {
		if issuer.Email != "" {
			own[id] = issuer.Email
		}
	}
	return own
}
