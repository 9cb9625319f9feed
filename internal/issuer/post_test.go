package issuer

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// quietDirectory answers the directory and nonces of a CA at base.
func quietDirectory(w http.ResponseWriter, r *http.Request) bool {
	base := "https://" + r.Host
	switch r.URL.Path {
	case "/dir":
		fmt.Fprintf(w, `{"newNonce":"%[1]s/nonce","newAccount":"%[1]s/account","newOrder":"%[1]s/order"}`, base)
	case "/nonce":
		w.Header().Set("Replay-Nonce", "abc")
	default:
		return false
	}
	return true
}

// badAnswer is an answer to a signed request.
type badAnswer struct {
	name  string
	code  plan.Code
	words string
	count int // requests to newAccount
	h     http.HandlerFunc
}

func badAnswers() []badAnswer {
	return []badAnswer{
		{"redirected", plan.CodeCAGarbage, "cannot follow", 1, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}},
		{"HTML for JSON", plan.CodeCAGarbage, "text/html", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<html>")
		}},
		{"no URL of the account", plan.CodeCAGarbage, "the account's URL", 1, func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusCreated, `{"status":"valid"}`)
		}},
		{"endless", plan.CodeCAGarbage, "more than 1024 KiB", 1, func(w http.ResponseWriter, _ *http.Request) {
			endless(w, http.StatusCreated)
		}},
		{"500 and again", plan.CodeCAError, "database", 3, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Replay-Nonce", "abc")
			writeJSON(w, http.StatusInternalServerError, `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"our database is\r\n\u001b[2Jgone"}`)
		}},
		{"503 with Retry-After, not asked again", plan.CodeRateLimited, "2h0m0s", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7200")
			writeJSON(w, http.StatusServiceUnavailable, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}`)
		}},
		{"429 with a date", plan.CodeRateLimited, "1m0s", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Fri, 20 Nov 2026 12:00:00 GMT")
			w.Header().Set("Retry-After", "Fri, 20 Nov 2026 12:01:00 GMT")
			writeJSON(w, http.StatusTooManyRequests, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}`)
		}},
		{"new terms", plan.CodeTerms, "see https://ca.example/terms", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<https://ca.example/terms>;rel="terms-of-service"`)
			writeJSON(w, http.StatusForbidden, `{"type":"urn:ietf:params:acme:error:userActionRequired","detail":"terms have changed"}`)
		}},
		{"deactivated", plan.CodeAccountLost, "revoked", 1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://"+r.Host+"/account/1")
			writeJSON(w, http.StatusOK, `{"status":"revoked"}`)
		}},
	}
}

// TestBadAnswersToPosts are those to signed requests.
func TestBadAnswersToPosts(t *testing.T) {
	for _, test := range badAnswers() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // some are asked again after a pause
			count := 0
			_, ca := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if quietDirectory(w, r) {
					return
				}
				count++
				test.h(w, r)
			}))
			_, err := ca.Register(t.Context(), Registration{Key: newKey(t)})
			e := failure(t, err)
			if e.Code != test.code {
				t.Errorf("error %+v, want %s", e, test.code)
			}
			if s := e.Error(); !strings.Contains(s, test.words) || strings.ContainsFunc(s, isControl) {
				t.Errorf("error %q, want %q in it, and no control characters", s, test.words)
			}
			if count != test.count {
				t.Errorf("asked %d times, want %d", count, test.count)
			}
		})
	}
}

// isControl knows the characters that a terminal obeys.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
