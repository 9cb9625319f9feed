package status

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Forecast is what will be done, as far as it can be known now.
type Forecast struct {
	Time   time.Time `json:"time"`
	Until  time.Time `json:"until"`
	Node   string    `json:"node"`
	Steps  []Step    `json:"steps"`
	Spends []Spend   `json:"spends"` // of these steps
	// Truncated says that more would come after the last step.
	Truncated bool `json:"truncated,omitempty"`
}

// Step is one thing that will be done.
type Step struct {
	Kind        plan.Kind   `json:"kind"`
	Certificate string      `json:"certificate"`    // "" where the step is about keys
	Keys        string      `json:"keys,omitempty"` // that outlive certificates
	KeyType     string      `json:"key_type,omitempty"`
	Target      string      `json:"target,omitempty"`
	Version     string      `json:"version,omitempty"`
	Issuer      string      `json:"issuer,omitempty"`
	Hook        string      `json:"hook,omitempty"`
	From        string      `json:"from,omitempty"`  // the stored certificate that is taken over
	Names       []string    `json:"names,omitempty"` // to be proven without a certificate
	Name        string      `json:"name,omitempty"`  // in DNS
	Log         string      `json:"log,omitempty"`
	At          time.Time   `json:"at"`
	Due         bool        `json:"due"`               // now
	Follows     bool        `json:"follows"`           // depends on the steps before it
	Perhaps     bool        `json:"perhaps,omitempty"` // needed only where nothing is found to adopt
	Routine     bool        `json:"routine"`           // changes nothing that is served
	Reason      plan.Reason `json:"reason"`
	Asked       bool        `json:"asked"`
	Urgent      bool        `json:"urgent"`
	Spends      []string    `json:"spends,omitempty"`  // what it takes of the CA's limits
	Limited     bool        `json:"limited,omitempty"` // it waits for one of them
}

// Spend is what steps take from a CA's limits.
type Spend struct {
	Issuer   string `json:"issuer"`
	Orders   int    `json:"orders"`
	Names    int    `json:"names"`
	Replaces int    `json:"replaces"`          // of the orders: renewals that name what they replace (RFC 9773 section 5)
	AtMost   bool   `json:"at_most,omitempty"` // some of these may not be needed
}

// most bounds the renewals of one pair that a forecast foresees.
const most = 1000

// Foresee tells what is due and what comes next, up to and including until,
// of the named certificates, or of all when none are named.
// Renewals after the next one are foreseen as if each certificate lived as
// long as the one before.
func Foresee(now time.Time, w plan.World, until time.Time, names ...string) Forecast {
	return foresee(now, w, until, math.MaxInt, names)
}

// foresee is Foresee for the first steps alone, of which there are as many as
// limit says, or a few less. It holds twice as many at once, and what one brings.
func foresee(now time.Time, w plan.World, until time.Time, limit int, names []string) Forecast {
	f := Forecast{Time: now.UTC(), Until: until.UTC(), Node: w.Wanted.Node, Steps: []Step{}}
	wanted := make(map[string]plan.WantedCert, len(w.Wanted.Certs))
	for _, want := range w.Wanted.Certs {
		wanted[want.Name] = want
	}
	planned := plan.Make(now, w)
	for _, s := range planned {
		if s.At.After(until) || len(names) > 0 && !concerns(w, s, names) {
			continue
		}
		f.Steps = append(f.Steps, step(now, s, false))
		for _, next := range slices.Concat(follow(s, wanted[s.Cert], w.Known.Certs[s.Cert], until), rolled(s, w, planned)) {
			if next.Kind == plan.KindRevoke && revoked(planned, next) || next.Kind == plan.KindIssue && s.Kind == plan.KindAdopt && inherited(planned, s.Cert) {
				continue
			}
			follows := step(now, next, true)
			follows.Perhaps = s.Kind == plan.KindAdopt
			f.Steps = append(f.Steps, follows)
		}
		if len(f.Steps)/2 >= limit {
			f.cut(limit)
			until = f.Steps[limit-1].At // what comes after the last one would be cut, too
		}
	}
	f.cut(limit)
	f.Steps = onlyLast(f.Steps)
	f.Spends = spends(f.Steps, wanted, w.Known.Certs)
	return f
}

// cut puts the steps in order, and keeps the first of them.
func (f *Forecast) cut(limit int) {
	// What follows stays behind its step: both are at the same instant.
	slices.SortStableFunc(f.Steps, func(a, b Step) int {
		if a.Due && b.Due {
			return 0 // plan's order: most urgent first
		}
		return a.At.Compare(b.At)
	})
	if len(f.Steps) > limit {
		f.Steps, f.Truncated = f.Steps[:limit], true
	}
}

// concerns reports whether a step has to do with one of some certificates.
func concerns(w plan.World, s plan.Step, names []string) bool {
	if s.Keys == "" {
		return slices.Contains(names, s.Cert)
	}
	return slices.ContainsFunc(w.Wanted.Certs, func(c plan.WantedCert) bool { return c.Keys == s.Keys && slices.Contains(names, c.Name) })
}

// revoked reports whether a plan has the revocation that would follow: it is
// asked for before the replacement.
func revoked(planned []plan.Step, next plan.Step) bool {
	return slices.ContainsFunc(planned, func(s plan.Step) bool {
		return s.Kind == plan.KindRevoke && s.Cert == next.Cert && s.KeyType == next.KeyType
	})
}

// inherited reports whether a stored certificate is there to be taken over, so
// that no order follows where nothing is found at the target.
func inherited(planned []plan.Step, cert string) bool {
	return slices.ContainsFunc(planned, func(s plan.Step) bool { return s.Kind == plan.KindTakeOver && s.Cert == cert })
}

// onlyLast drops what follows from several steps at one instant but once: two
// key types are installed together.
func onlyLast(steps []Step) []Step {
	type what struct {
		kind               plan.Kind
		cert, target, hook string
		at                 time.Time
	}
	seen := map[what]bool{}
	kept := make([]Step, 0, len(steps))
	for _, s := range slices.Backward(steps) {
		k := what{s.Kind, s.Certificate, s.Target, s.Hook, s.At}
		if s.Follows && s.Kind != plan.KindIssue && s.Kind != plan.KindRevoke {
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		kept = append(kept, s)
	}
	slices.Reverse(kept)
	return kept
}

func step(now time.Time, s plan.Step, follows bool) Step {
	return Step{
		Kind: s.Kind, Certificate: s.Cert, Keys: s.Keys, KeyType: s.KeyType, Target: s.Target, Version: s.Version, Issuer: s.Issuer, Hook: s.Hook, From: s.From, Names: s.Names, Name: s.Name, Log: s.Log,
		At: s.At.UTC(), Due: s.Due(now), Follows: follows, Routine: routine(s), Reason: s.Reason, Asked: s.Asked, Urgent: s.Urgent, Spends: s.Spends, Limited: s.Limited,
	}
}

// routine reports whether a step only looks, or tidies up.
func routine(s plan.Step) bool {
	switch s.Kind {
	case plan.KindInspect, plan.KindAdvice, plan.KindCleanUp, plan.KindPrune, plan.KindAnswer, plan.KindLookTLSA:
		return true
	case plan.KindVerify, plan.KindInstall, plan.KindOCSP, plan.KindCRL, plan.KindTakeIn, plan.KindHook:
		return s.Reason.Code == plan.ReasonRoutine
	}
	return false
}

// follow lists the steps that a step will make due, and its repetitions.
func follow(s plan.Step, want plan.WantedCert, known *plan.KnownCert, until time.Time) []plan.Step {
	if !brings(s.Kind) || s.Rolled {
		return nil // what is rolled waits for the switch of keys
	}
	var all []plan.Step
	if s.Kind == plan.KindAdopt {
		for _, keyType := range want.KeyTypes {
			issue := plan.Step{Kind: plan.KindIssue, Cert: s.Cert, KeyType: keyType, At: s.At, Until: s.Until, Urgent: s.Urgent}
			issue.Issuer = first(want.Issuers)
			issue.Reason = plan.Reason{Code: s.Reason.Code, Words: "unless a valid pair is found at the target"}
			all = append(all, issue)
		}
	}
	all = append(all, installs(s, want)...)
	if code := s.Reason.Code; code == plan.ReasonRevoke || code == plan.ReasonBanned {
		all = append(all, plan.Step{
			Kind: plan.KindRevoke, Cert: s.Cert, KeyType: s.KeyType, Issuer: s.Issuer, At: s.At, Asked: true, Urgent: s.Urgent,
			Reason: plan.Reason{Code: plan.ReasonAsked, Words: "as soon as the replacement is in place"},
		})
	}
	return append(all, renewals(s, want, known, until)...)
}

// installs are the installations and handshakes that a new version needs.
func installs(s plan.Step, want plan.WantedCert) []plan.Step {
	var all []plan.Step
	after := plan.Reason{Code: plan.ReasonBehind, Words: "as soon as the new version is published"}
	for _, t := range want.Targets {
		all = append(all, plan.Step{Kind: plan.KindInstall, Cert: s.Cert, Target: t.Name, At: s.At, Reason: after, Urgent: s.Urgent, Asked: s.Asked})
		for _, h := range t.Hooks {
			all = append(all, plan.Step{Kind: plan.KindHook, Cert: s.Cert, Target: t.Name, Hook: h, At: s.At, Reason: after, Urgent: s.Urgent, Asked: s.Asked})
		}
		if t.Verify {
			all = append(all, plan.Step{Kind: plan.KindVerify, Cert: s.Cert, Target: t.Name, At: s.At, Reason: after, Urgent: s.Urgent, Asked: s.Asked})
		}
	}
	for _, c := range want.Companions {
		all = append(all, plan.Step{Kind: plan.CompanionKind(c.Name), Cert: s.Cert, Target: c.Name, At: s.At, Reason: after, Urgent: s.Urgent, Asked: s.Asked})
	}
	return all
}

// renewals foresees those that come after s, which brings a pair of one key
// type. Nothing is foreseen of a certificate whose lifetime is not known yet.
func renewals(s plan.Step, want plan.WantedCert, known *plan.KnownCert, until time.Time) []plan.Step {
	if s.KeyType == "" || known == nil {
		return nil
	}
	version, _ := known.Version(known.Published)
	was, ok := version.Pair(s.KeyType)
	if !ok || was.Lifetime() <= 0 {
		return nil
	}
	var all []plan.Step
	made := s.At
	for range most {
		pair := plan.Pair{KeyType: s.KeyType, NotBefore: made, NotAfter: made.Add(was.Lifetime())}
		next, why := plan.RenewAt(pair, nil, want.Renew)
		next, _, words := want.Maintenance.Put(next, pair.NotAfter.Add(-plan.WarnBefore(pair, want.Warn)))
		why.Words += words
		if !next.After(made) || next.After(until) {
			break
		}
		renew := plan.Step{Kind: plan.KindIssue, Cert: s.Cert, KeyType: s.KeyType, Issuer: s.Issuer, At: next, Reason: why}
		all = append(all, renew)
		all = append(all, installs(renew, want)...)
		made = next
	}
	return all
}

// spends sums up the orders. An adoption counts as the order that it may
// save, so that the sum is never too low.
func spends(steps []Step, wanted map[string]plan.WantedCert, known map[string]*plan.KnownCert) []Spend {
	by := map[string]*Spend{}
	for _, s := range steps {
		if s.Kind != plan.KindIssue && s.Kind != plan.KindAuthorize {
			continue
		}
		if by[s.Issuer] == nil {
			by[s.Issuer] = &Spend{Issuer: s.Issuer}
		}
		by[s.Issuer].Orders++
		by[s.Issuer].AtMost = by[s.Issuer].AtMost || s.Perhaps
		if s.Kind == plan.KindAuthorize {
			by[s.Issuer].Names += len(s.Names)
			continue
		}
		by[s.Issuer].Names += len(wanted[s.Certificate].Names)
		if replaces(s, wanted[s.Certificate], known[s.Certificate]) {
			by[s.Issuer].Replaces++
		}
	}
	all := make([]Spend, 0, len(by))
	for _, s := range by {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Spend) int { return cmp.Compare(a.Issuer, b.Issuer) })
	return all
}

// replaces reports whether an order can name the certificate it replaces:
// one of the same CA, which knows it by its id.
func replaces(s Step, want plan.WantedCert, known *plan.KnownCert) bool {
	if known == nil || !want.Renew.ARI {
		return false
	}
	version, _ := known.Version(known.Published)
	pair, ok := version.Pair(s.KeyType)
	return ok && pair.Issuer == s.Issuer && pair.CertID != ""
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
