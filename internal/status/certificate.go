package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// certificate tells how one certificate is.
func certificate(now time.Time, w plan.World, want plan.WantedCert) Certificate {
	known := w.Known.Cert(want.Name)
	version, published := known.Version(known.Published)
	c := Certificate{
		Name: want.Name, Names: list(want.Names), Issuers: list(want.Issuers), KeyTypes: list(want.KeyTypes), Mode: cmp.Or(string(want.Mode), "auto"),
		Published: known.Published, Held: known.Held,
		Pairs: pairs(now, version, want, known), Orders: orders(known), Targets: targets(want, known),
		Problems: problems(now, w, want), Failure: failure(known),
		Renewal: renewal(now, w, want, known), Keys: keys(w, want), Attempts: attempts(now, known),
	}
	if published {
		serving := version.Serving(want.KeyTypes)
		c.NotBefore, c.NotAfter = serving.Pairs[0].NotBefore.UTC(), serving.NotAfter().UTC()
	}
	if f := c.Failure; f != nil && !c.has(f.Code) {
		c.Failure = nil // of something that is no longer wanted
	}
	c.Authorized = authorized(want, known)
	c.missing = !published && !want.Authorize && (known.Withdrawn == "" || c.Failure != nil)
	c.ended = published && !c.NotAfter.After(now)
	c.wrong = c.has(plan.CodeVerifyWrong)
	c.State = c.state(known.Damage != "")
	return c
}

// state is that of the worst problem. How bad each is, plan decides.
func (c Certificate) state(damaged bool) State {
	switch {
	case damaged:
		return Unknown
	case slices.ContainsFunc(c.Problems, func(p plan.Problem) bool { return p.Severity == plan.Critical }):
		return Critical
	case len(c.Problems) > 0:
		return Warning
	}
	return OK
}

// authorized are the names that are kept proven without a certificate.
func authorized(want plan.WantedCert, known *plan.KnownCert) []Authorized {
	if !want.Authorize {
		return nil
	}
	all := make([]Authorized, 0, len(want.Names))
	for _, name := range want.Names {
		a := known.Authorized[name]
		all = append(all, Authorized{Name: name, Issuer: a.Issuer, Expires: a.Expires.UTC()})
	}
	return all
}

// has reports whether a problem of that code is among the certificate's.
func (c Certificate) has(code plan.Code) bool {
	return slices.ContainsFunc(c.Problems, func(p plan.Problem) bool { return p.Code == code })
}

func pairs(now time.Time, v plan.Version, want plan.WantedCert, known *plan.KnownCert) []Pair {
	all := make([]Pair, 0, len(v.Pairs))
	for _, p := range v.Pairs {
		all = append(all, Pair{
			KeyType: p.KeyType, Issuer: p.Issuer, CA: p.CA, NotBefore: p.NotBefore.UTC(), NotAfter: p.NotAfter.UTC(),
			Serial: p.Serial, SHA256: p.SHA256, Key: p.Key, Names: list(p.Request.Names), Made: p.Made.UTC(), CertID: p.CertID,
			OCSP: ocspOf(now, p, want, known), SCTs: sctsOf(want, known.ReceiptsOf(p)),
			Advice: adviceOf(p, want, known),
		})
	}
	return all
}

func orders(k *plan.KnownCert) []Order {
	all := make([]Order, 0, len(k.Orders))
	for keyType, o := range k.Orders {
		if o.URL == "" {
			continue // prepared here; no CA knows of it
		}
		keyType, _, _ = strings.Cut(keyType, "@") // behind it stands where it was put aside
		all = append(all, Order{KeyType: keyType, Issuer: o.Issuer, Created: o.Created.UTC(), Expires: o.Expires.UTC(), Reason: o.Reason})
	}
	slices.SortFunc(all, func(a, b Order) int {
		return cmp.Or(cmp.Compare(a.KeyType, b.KeyType), a.Created.Compare(b.Created))
	})
	return all
}

func targets(want plan.WantedCert, k *plan.KnownCert) []Target {
	all := make([]Target, 0, len(want.Targets))
	for _, wanted := range want.Targets {
		fact := k.Targets[wanted.Name]
		t := Target{
			Name: wanted.Name, State: string(fact.State), Version: fact.Version, At: fact.At.UTC(),
			Current:  fact.Version != "" && fact.Version == k.Published,
			Services: list(wanted.Services), Files: make([]string, 0, len(fact.Files)), Verify: verify(fact.Verify),
		}
		if fact.Awaits != nil {
			t.Awaits = fact.Awaits.Since.UTC()
		}
		if t.State == "" {
			t.State = string(plan.TargetPending)
		}
		for _, f := range fact.Files {
			t.Files = append(t.Files, f.Path)
		}
		all = append(all, t)
	}
	return all
}

func verify(fact plan.VerifyFact) *Verify {
	if fact.At.IsZero() || len(fact.Results) == 0 {
		return nil
	}
	v := Verify{Verdict: string(plan.WorstVerdict(fact.Results)), At: fact.At.UTC(), Version: fact.Version}
	for _, r := range fact.Results {
		v.Results = append(v.Results, Endpoint{Endpoint: r.Endpoint, KeyType: r.KeyType, Verdict: string(r.Verdict), Words: r.Words})
	}
	return &v
}

// problems are plan's, with lists that are never null in JSON.
func problems(now time.Time, w plan.World, want plan.WantedCert) []plan.Problem {
	all := plan.CertProblems(now, w, want)
	for i := range all {
		all[i].Since = all[i].Since.UTC()
	}
	slices.SortStableFunc(all, func(a, b plan.Problem) int {
		return rank(stateOf(b.Severity)) - rank(stateOf(a.Severity))
	})
	return list(all)
}

// failure is the latest failure that still counts.
func failure(k *plan.KnownCert) *Failure {
	var last *plan.Fault
	consider := func(t plan.Tries) {
		if t.Count > 0 && t.Fault != nil && (last == nil || t.Fault.At.After(last.At)) {
			last = t.Fault
		}
	}
	for _, t := range k.Tries {
		consider(t)
	}
	for _, r := range k.Revocations {
		consider(r.Tries)
	}
	for _, t := range k.TLSA {
		consider(t.Tries)
	}
	for _, s := range k.OCSP {
		consider(s.Tries)
	}
	for _, r := range k.SCT {
		for _, log := range r.Logs {
			consider(log.Tries)
		}
	}
	for _, t := range k.Targets {
		consider(t.Tries)
		for _, hook := range t.HookTries {
			consider(hook)
		}
		consider(t.Verify.Tries)
	}
	if last == nil {
		return nil
	}
	return &Failure{Code: last.Code, At: last.At.UTC(), Words: last.Words, Detail: list(last.Detail), Remedy: last.Code.Remedy()}
}

// renewal is the next step that brings a new version.
func renewal(now time.Time, w plan.World, want plan.WantedCert, known *plan.KnownCert) *Renewal {
	if want.Static() {
		return nil // nobody knows when somebody else will
	}
	looked := *known
	looked.Looked = true // adoption costs nothing and is not what people wait for
	byHand := want.Mode == plan.ModeManual
	want.Mode = plan.ModeAuto // what would be done, whoever begins it
	alone := w.Around(want, &looked)
	var next *plan.Step
	for _, s := range append(plan.Cert(now, alone, want), switches(now, w, alone, want)...) {
		if (brings(s.Kind) || s.Kind == plan.KindSwitch) && (next == nil || s.At.Before(next.At)) {
			next = &s
		}
	}
	if next == nil {
		return nil
	}
	if byHand && next.Kind == plan.KindIssue && !next.Asked {
		next.Reason.Words += "; only when asked (mode: manual)"
	}
	return &Renewal{At: next.At.UTC(), KeyType: next.KeyType, Issuer: next.Issuer, Reason: next.Reason}
}

// switches are the steps of a change of keys under way, as far as it depends on
// one certificate: it may be there already, and wait for DNS.
func switches(now time.Time, w, alone plan.World, want plan.WantedCert) []plan.Step {
	if want.Keys == "" || w.Known.KeysOf(want.Keys).Rolling == nil {
		return nil
	}
	i := slices.IndexFunc(w.Wanted.Keys, func(k plan.WantedKeys) bool { return k.Name == want.Keys })
	if i < 0 {
		return nil
	}
	return plan.Keys(now, alone, w.Wanted.Keys[i])
}

// brings reports whether a step publishes something new.
func brings(k plan.Kind) bool {
	switch k {
	case plan.KindIssue, plan.KindResume, plan.KindPublish, plan.KindAdopt, plan.KindTakeOver, plan.KindAuthorize, plan.KindReadmit:
		return true
	}
	return false
}

// list returns a list that is [] in JSON when there is nothing in it.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
