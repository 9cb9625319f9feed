package plan

import "fmt"

// statementMeanings are the codes of what others say of a certificate.
func statementMeanings() map[Code]meaning {
	return map[Code]meaning{
		CodeOCSP:        {Warning, "The OCSP responder gave nothing that can be stapled. A new certificate may be unknown to it for a while; else check that this machine reaches it (port 80), or name another in `ocsp.responders`. Certkeep tries again by itself, and keeps what it has."},
		CodeCRL:         {Warning, "The CA's revocation list could not be used, so a revocation would not be noticed this way. Check that this machine reaches its web server (port 80), or leave out `renew.crl`. Certkeep tries again by itself."},
		CodeOCSPEnded:   {Warning, "Look at the other problems of this certificate. The file stays as it is, unless `ocsp.keep` ends that; most clients pass over a response that has ended."},
		CodeNoResponder: {Critical, "Clients refuse the certificate. Leave `must_staple` out and renew it, or name a responder of the CA in `ocsp.responders`."},
		CodeSCT:         {Warning, "The log gave no receipt. Check its entry under `ct_logs`, and that this machine reaches it. Certkeep tries again by itself."},
		CodeSCTWrong:    {Warning, "Browsers may refuse the certificate. Check that the list of logs is current; if it is, report it to the CA."},
		CodePins:        {Warning, "Set `key_reuse` and `backup_key`, list a second key type in `key_types`, or take `hpkp` out of the config."},
	}
}

// quietFailures is how often a newer OCSP response may be asked for in vain
// before it is worth telling, while an older one holds.
const quietFailures = 3

// statements looks at what others were asked to say of the certificate.
func (d *diagnosis) statements() {
	version, ok := d.known.Version(d.known.Published)
	if !ok {
		return
	}
	for _, pair := range version.Serving(d.want.KeyTypes).Pairs {
		if pair.Revoked || !pair.NotAfter.After(d.now) {
			continue // which says more
		}
		if d.want.OCSP != nil {
			d.staple(pair)
		}
		if tries := d.known.ListingOf(pair).Tries; d.want.Renew.CRL && tries.Count >= quietFailures && tries.Fault != nil {
			d.add(tries.Fault.Code, "", tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
		}
		for _, name := range d.want.logs() {
			if r := d.known.ReceiptsOf(pair).Logs[name]; r.SHA256 == "" && r.Tries.Count > 0 && r.Tries.Fault != nil {
				d.add(r.Tries.Fault.Code, "", r.Tries.Fault.Words, r.Tries.Fault.Detail, r.Tries.Fault.At)
			}
		}
		for _, e := range d.known.ReceiptsOf(pair).Embedded {
			if e.Verdict == VerdictWrong {
				d.add(CodeSCTWrong, "", fmt.Sprintf("the receipt of the log %s in the %s certificate counts for nothing: %s", e.Log, pair.KeyType, e.Words), nil, pair.Made)
			}
		}
	}
	if _, pinned := d.want.Companion(CompanionHPKP); pinned && len(d.known.Pins(d.want, d.world.Known.KeysOf(d.want.Keys))) < leastPins {
		d.add(CodePins, "", "public key pins need a second key, so no header is written", nil, version.Created)
	}
}

// staple looks at the OCSP response of a pair.
func (d *diagnosis) staple(pair Pair) {
	fact := d.known.StapleOf(pair)
	holds := fact.SHA256 != "" && fact.Ends.After(d.now)
	if fact.Missing {
		if pair.Request.MustStaple {
			d.add(CodeNoResponder, "", fmt.Sprintf("the %s certificate is good with a stapled OCSP response only, and names no responder", pair.KeyType), nil, fact.Asked)
		}
		return // else there is nothing to do, and nothing wrong
	}
	if (fact.SHA256 != "" || fact.GivenUp) && !holds {
		d.add(CodeOCSPEnded, "", fmt.Sprintf("the OCSP response of the %s certificate ended on %s", pair.KeyType, day(fact.Ends)), nil, fact.Ends)
		d.weigh(pair)
	}
	if fact.Tries.Fault != nil && (fact.Tries.Count >= quietFailures || fact.Tries.Count > 0 && !holds) {
		d.add(fact.Tries.Fault.Code, "", fact.Tries.Fault.Words, fact.Tries.Fault.Detail, fact.Tries.Fault.At)
		if !holds {
			d.weigh(pair)
		}
	}
}

// weigh makes the last problem critical where clients refuse the certificate
// for want of a response.
func (d *diagnosis) weigh(pair Pair) {
	if pair.Request.MustStaple {
		d.problems[len(d.problems)-1].Severity = Critical
	}
}
