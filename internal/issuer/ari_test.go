package issuer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestRenewalInfo(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	issued, err := ca.Issue(t.Context(), newJob(t, a, []string{"a.test"}, solver))
	if err != nil {
		t.Fatal(err)
	}
	facts := issued.Chain.Facts()
	info, err := ca.RenewalInfo(t.Context(), facts.CertID)
	if err != nil {
		t.Fatal(err)
	}
	if info.Start.Before(facts.NotBefore) || info.End.After(facts.NotAfter) || !info.Start.Before(info.End) {
		t.Errorf("window from %s to %s for a certificate from %s to %s", info.Start, info.End, facts.NotBefore, facts.NotAfter)
	}
	if info.RetryAfter != 6*time.Hour {
		t.Errorf("ask again in %s, want Pebble's 6h", info.RetryAfter)
	}
	// Once revoked, Pebble's window is one second wide and in the past.
	if err := ca.Revoke(t.Context(), Revocation{Account: a, Certificate: issued.Chain.Leaf()}); err != nil {
		t.Fatal(err)
	}
	if info, err = ca.RenewalInfo(t.Context(), facts.CertID); err != nil || info.End.After(time.Now()) {
		t.Errorf("window after a revocation until %s, %v; want the past", info.End, err)
	}
	if err := pebble.SetRenewalInfo(t.Context(), issued.Chain.LeafPEM(), `{"suggestedWindow":{}`); err != nil {
		t.Fatal(err)
	}
	_, err = ca.RenewalInfo(t.Context(), facts.CertID)
	if e := failure(t, err); e.Code != plan.CodeCAGarbage || e.Blame != plan.BlameCA || e.RetryAfter != 6*time.Hour {
		t.Errorf("garbage, which is to be asked for again in Pebble's 6h: %+v", e)
	}
	for _, id := range []string{"AAAA.BBBB", "no-id", "../x.y", "a.b.c", ""} {
		if _, err := ca.RenewalInfo(t.Context(), id); err == nil {
			t.Errorf("advice for %q", id)
		}
	}
}

func TestReadRenewalInfo(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name, body string
		want       *RenewalInfo
	}{
		{
			"whole", `{"suggestedWindow":{"start":"2027-01-01T00:00:00Z","end":"2027-01-02T01:00:00+01:00"},"explanationURL":"https://ca.example/why"}`,
			&RenewalInfo{
				Start: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC),
				URL: "https://ca.example/why",
			},
		},
		{
			"one instant, and a link that is none", `{"suggestedWindow":{"start":"2026-11-20T11:00:00Z","end":"2026-11-20T11:00:00Z"},"explanationURL":"javascript:alert(1)"}`,
			&RenewalInfo{Start: now.Add(-time.Hour), End: now.Add(-time.Hour)},
		},
		{"reversed", `{"suggestedWindow":{"start":"2027-01-02T00:00:00Z","end":"2027-01-01T00:00:00Z"}}`, nil},
		{"year one", `{"suggestedWindow":{"start":"0001-01-01T00:00:00Z","end":"2027-01-01T00:00:00Z"}}`, nil},
		{"far away", `{"suggestedWindow":{"start":"2027-01-01T00:00:00Z","end":"2999-01-01T00:00:00Z"}}`, nil},
		{"no window", `{"explanationURL":"https://ca.example/"}`, nil},
		{"half a window", `{"suggestedWindow":{"start":"2027-01-01T00:00:00Z"}}`, nil},
		{"no times", `{"suggestedWindow":{"start":"soon","end":"later"}}`, nil},
		{"no object", `[]`, nil},
		{"HTML", `<html>`, nil},
		{"nothing", ``, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readRenewalInfo([]byte(test.body), now)
			switch {
			case test.want == nil && err == nil:
				t.Errorf("read as %+v", got)
			case test.want != nil && (err != nil || got != *test.want):
				t.Errorf("got %+v, %v; want %+v", got, err, *test.want)
			}
		})
	}
}

func FuzzReadRenewalInfo(f *testing.F) {
	f.Add(`{"suggestedWindow":{"start":"2027-01-01T00:00:00Z","end":"2027-01-02T01:00:00+01:00"},"explanationURL":"https://ca.example/why"}`)
	f.Add(`{"suggestedWindow":{"start":"2027-01-01T00:00:00Z"},"explanationURL":"https://\u202e/\u0007"}`)
	f.Add(`{}`)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body string) {
		info, err := readRenewalInfo([]byte(body), now)
		if err != nil {
			return
		}
		if info.End.Before(info.Start) || info.Start.Sub(now).Abs() > maxWindowDistance {
			t.Errorf("window from %s to %s", info.Start, info.End)
		}
		if info.URL != "" && !strings.HasPrefix(info.URL, "http") || info.URL != clean(info.URL, maxWords) {
			t.Errorf("link %q", info.URL)
		}
	})
}

// TestReplaces follows what happens to the order's "replaces".
func TestReplaces(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	a := register(t, ca)
	names := []string{"a.test"}
	first, err := ca.Issue(t.Context(), newJob(t, a, names, solver))
	if err != nil {
		t.Fatal(err)
	}
	id := first.Chain.Facts().CertID
	sent := "" // by the last newOrder
	pebble.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if acmetest.KindOf(r) == acmetest.NewOrder {
			payload, err := acmetest.Payload(r)
			var order struct{ Replaces string }
			if err == nil {
				err = json.Unmarshal(payload, &order)
			}
			if err != nil {
				t.Error(err)
			}
			sent = order.Replaces
		}
		next.ServeHTTP(w, r)
	})
	issue := func(t *testing.T, a Account, id string) (Issued, int) {
		t.Helper()
		pebble.ResetRequests()
		job := newJob(t, a, names, solver)
		job.Replaces = id
		issued, err := ca.Issue(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if sent != issued.Order.Replaces {
			t.Errorf("the CA was told %q, the order says %q", sent, issued.Order.Replaces)
		}
		return issued, pebble.Count(acmetest.NewOrder)
	}
	t.Run("another account's certificate, 403", func(t *testing.T) {
		if got, n := issue(t, register(t, ca), id); !got.ReplacesDropped || got.Order.Replaces != "" || n != 2 {
			t.Errorf("dropped %t, order %+v, %d orders asked for", got.ReplacesDropped, got.Order, n)
		}
	})
	t.Run("taken", func(t *testing.T) {
		if got, n := issue(t, a, id); got.ReplacesDropped || got.Order.Replaces != id || n != 1 {
			t.Errorf("dropped %t, order %+v, %d orders asked for", got.ReplacesDropped, got.Order, n)
		}
	})
	t.Run("replaced already, 409", func(t *testing.T) {
		if got, n := issue(t, a, id); !got.ReplacesDropped || n != 2 {
			t.Errorf("dropped %t, %d orders asked for", got.ReplacesDropped, n)
		}
	})
}

func TestCAWithoutRenewalInfo(t *testing.T) {
	t.Parallel()
	pebble := acmetest.Start(t, acmetest.Options{})
	pebble.Intercept(withoutRenewalInfo(t))
	ca, solver := connect(t, pebble), serveHTTP01(t, pebble)
	if _, err := ca.RenewalInfo(t.Context(), "AAAA.BBBB"); !errors.Is(err, ErrNoRenewalInfo) {
		t.Errorf("error %v, want ErrNoRenewalInfo", err)
	}
	job := newJob(t, register(t, ca), []string{"a.test"}, solver)
	job.Replaces = "AAAA.BBBB" // Pebble would refuse it
	issued, err := ca.Issue(t.Context(), job)
	if err != nil || issued.ReplacesDropped || issued.Order.Replaces != "" {
		t.Errorf("%+v, %v: replaces was sent to a CA that does not know it", issued.Order, err)
	}
}
