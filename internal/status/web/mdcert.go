package web

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// mdCert is what is in force: for each kind of key, and what all have in common.
func mdCert(pairs []status.Pair, shape mdShape) object {
	if shape == md2019 {
		p := pairs[0]
		return object{
			"valid-from": rfc822(p.NotBefore), "valid-until": rfc822(p.NotAfter), "serial": strings.ToUpper(p.Serial), "sha256-fingerprint": p.SHA256,
		}
	}
	if len(pairs) == 0 {
		return object{}
	}
	from, until := pairs[0].NotBefore, pairs[0].NotAfter
	cert := object{}
	for _, p := range pairs {
		if p.NotBefore.After(from) {
			from = p.NotBefore
		}
		if p.NotAfter.Before(until) {
			until = p.NotAfter
		}
		one := object{"valid": valid(p.NotBefore, p.NotAfter), "serial": strings.ToUpper(p.Serial), "sha256-fingerprint": p.SHA256}
		if p.CA != "" {
			one["issuer-name"] = p.CA
		}
		if p.CertID != "" {
			one["ari-cert-id"] = p.CertID
		}
		if o := p.OCSP; o != nil {
			one["ocsp"] = object{"status": mdOCSP(o.State), "valid": valid(o.ThisUpdate, o.Until)}
		}
		cert[mdKeyName(p.KeyType)] = one
	}
	cert["valid"] = valid(from, until)
	return cert
}

// mdFailed is APR's number for an error that has no other (APR_EGENERAL).
const mdFailed = 20014

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mdRenewal is what is under way, or failed; nil where nothing is.
func mdRenewal(c status.Certificate, staged []plan.Pair, shape mdShape) object {
	if !c.Renewing() && len(staged) == 0 {
		return nil
	}
	finished := len(staged) > 0 // and told, as issued
	renewal := object{"name": c.Name, "finished": finished, "notified": finished, "notified-renewed": finished, "errors": 0, "cert": object{}}
	if finished {
		begins, made := staged[0].NotBefore, staged[0].Made
		for _, p := range staged {
			begins, made = latest(begins, p.NotBefore), latest(made, p.Made)
		}
		renewal["cert"], renewal["valid-from"], renewal["last-run"] = mdCert(pairsOf(staged), shape), rfc822(begins), rfc822(made)
		renewal["last"] = object{"status": 0, "valid-from": rfc822(begins)}
	}
	if len(c.Attempts) == 0 {
		return renewal
	}
	a := c.Attempts[0]
	renewal["errors"], renewal["last-run"] = a.Count, rfc822(a.Last)
	if !a.Next.IsZero() {
		renewal["next-run"] = rfc822(a.Next)
	}
	if a.Fault != nil {
		renewal["last"] = object{
			"status": mdFailed, "status-description": a.Fault.Words,
			"problem": string(a.Fault.Code), "detail": strings.Join(append([]string{a.Fault.Words}, a.Fault.Detail...), "; "),
		}
	}
	return renewal
}

// successor is what is to come into force, which is empty until it is there.
func successor(staged []status.Pair, shape mdShape) object {
	switch {
	case len(staged) == 0:
		return object{"cert": object{}}
	case shape == md2019:
		return mdCert(staged, shape)
	}
	return object{"cert": mdCert(staged, shape)}
}

// pairsOf are pairs as they are shown.
func pairsOf(pairs []plan.Pair) []status.Pair {
	all := make([]status.Pair, 0, len(pairs))
	for _, p := range pairs {
		all = append(all, status.Pair{KeyType: p.KeyType, CA: p.CA, NotBefore: p.NotBefore, NotAfter: p.NotAfter, Serial: p.Serial, SHA256: p.SHA256, CertID: p.CertID})
	}
	return all
}

// mdKeyName is under what mod_md files a kind of key.
func mdKeyName(keyType string) string {
	family, _, _ := strings.Cut(keyType, "-")
	curve := map[string]string{"ecdsa-p256": "secp256r1", "ecdsa-p384": "secp384r1", "ecdsa-p521": "secp521r1"}[keyType]
	return cmp.Or(curve, family)
}

// mdKeys are the kinds of key that are wanted: one, or a list.
func mdKeys(types []string) any {
	all := make([]object, 0, len(types))
	for _, t := range types {
		family, size, _ := strings.Cut(t, "-")
		if family == "rsa" {
			all = append(all, object{"type": "RSA", "bits": json.Number(size)})
			continue
		}
		all = append(all, object{"type": "EC", "curve": mdKeyName(t)})
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func mdOCSP(state string) string {
	switch state {
	case status.OCSPGood, status.OCSPRevoked:
		return state
	}
	return "unknown"
}
