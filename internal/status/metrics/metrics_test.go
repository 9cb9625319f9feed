package metrics_test

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
)

const day = 24 * time.Hour

// snapshot holds a certificate of each name; "missing" was never obtained.
func snapshot(t *testing.T, names ...string) *status.Snapshot {
	t.Helper()
	now := time.Now()
	w := plan.World{Wanted: plan.Wanted{Node: "web1"}, Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	for _, name := range names {
		w.Wanted.Certs = append(w.Wanted.Certs, plan.WantedCert{
			Name: name, Names: []string{name}, Issuers: []string{"letsencrypt"}, KeyTypes: []string{"ecdsa-p256"}, Warn: plan.Span{Percent: 10},
		})
		if name == "missing" {
			continue
		}
		w.Known.Certs[name] = &plan.KnownCert{
			Name: name, Published: "V1", Looked: true,
			Versions: []plan.Version{{ID: "V1", Pairs: []plan.Pair{{
				KeyType: "ecdsa-p256", Issuer: "letsencrypt", Request: plan.Request{Names: []string{name}}, NotBefore: now.Add(-day), NotAfter: now.Add(89 * day),
			}}}},
		}
	}
	all := status.NewSnapshots(t.Context(), status.Source{Read: func(context.Context) (plan.World, error) { return w, nil }})
	s, err := all.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parsed is what Prometheus reads.
func parsed(t *testing.T, f metrics.Facts) map[string]*dto.MetricFamily {
	t.Helper()
	var b bytes.Buffer
	if err := metrics.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value is the number of a series; labels are names and values by turns.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) (float64, bool) {
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i+1 < len(labels); i += 2 {
			fits = fits && have[labels[i]] == labels[i+1]
		}
		if fits {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	families := parsed(t, metrics.Facts{Now: time.Now(), Snapshot: snapshot(t, "a.example.com", "missing")})
	for name, within := range map[string]time.Duration{
		"certkeep_certificate_expiration_timestamp_seconds": 89 * day, "certkeep_certificate_not_before_timestamp_seconds": -day,
		"certkeep_certificate_renewal_timestamp_seconds": 60 * day,
	} {
		at, ok := value(families, name, "name", "a.example.com", "issuer_name", "letsencrypt")
		if got := time.Until(time.Unix(int64(at), 0)); !ok || (got-within).Abs() > 2*day {
			t.Errorf("%s is %s away, want about %s", name, got, within)
		}
	}
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "certkeep_certificate_ready_status", []string{"name", "a.example.com"}},
		{0, "certkeep_certificate_ready_status", []string{"name", "missing"}},
		{1, "certkeep_certificates", []string{"state", "ok"}},
		{1, "certkeep_certificates", []string{"state", "critical"}},
		{0, "certkeep_certificates", []string{"state", "warning"}},
		{1, "certkeep_problems", []string{"code", "missing", "severity", "critical"}},
	} {
		if got, ok := value(families, c.name, c.labels...); !ok || got != c.want {
			t.Errorf("%s %v is %v (%t), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	if _, ok := value(families, "certkeep_certificate_expiration_timestamp_seconds", "name", "missing"); ok {
		t.Error("what does not exist ends at some time")
	}
}

// A certificate that leaves the config takes its series with it, and so does
// an issuer.
func TestSeriesEnd(t *testing.T) {
	t.Parallel()
	var counters metrics.Counters
	counters.Request("old", "POST", 200, time.Second)
	counters.Request("letsencrypt", "GET", 200, time.Second)
	counters.Forget(func(issuer string) bool { return issuer != "old" })
	var b bytes.Buffer
	if err := metrics.Write(&b, metrics.Facts{Snapshot: snapshot(t, "b.example.com"), Counters: &counters}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "a.example.com") || strings.Contains(b.String(), `"old"`) || !strings.Contains(b.String(), "b.example.com") {
		t.Error(b.String())
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	var counters metrics.Counters
	for _, took := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 3 * time.Second, time.Minute} {
		counters.Request("letsencrypt", "POST", 201, took)
	}
	counters.Request("letsencrypt", "POST", 429, time.Second)
	counters.Request("letsencrypt", "POST", 0, time.Second)
	counters.Step("install", true)
	counters.Event("issued")
	families := parsed(t, metrics.Facts{Counters: &counters})
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{4, "certkeep_acme_client_requests_total", []string{"issuer_name", "letsencrypt", "method", "POST", "status", "2xx"}},
		{1, "certkeep_acme_client_requests_total", []string{"status", "4xx"}},
		{1, "certkeep_acme_client_requests_total", []string{"status", "none"}},
		{1, "certkeep_installs_total", []string{"result", "error"}},
		{0, "certkeep_installs_total", []string{"result", "success"}},
		{0, "certkeep_issue_attempts_total", []string{"result", "error"}},
		{1, "certkeep_steps_total", []string{"kind", "install", "result", "error"}},
		{1, "certkeep_events_total", []string{"event", "issued"}},
	} {
		if got, ok := value(families, c.name, c.labels...); !ok || got != c.want {
			t.Errorf("%s %v is %v (%t), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	h := families["certkeep_acme_client_request_duration_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 6 {
		t.Errorf("%d durations", h.GetSampleCount())
	}
	for bound, want := range map[float64]uint64{0.05: 1, 0.1: 2, 0.5: 2, 1: 4, 5: 5, 30: 5} {
		for _, b := range h.GetBucket() {
			if b.GetUpperBound() == bound && b.GetCumulativeCount() != want {
				t.Errorf("%d took %v s or less, want %d", b.GetCumulativeCount(), bound, want)
			}
		}
	}
}

// Whatever a name holds, the text stays one that Prometheus reads.
func TestNamesAreQuoted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`a"b`, `a\b`, "a\nb", "a}b", "é", "\xff", "*.example.com"} {
		families := parsed(t, metrics.Facts{Snapshot: snapshot(t, name)})
		if got, ok := value(families, "certkeep_certificate_ready_status", "name", strings.ToValidUTF8(name, "�")); !ok || got != 1 {
			t.Errorf("%q is not found again", name)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	families := parsed(t, metrics.Facts{Run: &metrics.Run{Ended: time.Unix(1000, 0), ExitCode: 4, Failed: 2}})
	if got, _ := value(families, "certkeep_run_timestamp_seconds"); got != 1000 {
		t.Errorf("ended at %v", got)
	}
	if got, _ := value(families, "certkeep_run_exit_code"); got != 4 {
		t.Errorf("exit code %v", got)
	}
}

// counting is a client for whom something is counted before it reads on.
type counting struct {
	t        *testing.T
	counters *metrics.Counters
	asked    int
}

func (c *counting) Write(b []byte) (int, error) {
	c.asked++
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		c.counters.Event("issued")
	}()
	select {
	case <-counted:
		return len(b), nil
	case <-time.After(10 * time.Second):
		c.t.Error("who counts waits for the client")
		return 0, io.ErrClosedPipe
	}
}

// A client that does not read keeps nobody from counting.
func TestCountingDoesNotWaitForClients(t *testing.T) {
	t.Parallel()
	var c metrics.Counters
	for i := range 1000 { // more than is written at once
		c.Request(strconv.Itoa(i), "POST", 200, time.Second)
	}
	to := &counting{t: t, counters: &c}
	if err := metrics.Write(to, metrics.Facts{Now: time.Now(), Counters: &c}); err != nil || to.asked < 2 {
		t.Errorf("%v, in %d parts", err, to.asked)
	}
}
