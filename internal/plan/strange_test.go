package plan_test

import (
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// strange makes worlds of bytes: every field takes any value that a record
// could hold, sensible or not. What runs out of bytes stays empty.
type strange struct {
	bytes []byte
	now   time.Time
}

func (s *strange) pick(n int) int {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % n
}

func (s *strange) yes() bool { return s.pick(2) == 1 }

// one of some texts, the first one most simply.
func (s *strange) one(texts ...string) string { return texts[s.pick(len(texts))] }

// some of them, in their order.
func (s *strange) some(texts ...string) []string {
	var chosen []string
	for i, mask := 0, s.pick(256); i < len(texts); i++ {
		if mask>>i&1 == 1 {
			chosen = append(chosen, texts[i])
		}
	}
	return chosen
}

func (s *strange) span() time.Duration {
	spans := []time.Duration{
		0, time.Second, time.Minute, time.Minute + time.Second, time.Hour, days(1), days(6), days(7), days(30), days(90),
		days(365), days(36500), 1<<63 - 1,
	}
	d := spans[s.pick(len(spans))]
	if s.yes() {
		return -d
	}
	return d
}

func (s *strange) instant() time.Time {
	switch s.pick(6) {
	case 0:
		return time.Time{}
	case 1:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return s.now.Add(s.span()).Add(time.Duration(s.pick(256)) * time.Minute)
}

func (s *strange) fault() *plan.Fault {
	if s.yes() {
		return nil
	}
	code := plan.Code(s.one("", "ca-error", "dance"))
	return &plan.Fault{Code: code, Blame: plan.Blame(s.one("", "ca", "network", "admin", "us")), Words: "x", At: s.instant()}
}

func (s *strange) request() plan.Request {
	return plan.Request{
		Names: s.some("a", "b", "c"), CommonName: s.one("", "a", "b"), Profile: s.one("", "p"), MustStaple: s.yes(), CSR: s.one("", "csr"),
	}
}

func (s *strange) tries() plan.Tries {
	t := plan.Tries{
		Count: s.pick(8) - 1, Last: s.instant(), NotBefore: s.instant(), Ended: s.instant(), Imposed: s.instant(), ImposedBy: s.one("", "le", "corp"),
		Crashed: s.pick(4) - 1, Open: s.yes(), Fault: s.fault(), Issuer: s.one("le", "", "gone"),
	}
	if s.yes() {
		r := s.request()
		t.Request = &r
	}
	return t
}

func (s *strange) version(id string) plan.Version {
	v := plan.Version{ID: id, Created: s.instant(), Adopted: s.yes(), Broken: s.one("", "gone")}
	for range s.pick(3) {
		v.Pairs = append(v.Pairs, plan.Pair{
			KeyType: s.one(ec, rsa, ""), Key: s.one("k1", "k2", ""), Issuer: s.one("le", "corp", "gone", ""), Made: s.instant(),
			Request: s.request(), NotBefore: s.instant(), NotAfter: s.instant(), CertID: s.one("", "i1", "i2"), Misfit: s.one("", "odd"), Revoked: s.pick(5) == 1,
		})
	}
	return v
}

func (s *strange) target() plan.Target {
	t := plan.Target{
		Version: s.one("", "v1", "v2", "gone"), State: plan.TargetState(s.one("verified", "", "pending", "written", "reloaded", "odd")),
		Config: s.one("c1", "c2"), At: s.instant(), Hooks: s.some("installed", "gone"), Tries: s.tries(), HookTries: map[string]plan.Tries{"installed": s.tries()}, Altered: s.some("/x"),
		Verify: plan.VerifyFact{Version: s.one("v1", "v2", ""), At: s.instant(), Tries: s.tries()},
	}
	if s.yes() {
		t.Refused = &plan.Refused{Version: s.one("v1", "v2"), Config: s.one("c1", "c2"), RolledBack: s.yes()}
	}
	for _, hook := range s.some("installed", "gone") {
		set(&t.HookTries, hook, s.tries())
	}
	for range s.pick(3) {
		t.Verify.Results = append(t.Verify.Results, plan.Result{Verdict: plan.Verdict(s.one("right", "wrong", "unknown", ""))})
	}
	return t
}

func (s *strange) certificate() *plan.KnownCert {
	k := &plan.KnownCert{
		Published: s.one("v1", "v2", "", "gone"), Held: s.yes(), HeldAt: s.instant(), Looked: s.yes(), Inspected: s.instant(),
		Damage: s.one("", "", "", "cut off"), Newer: s.pick(16) == 1,
	}
	for _, id := range s.some("v1", "v2", "v3", "") {
		k.Versions = append(k.Versions, s.version(id))
	}
	for _, keyType := range s.some(ec, rsa) {
		set(&k.Tries, keyType, s.tries())
	}
	for _, keyType := range s.some(ec, rsa) {
		set(&k.Orders, keyType, plan.Order{
			Issuer: s.one("le", "corp", "gone"), Key: s.one("k1", ""), Request: s.request(), URL: s.one("u", ""), Created: s.instant(), Expires: s.instant(),
		})
	}
	for _, keyType := range s.some(ec, rsa) {
		set(&k.Advice, keyType, plan.Advice{
			CertID: s.one("i1", "i2", ""), Start: s.instant(), End: s.instant(), At: s.instant(), Asked: s.instant(), AskAgain: s.instant(), Missing: s.yes(),
		})
	}
	for _, kind := range s.some("apply", "renew", "verify", "restore", "release", "dance") {
		s.ask(k, plan.AskKind(kind))
	}
	for range s.pick(5) {
		k.Issued = append(k.Issued, plan.Issued{At: s.instant(), Names: s.some("a", "b"), KeyType: s.one(ec, rsa), Lifetime: s.span()})
	}
	for _, name := range s.some("default", "app", "gone") {
		set(&k.Targets, name, s.target())
	}
	for _, name := range s.some("default", "app") {
		set(&k.Vacant, name, s.yes())
	}
	return k
}

func (s *strange) ask(k *plan.KnownCert, kind plan.AskKind) {
	if k.Asks == nil {
		k.Asks = map[plan.AskKind]plan.Ask{}
	}
	k.Asks[kind] = plan.Ask{At: s.instant(), Version: s.one("", "v1", "v2", "gone")}
}

func (s *strange) wanted(name string) plan.WantedCert {
	w := plan.WantedCert{
		Name: name, Names: s.some("a", "b", "c"), CommonName: s.one("", "a", "c"), CommonNameGiven: s.yes(), Issuers: s.some("le", "corp"),
		KeyTypes: s.some(ec, rsa), Profile: s.one("", "p"), MustStaple: s.yes(), CSR: s.one("", "csr"), Keep: s.pick(4) - 1,
		Renew: plan.RenewPolicy{ARI: s.yes(), Before: plan.Span{Fixed: s.span(), Percent: float64(s.pick(256)) - 20}},
		Warn:  plan.Span{Fixed: s.span(), Percent: float64(s.pick(256)) - 20},
	}
	for _, target := range s.some("default", "app") {
		w.Targets = append(w.Targets, plan.WantedTarget{
			Name: target, Config: s.one("c1", "c2"), Services: s.some("nginx"), Hooks: s.some("installed"), Verify: s.yes(),
		})
	}
	return w
}

func (s *strange) world() plan.World {
	w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}, Issuers: map[string]plan.KnownIssuer{}}}
	for _, issuer := range s.some("le", "corp") {
		w.Known.Issuers[issuer] = plan.KnownIssuer{NotBefore: s.instant(), At: s.instant(), Fault: s.fault()}
	}
	for _, name := range []string{"one", "two", "three"}[:1+s.pick(3)] {
		w.Wanted.Certs = append(w.Wanted.Certs, s.wanted(name))
		if s.pick(8) != 1 {
			w.Known.Certs[name] = s.certificate()
		}
	}
	return w
}
