package plan

import (
	"fmt"
	"slices"
	"time"
)

// RevocationReason says why a certificate is to be revoked, in the words of
// RFC 5280 section 5.3.1.
type RevocationReason string

// The reasons that ACME CAs accept.
const (
	RevokeUnspecified  RevocationReason = "unspecified"
	RevokeCompromise   RevocationReason = "keyCompromise"
	RevokeAffiliation  RevocationReason = "affiliationChanged"
	RevokeSuperseded   RevocationReason = "superseded"
	RevokeCessation    RevocationReason = "cessationOfOperation"
	RevokePrivilegeEnd RevocationReason = "privilegeWithdrawn"
)

// RevocationReasons lists them.
func RevocationReasons() []RevocationReason {
	return []RevocationReason{RevokeUnspecified, RevokeCompromise, RevokeAffiliation, RevokeSuperseded, RevokeCessation, RevokePrivilegeEnd}
}

// Number is the reason's code in RFC 5280.
func (r RevocationReason) Number() int {
	switch r {
	case RevokeCompromise:
		return 1
	case RevokeAffiliation:
		return 3
	case RevokeSuperseded:
		return 4
	case RevokeCessation:
		return 5
	case RevokePrivilegeEnd:
		return 9
	}
	return 0
}

// Revocation is one certificate whose end a person asked for. It is stored
// before the CA hears of it, and dropped once the CA has revoked it.
type Revocation struct {
	SHA256 string           `json:"sha256"` // of the leaf's DER
	Reason RevocationReason `json:"reason"`
	First  bool             `json:"first,omitempty"` // before its replacement is in place
	// Withdraw is set where it is served no more afterwards; see KnownCert.Withdraw.
	Withdraw bool      `json:"withdraw,omitempty"`
	At       time.Time `json:"at"`
	Tries    Tries     `json:"tries,omitzero"`
}

// Ban is why a key is never used again: a person said that it is compromised.
// Whatever is served on it is replaced, and every certificate on it revoked.
type Ban struct {
	At    time.Time `json:"at"`
	First bool      `json:"first,omitempty"` // its certificates are revoked before they are replaced
	Cert  string    `json:"certificate,omitempty"`
	// Withdraw is set where its certificates are served no more afterwards.
	Withdraw bool `json:"withdraw,omitempty"`
}

// Revoke takes note that a person wants certificates to be revoked, as wish
// says. See ToRevoke for which.
func (k *KnownCert) Revoke(now time.Time, wish Revocation, banned map[string]Ban) {
	for _, p := range k.ToRevoke(now, banned) {
		i := slices.IndexFunc(k.Revocations, func(r Revocation) bool { return r.SHA256 == p.SHA256 })
		if i < 0 {
			i = len(k.Revocations)
			k.Revocations = append(k.Revocations, Revocation{SHA256: p.SHA256})
		}
		r := &k.Revocations[i]
		r.Reason, r.First, r.Withdraw, r.At = wish.Reason, wish.First, wish.Withdraw, now
	}
}

// ToRevoke is what a wish to revoke is about: the certificates whose
// revocation is under way, so that a wish that is repeated never falls upon
// their replacement; else those that are published.
func (k *KnownCert) ToRevoke(now time.Time, banned map[string]Ban) []Pair {
	var pairs []Pair
	for _, r := range k.revocations(now, banned) {
		if p, _, ok := k.bearer(r.SHA256); ok && p.NotAfter.After(now) {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) > 0 {
		return pairs
	}
	version, _ := k.Version(k.Published)
	return slices.DeleteFunc(slices.Clone(version.Pairs), func(p Pair) bool { return p.Revoked || !p.NotAfter.After(now) })
}

// OnKeys reports whether some version that has not ended has one of the keys.
func (k *KnownCert) OnKeys(now time.Time, fingerprints []string) bool {
	return slices.ContainsFunc(k.Versions, func(v Version) bool {
		return slices.ContainsFunc(v.Pairs, func(p Pair) bool { return slices.Contains(fingerprints, p.Key) && p.NotAfter.After(now) })
	})
}

// IsToBeRevoked reports whether a person asked for the certificate's end.
func (k *KnownCert) IsToBeRevoked(p Pair) bool {
	return slices.ContainsFunc(k.Revocations, func(r Revocation) bool { return r.SHA256 == p.SHA256 })
}

// bearer is the newest version that has a certificate.
func (k *KnownCert) bearer(sha256 string) (Pair, string, bool) {
	for _, v := range slices.Backward(k.Versions) {
		for _, p := range v.Pairs {
			if p.SHA256 == sha256 {
				return p, v.ID, true
			}
		}
	}
	return Pair{}, "", false
}

// revocations are those under way: what was asked for, and every certificate
// on a banned key that was not revoked yet.
func (k *KnownCert) revocations(now time.Time, banned map[string]Ban) []Revocation {
	all := slices.Clone(k.Revocations)
	if len(banned) == 0 {
		return all
	}
	for _, v := range k.Versions {
		for _, p := range v.Pairs {
			ban, ok := banned[p.Key]
			if !ok || p.Revoked || !p.NotAfter.After(now) {
				continue
			}
			i := slices.IndexFunc(all, func(r Revocation) bool { return r.SHA256 == p.SHA256 })
			if i < 0 {
				i = len(all)
				all = append(all, Revocation{SHA256: p.SHA256, At: ban.At})
			}
			all[i].Reason, all[i].First, all[i].Withdraw = RevokeCompromise, ban.First, ban.Withdraw
		}
	}
	return all
}

// TryRevoke counts an attempt to revoke a certificate before it is made.
func (k *KnownCert) TryRevoke(now time.Time, jitter float64, r Revocation, issuer string) {
	i := slices.IndexFunc(k.Revocations, func(old Revocation) bool { return old.SHA256 == r.SHA256 })
	if i < 0 { // on a banned key: the ban is what asks for it
		i = len(k.Revocations)
		k.Revocations = append(k.Revocations, r)
	}
	k.Revocations[i].Tries = k.Revocations[i].Tries.Begin(now, jitter)
	k.Revocations[i].Tries.Issuer = issuer
}

// Revoking changes the attempts to revoke a certificate, where it is still to
// be revoked.
func (k *KnownCert) Revoking(sha256 string, change func(Tries) Tries) {
	for i := range k.Revocations {
		if r := &k.Revocations[i]; r.SHA256 == sha256 && r.Tries.Open {
			r.Tries = change(r.Tries)
		}
	}
}

// WasRevoked takes note that certificates were revoked, in every version that
// has them.
func (k *KnownCert) WasRevoked(sha256 string) {
	for i := range k.Versions {
		for j := range k.Versions[i].Pairs {
			if p := &k.Versions[i].Pairs[j]; p.SHA256 == sha256 {
				p.Revoked = true
			}
		}
	}
	k.DropRevocations([]string{sha256})
}

// DropRevocations forgets that certificates are to be revoked.
func (k *KnownCert) DropRevocations(sha256 []string) {
	k.Revocations = slices.DeleteFunc(k.Revocations, func(r Revocation) bool { return slices.Contains(sha256, r.SHA256) })
	if len(k.Revocations) == 0 {
		k.Revocations = nil
	}
}

// banned reports whether a key must not be used again.
func (d *decision) banned(key string) bool {
	_, ok := d.world.Known.Banned[key]
	return ok
}

// revoking reports whether a certificate is to be revoked.
func (d *decision) revoking(p Pair) bool { return d.known.IsToBeRevoked(p) }

// pending reports whether some certificate of a version is still to be revoked.
func (d *decision) pending(v Version) bool {
	return slices.ContainsFunc(v.Pairs, func(p Pair) bool {
		return !p.Revoked && (d.banned(p.Key) || d.revoking(p)) && !d.known.outlived(p)
	})
}

// outlived reports whether a certificate has ended by the clock of a CA, which
// signed another one that began later. What a person wanted of it is forgotten
// only then: by the clock of this machine, were it ahead for a while, all would
// have ended.
func (k *KnownCert) outlived(p Pair) bool {
	return slices.ContainsFunc(k.Versions, func(v Version) bool {
		return slices.ContainsFunc(v.Pairs, func(other Pair) bool { return other.NotBefore.After(p.NotAfter) })
	})
}

// Recall marks the pair of a certificate, by its name in renewal information,
// where its CA moved the window from where it was into the past: so it says that
// it is to be replaced at once, as before it revokes it (RFC 9773 section 4.2).
func (k *KnownCert) Recall(before, after Advice, now time.Time) {
	if before.CertID != after.CertID || before.Start.IsZero() || !after.End.Before(before.Start) || !after.End.Before(now) {
		return
	}
	for i, v := range k.Versions {
		for j, p := range v.Pairs {
			if p.CertID == after.CertID && p.CertID != "" {
				k.Versions[i].Pairs = slices.Clone(v.Pairs)
				k.Versions[i].Pairs[j].Recalled = true
			}
		}
	}
}

// doomed says why a pair must not be served any longer than it has to.
func (d *decision) doomed(p Pair) (Reason, bool) {
	switch {
	case p.Revoked:
		return Reason{ReasonRevoked, "the certificate was revoked"}, true
	case d.banned(p.Key):
		return Reason{ReasonBanned, "its key was said to be compromised"}, true
	case d.revoking(p):
		return Reason{ReasonRevoke, "its revocation was asked for"}, true
	}
	return Reason{}, false
}

// pressing reports whether a pair must not be served any longer than it has to,
// or its CA wants it replaced at once: then nothing of ours is waited for.
func (d *decision) pressing(p Pair) bool {
	_, doomed := d.doomed(p)
	return doomed || p.Recalled
}

// replaces reports whether a reason to order speaks of a revocation.
func replaces(code ReasonCode) bool { return code == ReasonBanned || code == ReasonRevoke }

// revoke adds the revocations that may be asked of the CA now: those that a
// person wants before anything else, or the others, each once its certificate
// is served no more.
func (d *decision) revoke(first bool) {
	if d.known.Damage != "" {
		return
	}
	for _, r := range d.known.revocations(d.now, d.world.Known.Banned) {
		p, version, ok := d.known.bearer(r.SHA256)
		switch {
		case r.First != first:
		case !ok || p.Revoked || d.known.outlived(p):
			d.add(Step{Kind: KindRevoke, Drop: []string{r.SHA256}, Asked: true, Reason: Reason{ReasonExpired, "nothing is left to revoke"}})
		case !p.NotAfter.After(d.now): // by this machine's clock, which may be wrong
		case first || d.replaced(p):
			d.revokeNow(r, p, version)
		}
	}
}

func (d *decision) revokeNow(r Revocation, p Pair, version string) {
	step := Step{
		Kind: KindRevoke, KeyType: p.KeyType, Version: version, Issuer: d.revoker(r, p), Asked: true, Revocation: r.Reason, Withdraw: r.Withdraw,
		Reason: Reason{ReasonAsked, fmt.Sprintf("revocation was asked for (%s), and its replacement is in place", r.Reason)},
	}
	if r.First {
		step.Reason.Words = fmt.Sprintf("revocation was asked for (%s), at once", r.Reason)
	}
	if wait := r.Tries.ownWait(d.now); !d.skipsBackoff(r.Tries) && wait.After(step.At) {
		step.At = wait
		step.Reason.Words += fmt.Sprintf("; waits after %s", failures(r.Tries.Count))
	}
	if wait := later(d.world.Known.Issuers[step.Issuer].mute(d.now), r.Tries.imposed(step.Issuer, d.now)); wait.After(step.At) {
		step.At = wait
		step.Reason.Words += d.waitWords(step.Issuer, r.Tries)
	}
	d.add(step)
}

// revoker is whom to ask: who issued it. Of a certificate that was found at a
// target that is not known, and each attempt asks the next CA.
func (d *decision) revoker(r Revocation, p Pair) string {
	if p.Issuer != "" || len(d.want.Issuers) == 0 {
		return p.Issuer
	}
	n := r.Tries.Count
	if r.Tries.Open && r.Tries.Crashed == 0 {
		n-- // it was killed, and is made up for
	}
	return d.want.Issuers[n%len(d.want.Issuers)]
}

// replaced reports whether a certificate is served no more: what is published
// lacks it, is installed at every target, and was shown by a handshake where
// one could be made.
func (d *decision) replaced(p Pair) bool {
	if !d.has || slices.ContainsFunc(d.current.Serving(d.want.KeyTypes).Pairs, func(now Pair) bool { return now.SHA256 == p.SHA256 }) {
		return false
	}
	for _, target := range d.want.Targets {
		fact := d.known.Targets[target.Name]
		if _, behind := d.lags(fact, target, d.current); behind || fact.Awaits != nil || target.Verify && !shown(fact, d.current) {
			return false
		}
	}
	return true
}

// shown reports whether handshakes were made for a version, and none of them
// showed another one.
func shown(fact Target, v Version) bool {
	return fact.Verify.Version == v.ID && !slices.ContainsFunc(fact.Verify.Results, func(r Result) bool { return r.Verdict == VerdictWrong })
}

// revocations tells of those that are not done.
func (d *diagnosis) revocations() {
	for _, r := range d.known.revocations(d.now, d.world.Known.Banned) {
		p, _, ok := d.known.bearer(r.SHA256)
		if !ok || !p.NotAfter.After(d.now) {
			continue
		}
		if tries := r.Tries; tries.Count > 0 && tries.Fault != nil {
			d.add(tries.Fault.Code, "", tries.Fault.Words, tries.Fault.Detail, tries.Fault.At)
			continue
		}
		d.add(CodeRevoking, "", fmt.Sprintf("certificate %s is to be revoked (%s) and was not yet", p.Serial, r.Reason), nil, r.At)
	}
}
