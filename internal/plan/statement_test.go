package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

const (
	leaf1 = "1111111111111111aa"
	leaf2 = "2222222222222222bb"
	der1  = "dddddddddddddddd01"
	file1 = "1111111111111111.dddddddddddddddd" // the file that holds it
)

// stapling is a quiet world in which a response is kept, asked for on day 8
// and to be asked for again on day 12; it ends on day 16.
func stapling() *scene {
	s := quiet()
	s.want.OCSP = &plan.WantedOCSP{Config: "o1"}
	s.want.Companions = []plan.WantedTarget{{Name: plan.CompanionOCSP, Config: "c1", Services: []string{"nginx"}}}
	s.known.Versions[0].Pairs[0].SHA256 = leaf1
	s.known.OCSP = map[string]plan.Staple{ec: {
		Leaf: leaf1, Config: "o1", SHA256: der1, Responder: "http://o", ThisUpdate: day(8), Ends: day(16), Asked: day(8), AskAgain: day(12),
	}}
	s.known.Targets[plan.CompanionOCSP] = plan.Target{Version: file1, State: plan.TargetReloaded, Config: "c1"}
	return s
}

// staple changes what is known of the response.
func (s *scene) staple(change func(*plan.Staple)) {
	fact := s.known.OCSP[ec]
	change(&fact)
	s.known.OCSP = map[string]plan.Staple{ec: fact}
}

func TestResponseIsAskedFor(t *testing.T) {
	failed := func(count int, at time.Time) plan.Tries {
		tries := plan.Tries{}
		for range count {
			tries = tries.Begin(at, 0).Failed(at, plan.Fault{Code: plan.CodeOCSP}, time.Time{})
		}
		return tries
	}
	for name, c := range map[string]struct {
		change func(*scene)
		from   time.Time // earliest instant at which it is asked for
		to     time.Time // latest; the spread
	}{
		"half-way":           {func(*scene) {}, day(12), day(12).Add(time.Hour)},
		"never asked":        {func(s *scene) { s.known.OCSP = nil }, day(10), day(10)},
		"of another version": {func(s *scene) { s.known.Versions[0].Pairs[0].SHA256 = leaf2 }, day(10), day(10)},
		"other responders":   {func(s *scene) { s.want.OCSP.Config = "o2" }, day(10), day(10)},
		"clock was ahead":    {func(s *scene) { s.staple(func(f *plan.Staple) { f.Asked = day(11); f.AskAgain = day(20) }) }, day(10), day(10)},
		"killed while it asked": {func(s *scene) {
			s.staple(func(f *plan.Staple) { f.SHA256, f.Tries = "", plan.Tries{}.Begin(day(10), 0) })
		}, day(10), day(10)},
		"failed once, nothing is kept": {func(s *scene) {
			s.staple(func(f *plan.Staple) { *f = plan.Staple{Leaf: leaf1, Config: "o1", Tries: failed(1, day(10))} })
		}, day(10).Add(time.Minute), day(10).Add(time.Minute)},
		"failed often, nothing is kept": {func(s *scene) {
			s.staple(func(f *plan.Staple) { *f = plan.Staple{Leaf: leaf1, Config: "o1", Tries: failed(9, day(10))} })
		}, day(11), day(11)},
		"failed often, six hours are left": {func(s *scene) {
			s.staple(func(f *plan.Staple) { f.AskAgain, f.Ends, f.Tries = day(9), day(10.25), failed(9, day(10)) })
		}, day(10).Add(90 * time.Minute), day(10).Add(90 * time.Minute)},
		"failed often, it has ended": {func(s *scene) {
			s.staple(func(f *plan.Staple) { f.AskAgain, f.Ends, f.Tries = day(9), day(9.5), failed(9, day(10)) })
		}, day(10).Add(time.Hour), day(10).Add(time.Hour)},
		"asked to wait": {func(s *scene) {
			s.staple(func(f *plan.Staple) {
				f.AskAgain, f.Ends = day(9), day(9.5)
				f.Tries = plan.Tries{}.Begin(day(10), 0).Failed(day(10), plan.Fault{}, day(10.5))
			})
		}, day(10.5), day(10.5)},
		"a person asks": {func(s *scene) {
			s.staple(func(f *plan.Staple) { f.SHA256, f.Tries = "", failed(9, day(9.9)) })
			s.known.Asks = map[plan.AskKind]plan.Ask{plan.AskApply: {At: day(9.95)}}
		}, day(10), day(10)},
	} {
		s := stapling()
		c.change(s)
		step := s.the(t, plan.KindOCSP)
		if step.At.Before(c.from) || step.At.After(c.to) || step.KeyType != ec || step.Version != "v1" {
			t.Errorf("%s: %+v, want it between %s and %s", name, step, c.from, c.to)
		}
	}
}

func TestResponseIsNobodysConcern(t *testing.T) {
	for name, change := range map[string]func(*scene){
		"not configured": func(s *scene) { s.want.OCSP = nil },
		"no responder": func(s *scene) {
			s.staple(func(f *plan.Staple) { *f = plan.Staple{Leaf: leaf1, Config: "o1", Missing: true} })
		},
		"nothing exists":  func(s *scene) { s.known.Versions, s.known.Published = nil, "" },
		"revoked already": func(s *scene) { s.known.WasRevoked(leaf1) },
		"ended":           func(s *scene) { s.now = day(91) },
	} {
		s := stapling()
		change(s)
		if steps := s.all(plan.KindOCSP); len(steps) != 0 {
			t.Errorf("%s: %+v", name, steps)
		}
	}
}

// A response of the certificate that is about to be installed is asked for
// before files are switched.
func TestResponseComesBeforeFiles(t *testing.T) {
	s := stapling()
	next := version("v2", day(10), pair(s.want, ec, day(10), days(90)))
	next.Pairs[0].SHA256 = leaf2
	s.known.Versions, s.known.Published = append(s.known.Versions, next), "v2"
	s.known.Advice = map[string]plan.Advice{ec: {CertID: "id-v2", Asked: s.now, AskAgain: s.now.Add(time.Hour)}}
	var due []plan.Kind
	for _, step := range plan.Cert(s.now, s.world(), s.want) {
		if step.Due(s.now) {
			due = append(due, step.Kind)
		}
	}
	if want := []plan.Kind{plan.KindOCSP, plan.KindInstall, plan.KindOCSPFile}; !slices.Equal(due, want) {
		t.Errorf("due are %q, want %q: a response of another certificate must not be stapled", due, want)
	}
	if file := s.the(t, plan.KindOCSPFile); file.Version != "none" {
		t.Errorf("the file is to hold %q", file.Version)
	}
	s.known.Targets[plan.CompanionOCSP] = plan.Target{Version: "none", State: plan.TargetReloaded, Config: "c1"}
	if got, want := s.due(), []plan.Kind{plan.KindInstall, plan.KindOCSP}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("due are %q, want %q", got, want)
	}
	s.staple(func(f *plan.Staple) {
		*f = plan.Staple{Leaf: leaf2, Config: "o1", SHA256: "eeeeeeeeeeeeeeeeee", Asked: s.now, AskAgain: day(14), Ends: day(18)}
	})
	if got, want := s.due(), []plan.Kind{plan.KindInstall, plan.KindOCSPFile}; !slices.Equal(got, want) {
		t.Errorf("due are %q, want %q", got, want)
	}
}

func sorted(kinds []plan.Kind) []plan.Kind {
	slices.Sort(kinds)
	return kinds
}

// A file that holds a response of the published certificate stays, though
// nothing is known of that response any more.
func TestForgottenResponseStays(t *testing.T) {
	s := stapling()
	s.known.OCSP = nil
	s.none(t, plan.KindOCSPFile)
	s.known.Targets[plan.CompanionOCSP] = plan.Target{}
	s.none(t, plan.KindOCSPFile)
}

func TestResponsesAreSpread(t *testing.T) {
	seen := map[time.Time]bool{}
	for _, name := range []string{"a.example", "b.example", "c.example", "d.example", "e.example"} {
		s := stapling()
		s.want.Name = name
		seen[s.the(t, plan.KindOCSP).At] = true
	}
	if len(seen) < 4 {
		t.Errorf("five certificates are asked about at %d instants", len(seen))
	}
}

func TestCompanionIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plan.Target)
		code   plan.ReasonCode
	}{
		"in place":         {func(*plan.Target) {}, ""},
		"never written":    {func(f *plan.Target) { *f = plan.Target{} }, plan.ReasonBehind},
		"another response": {func(f *plan.Target) { f.Version = "x" }, plan.ReasonBehind},
		"another path":     {func(f *plan.Target) { f.Config = "c0" }, plan.ReasonConfig},
		"altered":          {func(f *plan.Target) { f.Altered = []string{"/x"} }, plan.ReasonAltered},
		"service not told": {func(f *plan.Target) { f.State = plan.TargetWritten }, plan.ReasonUntold},
		"refused just now": {func(f *plan.Target) {
			f.Version, f.Refused, f.Tries = "x", &plan.Refused{Version: file1, Config: "c1"}, plan.Tries{}.Begin(day(10), 0).Failed(day(10), plan.Fault{}, time.Time{})
		}, ""},
		"other was refused": {func(f *plan.Target) { f.Version, f.Refused = "x", &plan.Refused{Version: "y", Config: "c1"} }, plan.ReasonBehind},
	} {
		s := stapling()
		fact := s.known.Targets[plan.CompanionOCSP]
		c.change(&fact)
		s.known.Targets[plan.CompanionOCSP] = fact
		var code plan.ReasonCode
		for _, step := range s.all(plan.KindOCSPFile) {
			if step.Due(s.now) {
				code = step.Reason.Code
			}
		}
		if code != c.code {
			t.Errorf("%s: due for %q, want %q", name, code, c.code)
		}
	}
	s := stapling()
	s.known.Targets[plan.CompanionOCSP] = plan.Target{Version: file1, State: plan.TargetReloaded, Config: "c1", Hooks: []string{"ocsp-updated"}}
	if step := s.the(t, plan.KindHook); step.Target != plan.CompanionOCSP || !step.Due(s.now) {
		t.Errorf("hook %+v", step)
	}
}

func TestCertificateIsHandedIn(t *testing.T) {
	s := stapling()
	s.want.SCT = &plan.WantedSCT{Logs: []string{"one", "two"}, Config: "l1"}
	s.known.SCT = map[string]plan.Receipts{ec: {Leaf: leaf1, Checked: "l1", Logs: map[string]plan.Receipt{
		"one": {SHA256: "ab", Config: "l1"},
		"two": {Config: "l1", Tries: plan.Tries{}.Begin(day(10), 0).Failed(day(10), plan.Fault{Code: plan.CodeSCT, Words: "no"}, time.Time{})},
	}}}
	if step := s.the(t, plan.KindSCT); step.Log != "two" || !step.At.Equal(day(10).Add(time.Minute)) {
		t.Errorf("step %+v", step)
	}
	if problems := s.problems(); len(problems) != 1 || problems[0].Code != plan.CodeSCT {
		t.Errorf("problems %+v", problems)
	}
	s.want.SCT.Config = "l2" // other logs: what is in the certificate is looked at again, and who failed is asked at once
	var logs []string
	for _, step := range s.all(plan.KindSCT) {
		if step.Due(s.now) {
			logs = append(logs, step.Log)
		}
	}
	if !slices.Equal(logs, []string{"", "two"}) {
		t.Errorf("due for logs %q", logs)
	}
	s.known.Versions[0].Pairs[0].SHA256 = leaf2
	if steps := s.all(plan.KindSCT); len(steps) != 3 {
		t.Errorf("another certificate: %+v", steps)
	}
}

func TestStatementProblems(t *testing.T) {
	tries := func(n int) plan.Tries {
		return plan.Tries{Count: n, Last: day(10), Fault: &plan.Fault{Code: plan.CodeOCSP, Words: "no answer", At: day(10)}}
	}
	for name, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"fine":                         {func(*scene) {}, ""},
		"two failures while one holds": {func(s *scene) { s.staple(func(f *plan.Staple) { f.Tries = tries(2) }) }, ""},
		"three failures":               {func(s *scene) { s.staple(func(f *plan.Staple) { f.Tries = tries(3) }) }, "ocsp-failed warning"},
		"one failure and nothing":      {func(s *scene) { s.staple(func(f *plan.Staple) { f.SHA256, f.Tries = "", tries(1) }) }, "ocsp-failed warning"},
		"ended":                        {func(s *scene) { s.staple(func(f *plan.Staple) { f.Ends = day(9) }) }, "ocsp-response-ended warning"},
		"given up":                     {func(s *scene) { s.staple(func(f *plan.Staple) { f.Ends, f.SHA256, f.GivenUp = day(9), "", true }) }, "ocsp-response-ended warning"},
		"ended and must staple":        {func(s *scene) { s.mustStaple(); s.staple(func(f *plan.Staple) { f.Ends, f.Tries = day(9), tries(1) }) }, "ocsp-response-ended critical, ocsp-failed critical"},
		"no responder": {func(s *scene) {
			s.staple(func(f *plan.Staple) { *f = plan.Staple{Leaf: leaf1, Config: "o1", Missing: true} })
		}, ""},
		"no responder and must staple": {func(s *scene) {
			s.mustStaple()
			s.staple(func(f *plan.Staple) { *f = plan.Staple{Leaf: leaf1, Config: "o1", Missing: true} })
		}, "no-ocsp-responder critical"},
		"a failure of another certificate": {func(s *scene) { s.staple(func(f *plan.Staple) { f.Leaf, f.Tries = leaf2, tries(5) }) }, ""},
		"one pin": {func(s *scene) {
			s.want.Companions = append(s.want.Companions, plan.WantedTarget{Name: plan.CompanionHPKP})
		}, "too-few-pins warning"},
		"a wrong receipt": {func(s *scene) {
			s.known.SCT = map[string]plan.Receipts{ec: {Leaf: leaf1, Embedded: []plan.Embedded{{Log: "x", Verdict: plan.VerdictWrong, Words: "w"}, {Log: "y", Verdict: plan.VerdictUnknown}}}}
		}, "sct-wrong warning"},
		"the file could not be written": {func(s *scene) {
			fact := s.known.Targets[plan.CompanionOCSP]
			fact.Tries = plan.Tries{Count: 1, Fault: &plan.Fault{Code: plan.CodeDeploy, Words: "x"}}
			s.known.Targets[plan.CompanionOCSP] = fact
		}, "install-failed warning"},
	} {
		s := stapling()
		c.change(s)
		var got []string
		for _, p := range s.problems() {
			got = append(got, string(p.Code)+" "+string(p.Severity))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: problems %q, want %q", name, got, c.want)
		}
	}
}

// mustStaple lets the certificate be one that is good with a response only.
func (s *scene) mustStaple() {
	s.want.MustStaple = true
	s.known.Versions[0].Pairs[0].Request.MustStaple = true
}

func TestRevokedByTheCA(t *testing.T) {
	s := stapling()
	s.known.WasRevoked(leaf1)
	if step := s.the(t, plan.KindIssue); step.Reason.Code != plan.ReasonRevoked || !step.Due(s.now) {
		t.Errorf("step %+v", step)
	}
}

// Keys that are kept ready, rolled to, or were used before are pinned too.
func TestPins(t *testing.T) {
	s := quiet()
	s.want.KeyTypes = []string{ec, rsa}
	s.known.Versions[0].Pairs[0].Key = "e1"
	keys := &plan.KnownKeys{Keys: map[string]plan.KeySet{
		ec:  {Primary: plan.Key{SHA256: "e1"}, Next: plan.Key{SHA256: "e2"}, Previous: plan.Key{SHA256: "e0"}},
		rsa: {Primary: plan.Key{SHA256: "r1"}, Next: plan.Key{SHA256: "r2", Lost: "gone"}},
	}, Rolling: &plan.Rollover{Keys: map[string]string{rsa: "r3"}}}
	if got, want := s.known.Pins(s.want, keys), []string{"e1", "e2", "r1", "r3", "e0"}; !slices.Equal(got, want) {
		t.Errorf("pins %q, want %q", got, want)
	}
	s.want.KeyTypes = []string{ec} // other certificates on the same keys use both
	if got, want := s.known.Pins(s.want, keys), []string{"e1", "e2", "r1", "r3", "e0"}; !slices.Equal(got, want) {
		t.Errorf("pins of a certificate with fewer key types %q, want %q", got, want)
	}
	if got := s.known.Pins(s.want, nil); !slices.Equal(got, []string{"e1"}) {
		t.Errorf("pins without other keys %q", got)
	}
	s.known.Published = ""
	if got := s.known.Pins(s.want, keys); len(got) != 0 {
		t.Errorf("pins of nothing %q", got)
	}
}
