package status_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

const (
	day  = 24 * time.Hour
	p256 = "ecdsa-p256"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world holds one certificate of 90 days of which 60 are left.
func world(change ...func(*plan.WantedCert, *plan.KnownCert)) plan.World {
	want := plan.WantedCert{
		Name: "mail", Names: []string{"mail.example.com"}, Issuers: []string{"letsencrypt"}, KeyTypes: []string{p256}, Keep: 3,
		Renew:   plan.RenewPolicy{ARI: true},
		Targets: []plan.WantedTarget{{Name: "default", Config: "c1", Services: []string{"postfix"}, Verify: true}},
	}
	known := &plan.KnownCert{
		Name: "mail", Published: "V1",
		Versions: []plan.Version{{ID: "V1", Created: now.Add(-30 * day), Pairs: []plan.Pair{{
			KeyType: p256, Key: "ab", Issuer: "letsencrypt", Made: now.Add(-30 * day), CertID: "id.1",
			Request:   plan.Request{Names: []string{"mail.example.com"}},
			NotBefore: now.Add(-30 * day), NotAfter: now.Add(60 * day), Serial: "01", SHA256: "cd",
		}}}},
		Targets: map[string]plan.Target{"default": {
			Version: "V1", State: plan.TargetVerified, Config: "c1", At: now.Add(-30 * day),
			Verify: plan.VerifyFact{Version: "V1", At: now.Add(-time.Hour), Results: []plan.Result{{Endpoint: "127.0.0.1:25", Verdict: plan.VerdictRight}}},
		}},
	}
	for _, c := range change {
		c(&want, known)
	}
	return plan.World{
		Wanted: plan.Wanted{Node: "web1", Certs: []plan.WantedCert{want}},
		Known:  plan.Known{Certs: map[string]*plan.KnownCert{"mail": known}, Issuers: map[string]plan.KnownIssuer{}},
	}
}

func left(d time.Duration) func(*plan.WantedCert, *plan.KnownCert) {
	return func(_ *plan.WantedCert, k *plan.KnownCert) {
		p := &k.Versions[0].Pairs[0]
		p.NotAfter, p.NotBefore = now.Add(d), now.Add(d-90*day)
	}
}

func verified(v plan.Verdict) func(*plan.WantedCert, *plan.KnownCert) {
	return func(_ *plan.WantedCert, k *plan.KnownCert) {
		t := k.Targets["default"]
		t.State = plan.TargetReloaded
		t.Verify.Results = []plan.Result{{Endpoint: "127.0.0.1:25", Verdict: plan.VerdictRight}, {Endpoint: "[::1]:25", Verdict: v, Words: "it says otherwise"}}
		k.Targets["default"] = t
	}
}

func failed(code plan.Code) func(*plan.WantedCert, *plan.KnownCert) {
	return func(_ *plan.WantedCert, k *plan.KnownCert) {
		fault := plan.Fault{Code: code, Words: "order: refused", At: now.Add(-time.Hour)}
		k.Tries = map[string]plan.Tries{p256: {Count: 2, Last: now.Add(-time.Hour), NotBefore: now.Add(time.Hour), Fault: &fault}}
	}
}

func nothing(_ *plan.WantedCert, k *plan.KnownCert) { *k = plan.KnownCert{Name: "mail"} }

func TestState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		world  plan.World
		state  status.State
		exit   int
		line   string // what the check's line begins with
		remedy bool
	}{
		{"all is well", world(), status.OK, 0, "OK 1 certificate is well |", false},
		{"nothing is known", world(nothing), status.Critical, status.ExitMissing, "CRITICAL mail: no certificate exists yet |", true},
		{"ended", world(left(-time.Hour)), status.Critical, status.ExitMissing, "CRITICAL mail: the certificate ended", true},
		{"before the warning window", world(left(10 * day)), status.OK, 0, "OK", false},
		{"in the warning window", world(left(8 * day)), status.Warning, 0, "WARNING mail: the certificate ends in 8 days", true},
		{"just above a third of the window", world(left(3*day + time.Minute)), status.Warning, 0, "WARNING", true},
		{"below a third of the window", world(left(3*day - time.Minute)), status.Critical, 0, "CRITICAL mail: the certificate ends", true},
		{"another one is served", world(verified(plan.VerdictWrong)), status.Critical, status.ExitWrong, "CRITICAL mail: [::1]:25: it says otherwise", true},
		{"a service cannot be asked", world(verified(plan.VerdictUnknown)), status.Warning, 0, "WARNING mail: [::1]:25", true},
		{"a renewal fails", world(left(20*day), failed(plan.CodeChallenge)), status.Warning, status.ExitFailed, "WARNING mail: order: refused", true},
		{"a failure of what is not due any more", world(failed(plan.CodeChallenge)), status.OK, 0, "OK", false},
		{"wrong counts more than failed", world(left(20*day), failed(plan.CodeChallenge), verified(plan.VerdictWrong)), status.Critical, status.ExitWrong, "CRITICAL mail: [::1]", true},
		{"missing counts most", world(nothing, failed(plan.CodeChallenge)), status.Critical, status.ExitMissing, "CRITICAL mail:", true},
		{"the record is damaged", world(nothing, func(_ *plan.WantedCert, k *plan.KnownCert) { k.Damage = "cut off" }), status.Unknown, status.ExitMissing, "UNKNOWN mail: cut off", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := status.Of(now, c.world)
			if o.State != c.state || o.Certificates[0].State != c.state {
				t.Errorf("state %s, certificate %s, want %s", o.State, o.Certificates[0].State, c.state)
			}
			if got := o.ExitCode(false); got != c.exit {
				t.Errorf("exit code %d, want %d", got, c.exit)
			}
			if line := o.CheckLine(); !strings.HasPrefix(line, c.line) || strings.Contains(line, "\n") || strings.Count(line, "|") != 1 {
				t.Errorf("line %q, want %q…", line, c.line)
			}
			if got := slices.ContainsFunc(o.Certificates[0].Problems, func(p plan.Problem) bool { return p.Remedy != "" }); got != c.remedy {
				t.Errorf("a remedy is given: %t, want %t", got, c.remedy)
			}
		})
	}
}

func TestWarningWindowIsTheCertificatesOwn(t *testing.T) {
	t.Parallel()
	o := status.Of(now, world(left(20*day), func(w *plan.WantedCert, _ *plan.KnownCert) { w.Warn = plan.Span{Fixed: 63 * day} }))
	if o.State != status.Critical {
		t.Errorf("20 days left of a window of 63: %s, want critical", o.State)
	}
}

func TestCheckCodes(t *testing.T) {
	t.Parallel()
	for state, want := range map[status.State]int{status.OK: 0, status.Warning: 1, status.Critical: 2, status.Unknown: 3} {
		if got := state.CheckCode(); got != want {
			t.Errorf("%s exits with %d, want %d", state, got, want)
		}
	}
}

func TestAFailureCountsForTheExitCode(t *testing.T) {
	t.Parallel()
	if got := status.Of(now, world()).ExitCode(true); got != status.ExitFailed {
		t.Errorf("exit code %d, want %d", got, status.ExitFailed)
	}
	if got := status.Of(now, world(nothing)).ExitCode(true); got != status.ExitMissing {
		t.Errorf("exit code %d, want %d", got, status.ExitMissing)
	}
}

// Many certificates, one line: only the worst are named, foreign words do not
// break it.
func TestCheckLineIsShort(t *testing.T) {
	t.Parallel()
	w := world(nothing)
	for i := range 40 {
		c := w.Wanted.Certs[0]
		c.Name = fmt.Sprintf("extra%02d", i)
		w.Wanted.Certs = append(w.Wanted.Certs, c)
	}
	w.Known.Certs["extra00"] = &plan.KnownCert{Name: "extra00", Damage: "line one\nline | two"}
	line := status.Of(now, w).CheckLine()
	if len(line) > 400 || !strings.Contains(line, "and 36 more") || !strings.Contains(line, "critical=40 unknown=1") {
		t.Errorf("line of %d bytes: %q", len(line), line)
	}
}

func TestRenewalIsTold(t *testing.T) {
	t.Parallel()
	at := now.Add(40 * day)
	for _, c := range []struct {
		name  string
		world plan.World
		at    time.Time
		code  plan.ReasonCode
	}{
		{"a third of its life before the end", world(), now.Add(60*day - 90*day*33/100), plan.ReasonWindow},
		{"when the CA says", world(func(_ *plan.WantedCert, k *plan.KnownCert) {
			k.Advice = map[string]plan.Advice{p256: {CertID: "id.1", Start: at.Add(-day), End: at.Add(day), At: at}}
		}), at, plan.ReasonAdvice},
		{"at once when missing", world(nothing), now, plan.ReasonMissing},
		{"after the backoff", world(nothing, failed(plan.CodeChallenge)), now.Add(time.Hour), plan.ReasonMissing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := status.Of(now, c.world).Certificates[0].Renewal
			if r == nil || !r.At.Equal(c.at) || r.Reason.Code != c.code || r.Issuer != "letsencrypt" {
				t.Errorf("renewal %+v, want at %s because of %s", r, c.at, c.code)
			}
		})
	}
}

// An order is under way once the CA has answered, not before.
func TestOrders(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{"": 0, "https://ca.example/order/1": 1} {
		w := world(func(_ *plan.WantedCert, k *plan.KnownCert) {
			k.Orders = map[string]plan.Order{p256: {Issuer: "letsencrypt", URL: url, Created: now}}
		})
		if got := status.Of(now, w).Certificates[0].Orders; len(got) != want {
			t.Errorf("order with URL %q: shown %v", url, got)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	w := world(verified(plan.VerdictUnknown), func(want *plan.WantedCert, k *plan.KnownCert) {
		want.Targets = append(want.Targets, plan.WantedTarget{Name: "copy"})
		k.Published = "V2"
		k.Versions = append(k.Versions, plan.Version{ID: "V2", Pairs: k.Versions[0].Pairs})
	})
	got := status.Of(now, w).Certificates[0].Targets
	if len(got) != 2 || got[0].Current || got[0].State != "reloaded" || got[0].Verify.Verdict != "unknown" || got[0].Services[0] != "postfix" {
		t.Errorf("targets %+v", got)
	}
	if got[1].State != "pending" || got[1].Current || got[1].Verify != nil {
		t.Errorf("an untouched target: %+v", got[1])
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	w := world()
	other := w.Wanted.Certs[0]
	other.Name = "other"
	w.Wanted.Certs = append(w.Wanted.Certs, other)
	w.Known.Certs["former"] = &plan.KnownCert{Name: "former"}
	o := status.Of(now, w)
	if o.State != status.Critical || !slices.Equal(o.NotInConfig, []string{"former"}) {
		t.Errorf("overview %+v", o)
	}
	if only := o.Only([]string{"mail"}); only.State != status.OK || len(only.Certificates) != 1 || len(only.NotInConfig) != 0 {
		t.Errorf("only mail: %+v", only)
	}
	if len(o.Certificates) != 2 {
		t.Error("Only changed the overview that it was asked of")
	}
}

// Lists are [], never null, however little is known.
func TestJSONHasNoNull(t *testing.T) {
	t.Parallel()
	for _, w := range []plan.World{world(), world(nothing), {}, world(nothing, failed(plan.CodeCAA))} {
		for _, v := range []any{status.Of(now, w), status.Foresee(now, w, now.Add(90*day))} {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "null") || strings.Contains(string(text), "0001-01-01") {
				t.Errorf("JSON with a hole: %s", text)
			}
		}
	}
}

func BenchmarkOf(b *testing.B) {
	w := world()
	for i := range 1000 {
		c := w.Wanted.Certs[0]
		c.Name = fmt.Sprintf("n%04d", i)
		w.Wanted.Certs = append(w.Wanted.Certs, c)
		w.Known.Certs[c.Name] = w.Known.Certs["mail"]
	}
	for b.Loop() {
		status.Of(now, w)
	}
}
