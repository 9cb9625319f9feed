package engine

import (
	"cmp"
	"fmt"
	"net/url"

	"github.com/certkeep/certkeep/internal/crl"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
)

// asker asks what CAs say of revocations, by one way into the network.
type asker struct {
	ocsp *ocsp.Client
	crl  *crl.Client
}

// askersBy makes one for each proxy of issuers, and one that uses none. They
// outlive a change of the configuration, with what they have fetched.
func (p *parts) askersBy(old *parts, o Options) error {
	p.askers = map[string]*asker{}
	ways := []string{""}
	for _, issuer := range p.cfg.Issuers {
		ways = append(ways, issuer.Proxy)
	}
	for _, way := range ways {
		if p.askers[way] != nil {
			continue
		}
		if p.askers[way] = old.askers[way]; p.askers[way] != nil {
			continue
		}
		var proxy *url.URL
		if way != "" {
			var err error
			if proxy, err = url.Parse(way); err != nil {
				return fmt.Errorf("proxy of an issuer: %w", err)
			}
		}
		p.askers[way] = &asker{ocsp.NewClient(o.Network, proxy, o.UserAgent), crl.NewClient(o.Network, proxy, o.UserAgent)}
	}
	return nil
}

// asker is for questions about certificates of an issuer: as its CA is reached,
// so are its responders and lists.
func (p *parts) asker(issuer string) *asker {
	if i, ok := p.cfg.Issuers[issuer]; ok {
		return p.askers[i.Proxy]
	}
	return p.askers[""]
}

// issuerOfPair is who issued a pair; of an adopted one, who is to renew it.
func (w *worker) issuerOfPair(p plan.Pair) string {
	if len(w.want.Issuers) == 0 {
		return p.Issuer
	}
	return cmp.Or(p.Issuer, w.want.Issuers[0])
}
