package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/certkeep/certkeep/internal/plan"
)

// letsEncryptLimits are those that Let's Encrypt publishes, as of August 2026:
// https://letsencrypt.org/docs/rate-limits
func letsEncryptLimits() plan.Limits {
	const week = 7 * day
	return plan.Limits{
		Orders:       plan.Limit{Most: 300, Per: 3 * time.Hour},
		Domain:       plan.Limit{Most: 50, Per: week},
		Names:        plan.Limit{Most: 5, Per: week},
		Failures:     plan.Limit{Most: 5, Per: time.Hour},
		Accounts:     plan.Limit{Most: 10, Per: 3 * time.Hour},
		RenewalsFree: true,
	}
}

// stagingLimits are those of its staging:
// https://letsencrypt.org/docs/staging-environment
func stagingLimits() plan.Limits {
	const week = 7 * day
	return plan.Limits{
		Orders:       plan.Limit{Most: 1500, Per: 3 * time.Hour},
		Domain:       plan.Limit{Most: 30000, Per: week},
		Names:        plan.Limit{Most: 30000, Per: week},
		Failures:     plan.Limit{Most: 60, Per: time.Hour},
		Accounts:     plan.Limit{Most: 50, Per: 3 * time.Hour},
		RenewalsFree: true,
	}
}

// issuerLimits are read key by key over the built-in ones.
func issuerLimits() shape[plan.Limits] {
	return object("limits", "What a CA allows, so that an order which it would refuse is not sent. Each limit is a number within a time, as `50/7d`: a bucket that holds as many and fills evenly. `none` is no limit.", []key[plan.Limits]{
		field("orders", limitShape("300/3h"), func(l *plan.Limits) *plan.Limit { return &l.Orders }, about{doc: "New orders of the account.", standard: "for Let's Encrypt `300/3h`", example: "300/3h"}),
		field("per_domain", limitShape("50/7d"), func(l *plan.Limits) *plan.Limit { return &l.Domain }, about{doc: "Certificates below one registered domain (as the Public Suffix List has it), address, or IPv6 network of 64 bits.", standard: "for Let's Encrypt `50/7d`", example: "50/7d"}),
		field("same_names", limitShape("5/7d"), func(l *plan.Limits) *plan.Limit { return &l.Names }, about{doc: "Certificates for exactly the same names.", standard: "for Let's Encrypt `5/7d`", example: "5/7d"}),
		field("failures", limitShape("5/1h"), func(l *plan.Limits) *plan.Limit { return &l.Failures }, about{doc: "Failed proofs of one name.", standard: "for Let's Encrypt `5/1h`", example: "5/1h"}),
		field("accounts", limitShape("10/3h"), func(l *plan.Limits) *plan.Limit { return &l.Accounts }, about{doc: "New accounts.", standard: "for Let's Encrypt `10/3h`", example: "10/3h"}),
		field("renewals_free", truth(), func(l *plan.Limits) *bool { return &l.RenewalsFree }, about{doc: "Renewals that say what they replace are held against no limit but that of failures, and others for the same names as before not against those of orders and domains.", standard: "for Let's Encrypt `true`", example: "true"}),
	}, nil)
}

// limitShape is a number within a time.
func limitShape(such string) shape[plan.Limit] {
	s := scalar(text, "a number within a time", such, func(r *reader, n *node) (plan.Limit, string, string) {
		l, ok := parseLimit(n.text)
		if !ok {
			return l, fmt.Sprintf("%s: %q is not a number within a time", r.is(), shorten(n.text)), "write it as 50/7d, or none"
		}
		return l, "", ""
	}, func(l plan.Limit) *node {
		switch {
		case l == (plan.Limit{}):
			return nil
		case l.Most == 0:
			return showText("none")
		}
		return showText(fmt.Sprintf("%d/%s", l.Most, FormatDuration(l.Per)))
	})
	return s
}

func parseLimit(s string) (l plan.Limit, ok bool) {
	if s == "none" {
		return plan.Limit{Per: year}, true // said, unlike the zero Limit
	}
	number, within, _ := strings.Cut(s, "/")
	most, err := strconv.Atoi(strings.TrimSpace(number))
	per, errPer := ParseDuration(strings.TrimSpace(within))
	if err != nil || errPer != nil || most < 1 || per < time.Second || per > year || most > 100_000_000 {
		return l, false
	}
	return plan.Limit{Most: most, Per: per}, true
}

// limits are what the CAs that are used publish, by issuer.
func (c *Config) limits() map[string]plan.Limits {
	all := map[string]plan.Limits{}
	for id, issuer := range c.Issuers {
		if issuer.Limits != (plan.Limits{}) {
			all[id] = issuer.Limits
		}
	}
	return all
}

// domainsOf are the registered domains of names, each once, where one of the
// issuers counts by them.
func (c *Config) domainsOf(names, issuers []string) []string {
	if !slices.ContainsFunc(issuers, func(id string) bool { return c.Issuers[id].Limits.Domain.Most > 0 }) {
		return nil
	}
	var domains []string
	for _, name := range names {
		if domain := registeredDomain(name); !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	return domains
}

// registeredDomain is the part of a name that was bought of a registrar; of an
// address it is what Let's Encrypt counts instead.
func registeredDomain(name string) string {
	name = strings.TrimPrefix(name, "*.")
	if ip, err := netip.ParseAddr(name); err == nil {
		if ip.Is4() {
			return name
		}
		network, err := ip.WithZone("").Prefix(64)
		if err != nil {
			return name
		}
		return network.String()
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return domain
	}
	return name // a public suffix itself
}
