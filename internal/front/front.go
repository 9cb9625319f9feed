// Package front is what stands before a web site on its ports: answers to
// challenges of http-01 come first, then the way from HTTP to HTTPS, then an
// excuse where a name has only a placeholder, and behind them the site.
//
// Handler is the function to call first.
package front

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Redirect says whether requests over HTTP are sent to HTTPS.
type Redirect int

// The ways to redirect.
const (
	Stay      Redirect = iota // not at all
	Temporary                 // 302 for GET and HEAD, 307 for others, which are to be repeated as they are
	Permanent                 // 301 and 308
)

// Rules are what a front does beyond answering challenges.
type Rules struct {
	Redirect Redirect
	// HSTS is how long browsers are to use HTTPS alone (RFC 6797); 0 says
	// nothing of it. It is said over HTTPS only, section 7.2, and where the
	// site has not said it.
	HSTS time.Duration
	// Ours reports whether a name is one that has a certificate, or is to have
	// one: others are not redirected.
	Ours func(name string) bool
	// Placeholder reports whether a name has no certificate that clients
	// accept.
	Placeholder func(name string) bool
}

// wellKnown is never redirected: CAs and others look there over HTTP
// (RFC 8615).
const wellKnown = "/.well-known/"

// retry is how soon a site on a placeholder is worth another look.
const retry = time.Minute

// Handler stands before site; rules are asked at each request. Answer writes
// the answer to a challenge and reports true, or does nothing.
func Handler(rules func() Rules, answer func(http.ResponseWriter, *http.Request) bool, site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, wellKnown) && answer(w, r) {
			return
		}
		is, name := rules(), hostOf(r)
		switch {
		case r.TLS == nil && is.Redirect != Stay && name != "" && !strings.HasPrefix(r.URL.Path, wellKnown) && is.Ours(name):
			redirect(w, r, is.Redirect, name)
			return
		case r.TLS != nil && name != "" && is.Placeholder(name):
			w.Header().Set("Retry-After", fmt.Sprint(int(retry.Seconds())))
			http.Error(w, "The certificate of this site is on its way.", http.StatusServiceUnavailable)
			return
		case r.TLS != nil && is.HSTS > 0 && w.Header().Get(hstsHeader) == "":
			w.Header().Set(hstsHeader, fmt.Sprintf("max-age=%d", int64(is.HSTS.Seconds()))) // which the site may replace
		}
		site.ServeHTTP(w, r)
	})
}

// hstsHeader is the header of RFC 6797 section 6.1.
const hstsHeader = "Strict-Transport-Security"

// redirect sends a request to the same place by HTTPS.
func redirect(w http.ResponseWriter, r *http.Request, how Redirect, name string) {
	place := r.URL.RequestURI()
	if r.URL.Opaque != "" || !strings.HasPrefix(place, "/") {
		// "GET http:.evil.example/" would make another host of the name.
		http.Error(w, "What is asked for is no path.", http.StatusBadRequest)
		return
	}
	code := http.StatusFound
	switch read := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case how == Permanent && read:
		code = http.StatusMovedPermanently
	case how == Permanent:
		code = http.StatusPermanentRedirect
	case !read:
		code = http.StatusTemporaryRedirect
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	w.Header().Set("Location", "https://"+name+place)
	w.WriteHeader(code)
}

// hostOf is the name or address that a request is for, without its port, in
// small letters; "" where it is none.
func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:", rune(c)) {
			return ""
		}
	}
	return host
}
