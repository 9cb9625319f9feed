package plan

import "time"

// Listing is what is known of a certificate's place in the revocation lists of
// its CA. That it is listed is known of the pair.
type Listing struct {
	Leaf     string    `json:"leaf"`               // SHA-256 of the certificate; all else is about it
	Asked    time.Time `json:"asked,omitzero"`     // when a list was last looked at
	AskAgain time.Time `json:"ask_again,omitzero"` // when it is worth doing again
	Missing  bool      `json:"no_list,omitempty"`  // the certificate names none
	Tries    Tries     `json:"tries,omitzero"`     // attempts in a row that came to nothing
}

// ListingOf is what is known of a pair; empty where what is known is about
// another certificate.
func (k *KnownCert) ListingOf(p Pair) Listing {
	if l := k.CRL[p.KeyType]; l.Leaf == p.SHA256 {
		return l
	}
	return Listing{}
}

// List changes what is known of a pair's place in the lists.
func (k *KnownCert) List(p Pair, change func(Listing) Listing) {
	if k.CRL == nil {
		k.CRL = map[string]Listing{}
	}
	l := change(k.ListingOf(p))
	l.Leaf = p.SHA256
	k.CRL[p.KeyType] = l
}

// lookUp looks a pair up in the lists of its CA, and again before the list can
// have changed for long. Many certificates are spread over an hour by their names;
// those of one list cost one fetch.
func (d *decision) lookUp(pair Pair) {
	fact := d.known.ListingOf(pair)
	if fact.Missing {
		return // the certificate will not change
	}
	step := Step{Kind: KindCRL, KeyType: pair.KeyType, Version: d.current.ID, Reason: Reason{ReasonRoutine, "the CA may have revoked it"}}
	if fact.Leaf == "" {
		step.Reason = Reason{ReasonNotAsked, "no revocation list has been looked at for this certificate"}
	} else if !ahead(fact.Asked, d.now) {
		step.At = later(fact.AskAgain, fact.Tries.WaitsUntil(d.now))
		if fact.Tries.Count == 0 {
			step.At = step.At.Add(time.Duration(spread(d.want.Name)%3600) * time.Second)
		}
	}
	d.add(step)
}
