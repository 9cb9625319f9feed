package front

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHandler(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/strict" {
			w.Header().Set(hstsHeader, "max-age=7")
		}
		_, _ = io.WriteString(w, "site")
	})
	answer := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/.well-known/acme-challenge/ours" {
			return false
		}
		_, _ = io.WriteString(w, "answer")
		return true
	}
	is := Rules{
		Ours:        func(name string) bool { return name == "a.example" || name == "waits.example" || name == "::1" },
		Placeholder: func(name string) bool { return name == "waits.example" },
	}
	front := Handler(func() Rules { return is }, answer, site)
	const get, post = http.MethodGet, http.MethodPost
	for _, test := range []struct {
		name, method, url string
		redirect          Redirect
		hsts              time.Duration
		code              int
		body, where, said string
	}{
		{"challenge", get, "http://a.example/.well-known/acme-challenge/ours", Permanent, 0, 200, "answer", "", ""},
		{"challenge by HTTPS of a placeholder", get, "https://waits.example/.well-known/acme-challenge/ours", Permanent, 0, 200, "answer", "", ""},
		{"somebody else's challenge", get, "http://a.example/.well-known/acme-challenge/theirs", Permanent, 0, 200, "site", "", ""},
		{"stays", get, "http://a.example/x", Stay, 0, 200, "site", "", ""},
		{"sent on for now", get, "http://A.example:80/x?q=1", Temporary, 0, 302, "", "https://a.example/x?q=1", ""},
		{"sent on for ever", get, "http://a.example./", Permanent, time.Hour, 301, "", "https://a.example/", ""},
		{"a form, sent on for now", post, "http://a.example/x", Temporary, 0, 307, "", "https://a.example/x", ""},
		{"a form, sent on for ever", post, "http://a.example/x", Permanent, 0, 308, "", "https://a.example/x", ""},
		{"an address", get, "http://[::1]:8080/", Temporary, 0, 302, "", "https://[::1]/", ""},
		{"a name that is not ours", get, "http://evil.example/x", Permanent, 0, 200, "site", "", ""},
		{"by HTTPS already", get, "https://a.example/x", Permanent, 0, 200, "site", "", ""},
		{"strict", get, "https://a.example/x", Permanent, 15768000 * time.Second, 200, "site", "", "max-age=15768000"},
		{"not said over HTTP", get, "http://evil.example/", Permanent, time.Hour, 200, "site", "", ""},
		{"the site says it", get, "https://a.example/strict", Permanent, time.Hour, 200, "site", "", "max-age=7"},
		{"on a placeholder", get, "https://waits.example/", Stay, time.Hour, 503, "The certificate of this site is on its way.\n", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			is.Redirect, is.HSTS = test.redirect, test.hsts
			r := httptest.NewRequest(test.method, test.url, nil)
			if r.URL.Scheme == "https" {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			front.ServeHTTP(w, r)
			if w.Code != test.code || w.Body.String() != test.body {
				t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, test.code, test.body)
			}
			if got := w.Header().Get("Location"); got != test.where {
				t.Errorf("sent to %q, want %q", got, test.where)
			}
			if got := w.Header().Get(hstsHeader); got != test.said {
				t.Errorf("HSTS %q, want %q", got, test.said)
			}
		})
	}
}

// TestHostileHost sends what no browser sends.
func TestHostileHost(t *testing.T) {
	front := Handler(func() Rules {
		return Rules{Redirect: Permanent, Ours: func(string) bool { return true }, Placeholder: func(string) bool { return false }}
	}, func(http.ResponseWriter, *http.Request) bool { return false }, http.NotFoundHandler())
	for _, host := range []string{"", "a.example/x", "a.example\r\nX: y", "user@a.example", "a.example?", "ä.example", "a b"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("host %q: sent to %q", host, w.Header().Get("Location"))
		}
	}
}

// TestHostileTarget asks for what is no path, which would become part of the
// host that visitors are sent to.
func TestHostileTarget(t *testing.T) {
	front := Handler(func() Rules {
		return Rules{Redirect: Permanent, Ours: func(string) bool { return true }, Placeholder: func(string) bool { return false }}
	}, func(http.ResponseWriter, *http.Request) bool { return false }, http.NotFoundHandler())
	for target, where := range map[string]string{
		"http:.evil.example/x": "", "http:@evil.example/x": "", "x:y": "", "*": "",
		"http://a.example": "https://a.example/", "http://a.example?q": "https://a.example/?q", "//evil.example/x": "https://a.example//evil.example/x",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		want := http.StatusMovedPermanently
		if where == "" {
			want = http.StatusBadRequest
		}
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); w.Code != want || got != where {
			t.Errorf("%s: answered %d, sent to %q", target, w.Code, got)
		}
	}
}
