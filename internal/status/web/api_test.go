package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

// read decodes the JSON that a path gives.
func read[T any](t *testing.T, url string) T {
	t.Helper()
	var v T
	resp := ask(t, url)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %s, %s", url, resp.Status, resp.Header.Get("Content-Type"))
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return v
}

// All certificates come once, page by page.
func TestCertificatesByPages(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 57)))
	seen := map[string]bool{}
	asked := 0
	for next := "/api/v1/certificates?limit=10"; next != ""; asked++ {
		list := read[web.Certificates](t, at+next)
		if list.Total != 57 || len(list.Certificates) > 10 {
			t.Fatalf("%s: %d of %d", next, len(list.Certificates), list.Total)
		}
		for _, c := range list.Certificates {
			seen[c.Name] = true
		}
		next = list.Next
	}
	if len(seen) != 57 || asked != 6 {
		t.Errorf("%d certificates in %d pages", len(seen), asked)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 60)))
	for query, want := range map[string]int{
		"q=site00007": 1, "q=WWW.site0000": 10, "q=nothing": 0, "state=critical": 2, "state=warning": 2, "state=ok": 56, "issuer=letsencrypt": 60, "issuer=other": 0,
		"problem=caa-forbids": 1, "problem=caa-forbids&state=ok": 0, "sort=expiry": 60, "offset=59": 60, "offset=9999": 60,
	} {
		if list := read[web.Certificates](t, at+"/api/v1/certificates?"+query); list.Total != want {
			t.Errorf("%s: %d, want %d", query, list.Total, want)
		}
	}
	for _, bad := range []string{"state=bad", "sort=size", "limit=0", "limit=1001", "limit=x", "offset=-1"} {
		if resp := ask(t, at+"/api/v1/certificates?"+bad); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text(t, resp), `"error"`) {
			t.Errorf("%s: %s", bad, resp.Status)
		}
	}
	list := read[web.Certificates](t, at+"/api/v1/certificates?sort=expiry")
	for i := 1; i < len(list.Certificates); i++ {
		if list.Certificates[i].NotAfter.Before(list.Certificates[i-1].NotAfter) {
			t.Fatal("not in the order of their ends")
		}
	}
}

func TestOneCertificate(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 60)))
	one := read[web.One](t, at+"/api/v1/certificates/site00003.example.com")
	if len(one.Events) != 5 || len(one.Certificate.Attempts) != 1 || one.Certificate.Attempts[0].Count != 3 || one.Certificate.Attempts[0].Fault == nil {
		t.Errorf("%+v", one)
	}
	if resp := ask(t, at+"/api/v1/certificates/gone"); resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("an unknown one: %s", resp.Status)
	}
}

func TestSummaryProblemsPlan(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 60)), func(o *web.Options) { o.Build.Version = "9.9" })
	sum := read[web.Summary](t, at+"/api/v1/status")
	if sum.Certificates != (web.Numbers{OK: 56, Warning: 2, Critical: 2}) || sum.State != status.Critical || sum.Node != "web1" {
		t.Errorf("%+v", sum)
	}
	problems := read[web.Problems](t, at+"/api/v1/problems?limit=2")
	if problems.Total != sum.Problems || len(problems.Problems) != 2 || problems.Problems[0].Severity != plan.Critical {
		t.Errorf("%+v", problems)
	}
	short, long := read[status.Forecast](t, at+"/api/v1/plan?until=1d"), read[status.Forecast](t, at+"/api/v1/plan?until=90d")
	if len(short.Steps) == 0 || len(long.Steps) <= len(short.Steps) {
		t.Errorf("%d steps within a day, %d within 90", len(short.Steps), len(long.Steps))
	}
	if resp := ask(t, at+"/api/v1/plan?until=9999d"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a plan of 9999 days: %s", resp.Status)
	}
	if v := read[status.Build](t, at+"/api/v1/version"); v.Version != "9.9" {
		t.Errorf("%+v", v)
	}
}

// dig follows keys through objects.
func dig(v any, keys ...string) any {
	for _, k := range keys {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[k]
	}
	return v
}

// mod_md's clients read what they did, in both of its shapes.
func TestMdStatus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := serve(t, source(world(now, 60)))
	all := read[map[string]any](t, at+"/md-status")
	list, _ := all["managed-domains"].([]any)
	if all["version"] != "1.2.3" || len(list) != 60 || dig(list[0], "name") != "site00000.example.com" {
		t.Errorf("the list: %v", all["version"])
	}
	until := now.Add(83*day - 7*time.Hour).UTC().Format(http.TimeFormat)
	for path, keys := range map[string][]string{
		"/md-status/site00007.example.com":                                {"cert", "valid", "until"},
		"/md-status/www.site00007.example.com":                            {"cert", "secp256r1", "valid", "until"},
		"/md-status/site00007.example.com?shape=2019":                     {"cert", "valid-until"},
		"/.httpd/certificate-status/site00007.example.com":                {"secp256r1", "valid", "until"},
		"/.httpd/certificate-status/WWW.site00007.example.com?shape=2019": {"valid-until"},
	} {
		if got := dig(read[any](t, at+path), keys...); got != until {
			t.Errorf("%s: %v is %v, want %s", path, keys, got, until)
		}
	}
	failing := read[any](t, at+"/md-status/site00003.example.com")
	for path, want := range map[string]any{"/md-status/site00003.example.com": true, "/md-status/site00003.example.com?shape=2019": true, "/md-status/site00007.example.com?shape=2019": false, "/md-status/site00007.example.com": nil} {
		if got := dig(read[any](t, at+path), "renew"); got != want {
			t.Errorf("%s: renew is %v, want %v: an attempt that failed is due, whatever it waits for", path, got, want)
		}
	}
	if dig(failing, "renewal", "errors") != 3.0 || dig(failing, "renewal", "last", "problem") != "challenge-failed" {
		t.Errorf("a failing one: %v", dig(failing, "renewal"))
	}
	if missing := read[any](t, at+"/md-status/site00008.example.com"); dig(missing, "state") != 1.0 || fmt.Sprint(dig(missing, "cert")) != "map[]" {
		t.Errorf("a missing one: %v", missing)
	}
	for _, path := range []string{"/md-status/gone.example.com", "/.httpd/certificate-status/gone.example.com"} {
		if resp := ask(t, at+path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// Who renews, and how CAs reach whoever runs Certkeep, is told as mod_md does.
func TestModStatusModesAndContacts(t *testing.T) {
	t.Parallel()
	w := world(time.Now(), 60)
	for i, mode := range []plan.Mode{plan.ModeAuto, plan.ModeManual, plan.ModeStatic} {
		w.Wanted.Certs[i].Mode = mode
	}
	w.Wanted.Certs[2].Issuers = nil
	w.Wanted.Certs[1].Issuers = []string{"letsencrypt", "corp"}
	at := serve(t, source(w), func(o *web.Options) {
		o.Email, o.Emails = "admin@example.com", map[string]string{"corp": "corp@example.com"}
	})
	for i, c := range []struct {
		mode     float64
		contacts string
	}{{1, "[mailto:admin@example.com]"}, {0, "[mailto:admin@example.com mailto:corp@example.com]"}, {0, "[]"}} {
		for _, shape := range []string{"", "?shape=2019"} {
			md := read[any](t, at+"/md-status/"+w.Wanted.Certs[i].Name+shape)
			if got := fmt.Sprint(dig(md, "contacts")); dig(md, "renew-mode") != c.mode || got != c.contacts {
				t.Errorf("%s: renew-mode %v, contacts %s; want %v, %s", w.Wanted.Certs[i].Mode, dig(md, "renew-mode"), got, c.mode, c.contacts)
			}
		}
	}
}

// A successor is told of while there is to be one: empty until it is there.
func TestCertificateStatusOfASuccessor(t *testing.T) {
	t.Parallel()
	w := world(time.Now(), 60)
	ready := w.Known.Certs["site00004.example.com"]
	ready.Versions = append(ready.Versions, plan.Version{ID: "V2", Pairs: ready.Versions[0].Pairs})
	ready.Ready = "V2"
	at := serve(t, source(w))
	for name, want := range map[string]string{"site00007": "<nil>", "site00003": "map[cert:map[]]"} {
		if got := fmt.Sprint(dig(read[any](t, at+"/.httpd/certificate-status/"+name+".example.com"), "renewal")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if serial := dig(read[any](t, at+"/.httpd/certificate-status/site00004.example.com"), "renewal", "cert", "secp256r1", "serial"); serial != "03D02EDA041CB95BF23B" {
		t.Errorf("its serial is %v", serial)
	}
}

// The public status tells what a handshake shows, under the domain's own name,
// and no more.
func TestCertificateStatusIsPublic(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 60)))
	resp := ask(t, at+"/.httpd/certificate-status", "Host", "www.site00003.example.com")
	body := text(t, resp)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"serial": "03D02EDA041CB95BF23B"`) || !strings.Contains(body, `"sha256-fingerprint": "c0ffee01`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
	for _, secret := range []string{"site00003", "site00004", "letsencrypt", "challenge", "default", "/etc/"} {
		if strings.Contains(body, secret) {
			t.Errorf("it tells of %s", secret)
		}
	}
}

// The lines have mod_md's labels, and the domains are in the order of their names.
func TestServerStatus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := world(now, 60)
	w.Wanted.Certs[0], w.Wanted.Certs[1] = w.Wanted.Certs[1], w.Wanted.Certs[0]
	w.Wanted.Certs[2].OCSP = &plan.WantedOCSP{}
	stapled := w.Known.Certs["site00002.example.com"]
	stapled.OCSP = map[string]plan.Staple{p256: {Leaf: stapled.Versions[0].Pairs[0].SHA256}}
	body := text(t, ask(t, serve(t, source(w), func(o *web.Options) {
		o.Directories = map[string]string{"letsencrypt": "https://acme.example/directory"}
	})+"/server-status?auto"))
	for _, line := range []string{
		"ManagedCertificatesTotal: 60\n", "ManagedCertificatesOK: 59\n", "ManagedCertificatesErrored: 2\n", "ManagedCertificatesReady: 0\n",
		"ManagedDomain[0]Domain: site00000.example.com\n", "ManagedDomain[3]Names[0]: site00003.example.com\n", "ManagedDomain[3]Names[1]: www.site00003.example.com\n",
		"ManagedDomain[3]Status: good\n", "ManagedDomain[3]ValidUntil: " + now.Add(5*day).UTC().Format(time.DateOnly) + "\n",
		"ManagedDomain[3]CAName: letsencrypt\n", "ManagedDomain[3]CAURL: https://acme.example/directory\n",
		"ManagedDomain[3]ActivityLastProblem: challenge-failed\n", "ManagedDomain[3]ActivityFinished: no\n", "ManagedDomain[3]ActivityRetries: 3\n", "ManagedDomain[3]ActivityNextRun: 3",
		"ManagedDomain[8]Status: incomplete: certificate missing\n", "ManagedDomain[2]Stapling: on\n", "ManagedDomain[7]ActivityRenew: ",
		"ManagedStaplingsTotal: 1\n", "ManagedStaplingsErrored: 1\n", "ManagedStapling[0]Domain: site00002.example.com\n", "ManagedStapling[0]OCSPStatus: unknown\n",
	} {
		if !strings.Contains(body, line) {
			t.Errorf("no %q", line)
		}
	}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "Managed") || !strings.Contains(line, ": ") {
			t.Errorf("line %q", line)
		}
	}
}
