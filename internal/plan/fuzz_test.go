package plan_test

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Whatever the records hold, there is an answer, the same one every time, the
// records stay as they are, and the answer keeps what every plan promises.
func FuzzMake(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x03\x02\x02\x01\x05\x03\x04\x02\x02\x01\x05\x02\x02\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"))
	long := make([]byte, 600)
	for i := range long {
		long[i] = byte(i * 7)
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, bytes []byte) {
		s := strange{bytes: bytes, now: day(10)}
		w := s.world()
		before := text(t, w)
		steps, problems := plan.Make(s.now, w), plan.Problems(s.now, w)
		if after := text(t, w); after != before {
			t.Fatalf("the world was changed:\n%s\n%s", before, after)
		}
		if again := plan.Make(s.now, w); !reflect.DeepEqual(again, steps) {
			t.Fatalf("another plan for the same world:\n%v\n%v", steps, again)
		}
		dueOf(t, s.now, w, steps)
		promised(t, s.now, w, steps)
		inOrder(t, s.now, w, steps)
		for _, p := range problems {
			if p.Words == "" || p.Remedy == "" || p.Severity == "" || p.Cert == "" {
				t.Fatalf("problem %+v", p)
			}
		}
	})
}

// inOrder compares the plan with a plain stable sort of its parts.
func inOrder(t *testing.T, now time.Time, w plan.World, steps []plan.Step) {
	t.Helper()
	var parts []plan.Step
	for _, want := range w.Wanted.Certs {
		parts = append(parts, plan.Cert(now, w, want)...)
	}
	rank := func(s plan.Step) (int, time.Time) {
		switch {
		case !s.Due(now):
			return 3, s.At
		case s.Asked:
			return 0, s.Until
		case s.Urgent:
			return 1, s.Until
		}
		return 2, s.Until
	}
	slices.SortStableFunc(parts, func(a, b plan.Step) int {
		i, at := rank(a)
		j, bt := rank(b)
		return cmp.Or(cmp.Compare(i, j), at.Compare(bt))
	})
	if len(parts) != len(steps) || len(parts) > 0 && !reflect.DeepEqual(parts, steps) {
		t.Fatalf("plan\n%v\nwant\n%v", steps, parts)
	}
}

// Records come from disk: whatever parses must not stop the plan.
func FuzzRecord(f *testing.F) {
	f.Add(`{}`)
	f.Add(`{"name":"a","published":"x","versions":[{"id":"x","pairs":[]}]}`)
	f.Add(`{"published":"x","held":true,"versions":[{"id":"x","created":"2026-11-20T10:15:00Z","pairs":[{"key_type":"ecdsa-p256","not_before":"2026-11-20T09:16:30Z","not_after":"2027-02-18T09:16:29Z","cert_id":"i"}]}],"advice":{"ecdsa-p256":{"cert_id":"i","start":"2027-01-01T00:00:00Z","end":"2027-01-02T00:00:00Z","at":"2027-01-01T03:11:52Z"}},"asks":{"restore":{"at":"0001-01-01T00:00:00Z"}}}`)
	f.Add(`{"tries":{"ecdsa-p256":{"count":-7,"crashed":-1,"open":true,"fault":{"code":"x","blame":"ca"}}},"orders":{"ecdsa-p256":{"issuer":"le","url":"u"}}}`)
	f.Fuzz(func(t *testing.T, record string) {
		s := quiet()
		s.known = plan.KnownCert{}
		if err := json.Unmarshal([]byte(record), &s.known); err != nil {
			return // no record
		}
		for _, looked := range []bool{true, false} {
			s.known.Looked = looked
			promised(t, s.now, s.world(), s.steps())
			s.problems()
		}
	})
}

// A pair is never renewed after its end, and never waits for advice beyond
// the later of our own window and a tenth of its life.
func FuzzRenewAt(f *testing.F) {
	f.Add(int64(0), int64(days(90)), int64(days(58)), int64(days(62)), int64(days(60)), int64(0), 0.0, true)
	f.Add(int64(0), int64(days(6)), int64(-days(1)), int64(days(1)), int64(0), int64(days(30)), 0.0, true)
	f.Add(int64(days(1)), int64(-days(1)), int64(0), int64(1), int64(0), int64(1), 1e300, false)
	f.Add(int64(0), int64(1<<62), int64(1), int64(2), int64(1), int64(-5), -3.0, true)
	f.Fuzz(func(t *testing.T, notBefore, notAfter, start, end, at, fixed int64, percent float64, ari bool) {
		from := func(d int64) time.Time { return day0().Add(time.Duration(d)) }
		p := plan.Pair{NotBefore: from(notBefore), NotAfter: from(notAfter), CertID: "id"}
		policy := plan.RenewPolicy{Before: plan.Span{Fixed: time.Duration(fixed), Percent: percent}, ARI: ari}
		own, reason := plan.RenewAt(p, nil, policy)
		if own.After(p.NotAfter) || reason.Code != plan.ReasonWindow {
			t.Fatalf("%+v with %+v is renewed at %s (%s)", p, policy, own, reason.Code)
		}
		if p.Lifetime() > 1 && !own.After(p.NotBefore) {
			t.Fatalf("%+v with %+v is always due", p, policy)
		}
		advice := plan.Advice{CertID: "id", Start: from(start), End: from(end), At: from(at)}
		renewed, reason := plan.RenewAt(p, &advice, policy)
		switch {
		case renewed.After(p.NotAfter):
			t.Fatalf("renewed at %s, after its end %s", renewed, p.NotAfter)
		case reason.Code == plan.ReasonAdvice && (!ari || !renewed.Equal(advice.At) || !advice.Usable(p)):
			t.Fatalf("advice %+v of %+v followed at %s", advice, p, renewed)
		case reason.Code != plan.ReasonAdvice && !renewed.Equal(own):
			t.Fatalf("renewed at %s, neither advised nor our own %s", renewed, own)
		}
		if last := p.NotAfter.Add(-p.Lifetime() / 10); renewed.After(own) && renewed.After(last) {
			t.Fatalf("advice moves the renewal from %s to %s, too near the end %s", own, renewed, p.NotAfter)
		}
	})
}

// Whatever happens to attempts, our own backoff is never longer than a day and
// its fifth after the last event, and a CA's instant never binds less.
func FuzzTries(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 0, 1, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 2, 0, 3, 1})
	f.Add([]byte{0, 4, 0, 5, 0, 1, 6, 0, 4})
	f.Fuzz(func(t *testing.T, events []byte) {
		now, tries := day0(), plan.Tries{Issuer: "le"}
		var imposed time.Time
		for _, event := range events {
			if kind := event % 8; !tries.Open && (kind == 1 || kind == 4) {
				continue // nothing that could have failed
			}
			switch event % 8 {
			case 0:
				tries = tries.Begin(now, float64(event)/256)
			case 1:
				tries = tries.Failed(now, fault(plan.BlameCA), time.Time{})
			case 2:
				now = now.Add(time.Duration(event) * time.Minute)
			case 3:
				now = now.Add(time.Duration(event) * time.Hour)
			case 4:
				imposed = now.Add(time.Duration(event) * time.Hour)
				tries = tries.Failed(now, fault(plan.BlameCA), imposed)
			case 5:
				tries.Issuer = []string{"le", "corp"}[event/128]
			case 6:
				now = now.Add(-days(float64(event)))
				imposed = time.Time{}
			case 7:
				now = later(now, tries.WaitsUntil(now))
			}
			wait := tries.WaitsUntil(now)
			if most := later(now, tries.Imposed).Add(29 * time.Hour); wait.After(most) {
				t.Fatalf("waits until %s, more than a day and a fifth after %s: %+v", wait, now, tries)
			}
			if event%8 == 4 && wait.Before(imposed) {
				t.Fatalf("waits until %s, the CA said %s: %+v", wait, imposed, tries)
			}
			if tries.Count < 0 || tries.Open && tries.Last.IsZero() {
				t.Fatalf("%+v", tries)
			}
		}
	})
}
