package web_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
	"github.com/certkeep/certkeep/internal/status/web"
)

const (
	day  = 24 * time.Hour
	p256 = "ecdsa-p256"
)

// hostile is what somebody would write who wants to be more than text.
const hostile = `</pre><script>document.title="owned"</script><img src=x onerror="document.title='owned'">"'{{.}}&lt;`

// world holds n certificates of ninety days, in all ages, a few of them with
// trouble of each kind.
func world(now time.Time, n int) plan.World {
	w := plan.World{Wanted: plan.Wanted{Node: "web1"}, Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	for i := range n {
		name := fmt.Sprintf("site%05d.example.com", i)
		want, known := certificate(now, name, time.Duration(i%60)*day+time.Duration(i%24)*time.Hour)
		switch {
		case i == 3:
			known.Versions[0].Pairs[0].NotBefore, known.Versions[0].Pairs[0].NotAfter = now.Add(-85*day), now.Add(5*day)
			fail(now, known, plan.CodeChallenge, "order of "+name+": the CA did not accept the answer", "http-01 of "+name+": 404 from http://"+name+"/.well-known/acme-challenge/x", "Invalid response: "+hostile)
		case i == 5:
			target := known.Targets["default"]
			target.State = plan.TargetReloaded
			target.Verify.Results = []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictWrong, Words: "presents serial 0A1B of another certificate"}}
			known.Targets["default"] = target
		case i == 8:
			known = &plan.KnownCert{Name: name}
			fail(now, known, plan.CodeCAA, "order of "+name+": caa", "CAA record for example.com prevents issuance")
		case i == 11:
			target := known.Targets["default"]
			target.State, target.Verify = plan.TargetReloaded, plan.VerifyFact{
				Version: "V1", At: now.Add(-time.Hour), Results: []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictUnknown, Words: "connection refused"}},
			}
			known.Targets["default"] = target
		}
		w.Wanted.Certs = append(w.Wanted.Certs, want)
		w.Known.Certs[name] = known
	}
	return w
}

// certificate is one that began a while ago.
func certificate(now time.Time, name string, ago time.Duration) (plan.WantedCert, *plan.KnownCert) {
	began := now.Add(-ago)
	return plan.WantedCert{
		Name: name, Names: []string{name, "www." + name}, Issuers: []string{"letsencrypt"}, KeyTypes: []string{p256}, Keep: 3, Warn: plan.Span{Percent: 10},
		Targets: []plan.WantedTarget{{Name: "default", Config: "c", Services: []string{"nginx"}, Verify: true}},
	}, &plan.KnownCert{
		Name: name, Published: "V1", Looked: true, Inspected: now,
		Versions: []plan.Version{{ID: "V1", Created: began, Pairs: []plan.Pair{{
			KeyType: p256, Key: "ab12", Issuer: "letsencrypt", CA: "E7", Made: began, CertID: "id.1", Request: plan.Request{Names: []string{name, "www." + name}},
			NotBefore: began, NotAfter: began.Add(90 * day), Serial: "03d02eda041cb95bf23b", SHA256: "c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee0123456789",
		}}}},
		Targets: map[string]plan.Target{"default": {
			Version: "V1", State: plan.TargetVerified, Config: "c", At: began, Files: []plan.File{{Path: "/etc/ssl/certkeep/" + name + "/fullchain.pem"}},
			Verify: plan.VerifyFact{Version: "V1", At: now.Add(-time.Hour), Results: []plan.Result{{Endpoint: "127.0.0.1:443", KeyType: p256, Verdict: plan.VerdictRight}}},
		}},
	}
}

func fail(now time.Time, k *plan.KnownCert, code plan.Code, words string, detail ...string) {
	k.Tries = map[string]plan.Tries{p256: {
		Count: 3, Last: now.Add(-2 * time.Hour), Ended: now.Add(-2 * time.Hour), NotBefore: now.Add(time.Hour), Issuer: "letsencrypt",
		Fault: &plan.Fault{Code: code, Words: words, Detail: detail, Blame: plan.BlameAdmin, At: now.Add(-2 * time.Hour)},
	}}
}

// history is what happened to any certificate.
func history(now time.Time) []status.Event {
	return []status.Event{
		{Time: now.Add(-30 * day), Kind: "renewing", Issuer: "letsencrypt", Words: "valid until 2026-12-01, renewed 30 days before"},
		{Time: now.Add(-30 * day), Kind: "issued", Issuer: "letsencrypt", KeyType: p256, Words: "version V1 was published"},
		{Time: now.Add(-30 * day), Kind: "installed", Target: "default", Words: "3 files were switched"},
		{Time: now.Add(-30 * day), Kind: "verified", Target: "default", Words: "127.0.0.1:443 presents it"},
		{Time: now.Add(-2 * time.Hour), Kind: "errored", Words: "the CA did not accept the answer", Detail: []string{"Invalid response: " + hostile}},
	}
}

// source gives a world.
func source(w plan.World) status.Source {
	return status.Source{
		Read:   func(context.Context) (plan.World, error) { return w, nil },
		Events: func(context.Context, string) ([]status.Event, error) { return history(time.Now()), nil },
	}
}

// serve shows a source on a free port of loopback, and returns its URL.
func serve(t testing.TB, from status.Source, change ...func(*web.Options)) string {
	t.Helper()
	o := web.Options{
		Snapshots: status.NewSnapshots(t.Context(), from), Build: status.Build{Version: "1.2.3", Go: "go1.26"}, Counters: &metrics.Counters{},
		Directories: map[string]string{"letsencrypt": "https://acme.example/directory"},
	}
	for _, c := range change {
		c(&o)
	}
	server := httptest.NewServer(web.New(o))
	t.Cleanup(server.Close)
	return server.URL
}

// ask sends a GET with headers "Name: value"; Host among them.
func ask(t testing.TB, url string, headers ...string) *http.Response {
	t.Helper()
	return send(t, http.MethodGet, url, headers...)
}

func send(t testing.TB, method, url string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DialContext: new(net.Dialer).DialContext, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}
