package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

const token = "a-token-that-nobody-guesses"

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// paths are all that can be asked for.
func paths() []string {
	return []string{
		"/", "/certificates/site00000.example.com", "/assets/style.css", "/assets/live.js", "/assets/icon.svg", "/metrics", "/server-status?auto", "/md-status", "/md-status/site00000.example.com",
		"/api/v1/status", "/api/v1/certificates", "/api/v1/certificates/site00000.example.com", "/api/v1/problems", "/api/v1/plan", "/api/v1/version",
		"/.httpd/certificate-status/site00000.example.com",
	}
}

// Nothing can be changed: whatever does not read is refused.
func TestOnlyReads(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 3)))
	for _, path := range append(paths(), "/login") {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "CONNECT", "TRACE", "PROPFIND"} {
			if method == http.MethodPost && path == "/login" {
				continue // without a token there is no such page
			}
			if resp := send(t, method, at+path); resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %s", method, path, resp.Status)
			}
		}
		if path == "/login" {
			continue
		}
		get, head := ask(t, at+path), send(t, http.MethodHead, at+path)
		if get.StatusCode != http.StatusOK || head.StatusCode != http.StatusOK || text(t, get) == "" || text(t, head) != "" {
			t.Errorf("%s: GET %s, HEAD %s", path, get.Status, head.Status)
		}
	}
	if resp := send(t, http.MethodPost, at+"/login"); resp.StatusCode == http.StatusOK {
		t.Errorf("POST /login without a token to know: %s", resp.Status)
	}
}

// A page of somebody else's that has its name lead here reads nothing.
func TestHostIsChecked(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 3)), func(o *web.Options) { o.Hosts = []string{"status.example.com"} })
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9780": 200, "LOCALHOST.": 200, "certkeep.localhost": 200, "127.0.0.1:1": 200, "127.8.8.8": 200, "[::1]:9780": 200,
		"status.example.com": 200, "Status.Example.com:80": 200,
		"evil.example": 421, "localhost.evil.example": 421, "192.0.2.1": 421, "status.example.com.evil.example": 421, "127.0.0.1.evil.example": 421, "evil.example:9780": 421,
		"site00000.example.com": 421,
	} {
		for _, path := range []string{"/", "/api/v1/certificates", "/metrics", "/md-status"} {
			if resp := ask(t, at+path, "Host", host); resp.StatusCode != want {
				t.Errorf("%s of %s: %s, want %d", path, host, resp.Status, want)
			}
		}
	}
	if resp := ask(t, at+"/.httpd/certificate-status", "Host", "evil.example"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the certificate status of a foreign name: %s", resp.Status)
	}
}

func TestHeadersKeepBrowsersSafe(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 3)))
	for _, path := range append(paths(), "/gone", "/api/v1/gone", "/certificates/gone") {
		h := ask(t, at+path, "Accept", "text/html").Header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", path, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
		if !strings.HasPrefix(path, "/assets/") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %s", path, h.Get("Cache-Control"))
		}
	}
}

// Where a token is needed, nothing but public facts and the look of the page
// is shown without it.
func TestToken(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 3)), func(o *web.Options) { o.Token = []byte(token) })
	for _, path := range paths() {
		public := strings.HasPrefix(path, "/assets/") || strings.HasPrefix(path, "/.httpd/")
		for _, c := range []struct {
			name, header, value string
			in                  bool
		}{
			{"nothing", "X-None", "", public},
			{"the token", "Authorization", "Bearer " + token, true},
			{"another token", "Authorization", "Bearer " + token + "x", public},
			{"half of it", "Authorization", "Bearer " + token[:10], public},
			{"no token", "Authorization", "Bearer ", public},
			{"the token as a password", "Authorization", "Basic " + token, public},
			{"the token as a cookie", "Cookie", "certkeep_status=" + token, public},
		} {
			resp := ask(t, at+path, c.header, c.value)
			if in := resp.StatusCode == http.StatusOK; in != c.in {
				t.Errorf("%s with %s: %s", path, c.name, resp.Status)
			}
			if !c.in && strings.Contains(text(t, resp), "site0") {
				t.Errorf("%s with %s tells of certificates", path, c.name)
			}
		}
	}
	if resp := ask(t, at+"/", "Accept", "text/html"); resp.Header.Get("Location") != "/login" {
		t.Errorf("a browser is not led to the form: %s", resp.Status)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	login := func(at, said string) *http.Response {
		resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).PostForm(at+"/login", url.Values{"token": {said}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	at := serve(t, source(world(time.Now(), 3)), func(o *web.Options) { o.Token = []byte(token) })
	for _, wrong := range []string{"", "x", token[1:], strings.Repeat("x", 10<<10)} {
		if resp := login(at, wrong); len(resp.Cookies()) > 0 || resp.StatusCode == http.StatusSeeOther {
			t.Errorf("%.20q is taken: %s", wrong, resp.Status)
		}
	}
	resp := login(at, token)
	if len(resp.Cookies()) != 1 {
		t.Fatalf("no cookie: %s", resp.Status)
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, token) {
		t.Errorf("the cookie: %s", cookie)
	}
	if resp := ask(t, at+"/", "Cookie", cookie.Name+"="+cookie.Value); resp.StatusCode != http.StatusOK {
		t.Errorf("with the cookie: %s", resp.Status)
	}
	other := serve(t, source(world(time.Now(), 3)), func(o *web.Options) { o.Token = []byte(token + "2") })
	if resp := ask(t, other+"/", "Cookie", cookie.Name+"="+cookie.Value); resp.StatusCode == http.StatusOK {
		t.Error("the cookie of a former token still counts")
	}
}

// What a CA, a service or a config said is text.
func TestForeignWordsAreText(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := world(now, 60)
	w.Wanted.Certs[3].Names = append(w.Wanted.Certs[3].Names, hostile)
	w.Wanted.Certs[3].Issuers = []string{hostile}
	w.Known.Certs["stored"+hostile] = &plan.KnownCert{Name: "stored" + hostile}
	at := serve(t, source(w))
	for _, path := range []string{"/", "/certificates/site00003.example.com", "/?q=" + url.QueryEscape(hostile), "/?problem=" + url.QueryEscape(hostile), "/?issuer=" + url.QueryEscape(hostile), "/certificates/" + url.PathEscape(hostile)} {
		body := text(t, ask(t, at+path, "Accept", "text/html"))
		if strings.Contains(body, "<script>document") || strings.Contains(body, "<img src") || strings.Contains(body, "</pre>") {
			t.Errorf("%s: markup of others", path)
		}
		if strings.Contains(body, " style=") || strings.Contains(body, " onclick=") || strings.Count(body, "<script") != 1 {
			t.Errorf("%s: something stands in the page that the policy forbids", path)
		}
	}
	if body := text(t, ask(t, at+"/")); !strings.Contains(body, "&lt;script&gt;") {
		t.Error("the CA's words are missing")
	}
}

func TestUnchangedIsSaidShortly(t *testing.T) {
	t.Parallel()
	w := world(time.Now(), 3)
	at := serve(t, source(w))
	for _, path := range []string{"/", "/certificates/site00000.example.com", "/assets/style.css", "/api/v1/version"} {
		tag := ask(t, at+path).Header.Get("ETag")
		resp := ask(t, at+path, "If-None-Match", tag)
		if tag == "" || resp.StatusCode != http.StatusNotModified || text(t, resp) != "" {
			t.Errorf("%s: %s after tag %s", path, resp.Status, tag)
		}
	}
	if one, two := ask(t, at+"/").Header.Get("ETag"), ask(t, at+"/?state=ok").Header.Get("ETag"); one == two {
		t.Error("two pages have one tag")
	}
}

// While the store hangs the last snapshot is shown, with its age.
func TestAnswersWhileTheStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := false
		w := world(time.Now(), 3)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		from := source(w)
		from.Read = func(ctx context.Context) (plan.World, error) {
			if hangs {
				<-ctx.Done()
			}
			return w, ctx.Err()
		}
		h := web.New(web.Options{Snapshots: status.NewSnapshots(ctx, from)})
		get := func() string {
			r := httptest.NewRequest(http.MethodGet, "http://localhost/", http.NoBody)
			rec := httptest.NewRecorder()
			began := time.Now()
			h.ServeHTTP(rec, r)
			if took := time.Since(began); rec.Code != http.StatusOK || took > 2*time.Second {
				t.Errorf("status %d after %s", rec.Code, took)
			}
			return rec.Body.String()
		}
		if strings.Contains(get(), "What is shown is old") {
			t.Error("a fresh page calls itself old")
		}
		asked := time.Now()
		hangs = true
		time.Sleep(time.Hour)
		if body := get(); !strings.Contains(body, "What is shown is old") || !strings.Contains(body, asked.UTC().Format("15:04:05")) {
			t.Error("the page does not say how old it is, and why")
		}
		time.Sleep(time.Hour)
		get()
	})
}

// slow is a client that reads nothing until it is told to.
type slow struct {
	http.ResponseWriter
	asked, read chan struct{}
}

func (s slow) Write(b []byte) (int, error) {
	s.asked <- struct{}{}
	<-s.read
	return len(b), nil
}

// askHere asks a handler without a network between.
func askHere(t *testing.T, h http.Handler, w http.ResponseWriter, path string) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.Host = "localhost"
	h.ServeHTTP(w, r)
}

// Clients that do not read the answers that cost much keep nobody waiting.
func TestSlowClientsBlockNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := web.New(web.Options{Snapshots: status.NewSnapshots(t.Context(), source(world(time.Now(), 20)))})
		w := slow{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		for range 3 {
			go askHere(t, h, slow{httptest.NewRecorder(), w.asked, w.read}, "/api/v1/plan")
			<-w.asked
		}
		defer close(w.read)
		for _, path := range []string{"/api/v1/plan", "/api/v1/certificates/site00007.example.com"} {
			before, got := time.Now(), httptest.NewRecorder()
			askHere(t, h, got, path)
			if took := time.Since(before); got.Code != http.StatusOK || took > 0 {
				t.Errorf("%s: %d after %s", path, got.Code, took)
			}
		}
	})
}

// While the disk hangs, nobody waits for ever for those who read it.
func TestHistoryOnADiskThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		defer close(hangs)
		from := source(world(time.Now(), 20))
		from.Events = func(context.Context, string) ([]status.Event, error) {
			<-hangs
			return nil, nil
		}
		h := web.New(web.Options{Snapshots: status.NewSnapshots(t.Context(), from)})
		for _, want := range []int{http.StatusGatewayTimeout, http.StatusGatewayTimeout, http.StatusServiceUnavailable} {
			before, got := time.Now(), httptest.NewRecorder()
			askHere(t, h, got, "/api/v1/certificates/site00007.example.com")
			if took := time.Since(before); got.Code != want || took > 2*time.Second {
				t.Errorf("%d after %s, want %d", got.Code, took, want)
			}
		}
		got := httptest.NewRecorder()
		askHere(t, h, got, "/certificates/site00007.example.com")
		if got.Code != http.StatusOK {
			t.Errorf("the page: %d", got.Code)
		}
	})
}
