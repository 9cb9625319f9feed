package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// problem returns the only problem with a code.
func problem(t *testing.T, s *scene, code plan.Code) plan.Problem {
	t.Helper()
	found := slices.DeleteFunc(s.problems(), func(p plan.Problem) bool { return p.Code != code })
	if len(found) != 1 {
		t.Fatalf("%d problems with code %s, want one of\n%+v", len(found), code, s.problems())
	}
	return found[0]
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		disturb  func(*scene)
		code     plan.Code
		severity plan.Severity
		words    string
	}{
		{"missing", func(s *scene) { s.known = plan.KnownCert{} }, plan.CodeMissing, plan.Critical, "no certificate"},
		{"without pairs", func(s *scene) { s.known.Versions[0].Pairs = nil }, plan.CodeMissing, plan.Critical, "no certificate"},
		{"not valid yet", func(s *scene) { s.now = day(-3650) }, plan.CodeClock, plan.Critical, "clock"},
		{"ended", func(s *scene) { s.now = day(90) }, plan.CodeExpired, plan.Critical, "2027-04-01"},
		{"ending", func(s *scene) { s.now = day(81) }, plan.CodeExpiring, plan.Warning, "9 days"},
		{"ending soon", func(s *scene) { s.now = day(87.01) }, plan.CodeExpiring, plan.Critical, "2 days"},
		{"unreadable", func(s *scene) { s.known.Versions[0].Broken = "the key is lost" }, plan.CodeKeyLost, plan.Warning, "the key is lost"},
		{"held", func(s *scene) { s.restore("v1") }, plan.CodeHeld, plan.Warning, "restored"},
		{"misfit", func(s *scene) { s.v1().Misfit = "it also names x" }, plan.CodeMisfit, plan.Warning, "it also names x"},
		{"revoked", func(s *scene) { s.v1().Revoked = true }, plan.CodeRevoked, plan.Critical, "revoked"},
		{"altered", func(s *scene) {
			s.target(func(f *plan.Target) { f.Altered = []string{"/a", "/b"} })
		}, plan.CodeAltered, plan.Warning, "/a, /b"},
		{"wrong one served", func(s *scene) {
			s.target(func(f *plan.Target) {
				f.Verify.Results[0].Verdict, f.Verify.Results[0].Words = plan.VerdictWrong, "serves v0"
			})
		}, plan.CodeVerifyWrong, plan.Critical, "127.0.0.1:443: serves v0"},
		{"nothing served", func(s *scene) {
			s.target(func(f *plan.Target) { f.Verify.Results[0].Verdict = plan.VerdictUnknown })
		}, plan.CodeVerifyUnknown, plan.Warning, "127.0.0.1:443"},
		{"install failed", func(s *scene) {
			s.target(func(f *plan.Target) {
				f.Tries = plan.Tries{}.Begin(s.now, 0).Failed(s.now, plan.Fault{Code: plan.CodeDeploy, Words: "no folder"}, time.Time{})
			})
		}, plan.CodeDeploy, plan.Warning, "no folder"},
		{"hook failed", func(s *scene) {
			s.target(func(f *plan.Target) {
				f.Hooks = []string{"installed"}
				*f = f.HookFailed("installed", s.now, 0, plan.Fault{Code: plan.CodeHook, Words: "exit 1"})
			})
		}, plan.CodeHook, plan.Warning, "exit 1"},
		{"renewal failed", func(s *scene) { s.now = day(61); s.tries(failed(2, s.now)) }, plan.CodeCAError, plan.Warning, "next attempt 2027-03-03 00:10 UTC"},
		{"first issue failed", func(s *scene) {
			s.known = plan.KnownCert{Looked: true}
			s.tries(failed(2, s.now))
		}, plan.CodeCAError, plan.Critical, "the CA has trouble"},
		{"renewal failed in the warning window", func(s *scene) { s.now = day(82); s.tries(failed(2, s.now)) }, plan.CodeCAError, plan.Warning, "the CA has trouble"},
		{"renewal failed, and little is left", func(s *scene) { s.now = day(87.01); s.tries(failed(2, s.now)) }, plan.CodeCAError, plan.Critical, "the CA has trouble"},
		{"install failed, and what lies there is about to end", func(s *scene) {
			s.known.Versions = append(s.known.Versions, version("v0", day(-80), pair(s.want, ec, day(-80), days(90))))
			s.now = day(9)
			s.target(func(f *plan.Target) {
				f.Version = "v0"
				f.Tries = plan.Tries{}.Begin(s.now, 0).Failed(s.now, plan.Fault{Code: plan.CodeDeploy, Words: "no folder"}, time.Time{})
			})
		}, plan.CodeDeploy, plan.Critical, "no folder"},
		{"replacement failed", func(s *scene) { s.v1().Revoked = true; s.tries(failed(2, s.now)) }, plan.CodeCAError, plan.Critical, "the CA has trouble"},
		{"killed again and again", func(s *scene) {
			s.now = day(61)
			s.tries(plan.Tries{}.Begin(s.now, 0).Begin(s.now, 0).Begin(s.now, 0))
		}, plan.CodeUnexpected, plan.Warning, "2 attempts in a row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			c.disturb(s)
			p := problem(t, s, c.code)
			if p.Severity != c.severity || !strings.Contains(p.Words, c.words) || p.Cert != "mail" || p.Remedy != c.code.Remedy() {
				t.Errorf("problem %+v, want %s with %q", p, c.severity, c.words)
			}
		})
	}
}

// What is no problem any more is not told.
func TestNoProblem(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*scene){
		"a failure for what is not wanted any more": func(s *scene) { s.tries(failed(5, s.now)) },
		"a first kill":  func(s *scene) { s.now = day(61); s.tries(plan.Tries{}.Begin(s.now, 0)) },
		"a second kill": func(s *scene) { s.now = day(61); s.tries(plan.Tries{}.Begin(s.now, 0).Begin(s.now, 0)) },
		"verdict on another version": func(s *scene) {
			s.target(func(f *plan.Target) { f.Verify.Version, f.Verify.Results[0].Verdict = "v0", plan.VerdictWrong })
		},
		"a target that is not wanted any more": func(s *scene) {
			s.known.Targets["gone"] = plan.Target{Altered: []string{"/x"}}
		},
		"a warning window longer than the life": func(s *scene) { s.want.Warn = plan.Span{Fixed: days(365)} },
	} {
		s := quiet()
		disturb(s)
		if problems := s.problems(); len(problems) != 0 {
			t.Errorf("%s: %+v", name, problems)
		}
	}
}

// The failure names when the next attempt comes, the CA's wish included.
func TestProblemNamesTheNextAttempt(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now, s.want.Issuers = day(61), []string{"le"}
	s.tries(failed(1, s.now))
	s.issuers["le"] = plan.KnownIssuer{At: s.now, NotBefore: day(62)}
	if p := problem(t, s, plan.CodeCAError); !strings.HasSuffix(p.Words, "; next attempt 2027-03-04 00:00 UTC") {
		t.Errorf("words %q", p.Words)
	}
}

func TestWorstProblemFirst(t *testing.T) {
	t.Parallel()
	s := quiet()
	w := s.world()
	s.v1().Misfit = "x"
	other := s.want
	other.Name = "other"
	w.Wanted.Certs = append(w.Wanted.Certs, other)
	problems := plan.Problems(s.now, w)
	if len(problems) != 2 || problems[0].Severity != plan.Critical || problems[0].Cert != "other" {
		t.Errorf("problems %+v", problems)
	}
}

// A code that a later version stored has a remedy all the same.
func TestProblemWithForeignCode(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.now = day(61)
	s.tries(plan.Tries{}.Begin(s.now, 0).Failed(s.now, plan.Fault{Code: "from-the-future", Words: "x"}, time.Time{}))
	if p := problem(t, s, "from-the-future"); p.Remedy == "" || p.Severity != plan.Warning {
		t.Errorf("problem %+v", p)
	}
}
