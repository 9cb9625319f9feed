package issuer

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestClean(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"plain", 100, "plain"},
		{"two\r\nlines\tand more ", 100, "two lines and more"},
		{"\x1b[31mred\x1b[0m\a", 100, "[31mred [0m"},
		{"right\u202eleft\u2066", 100, "rightleft"},
		{"a\u2028b\u0085c", 100, "a b c"},
		{"bad\xff\xfeutf8", 100, "bad utf8"},
		{"Größe ✓", 100, "Größe ✓"},
		{"abcdefghij", 8, "abcde…"},
		{"äääääääää", 8, "ää…"},
	} {
		if got := clean(test.in, test.limit); got != test.want {
			t.Errorf("clean(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func FuzzProblem(f *testing.F) {
	f.Add(400, "application/problem+json", `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no\r\nFAKE LOG LINE","subproblems":[
		{"type":"urn:ietf:params:acme:error:caa","detail":"a","identifier":{"type":"dns","value":"a.test\u001b[31m"}}]}`)
	f.Add(503, "text/html", "<html>\x00\x1b]0;title\a")
	f.Add(403, "application/json", `{"type":5}`)
	f.Add(429, "application/problem+json", `{"title":"\u202eslow"}`)
	ca := &CA{cfg: Config{ID: "ca"}}
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		a := &answer{status: status, header: http.Header{"Content-Type": {kind}}, body: []byte(body)}
		e := ca.refusal("do it", a)
		if e.Code == "" || e.Blame == "" {
			t.Errorf("%+v has no code or blame", e)
		}
		fault := e.Fault(time.Time{})
		for _, s := range append(fault.Detail, fault.Words, e.Error()) {
			if !utf8.ValidString(s) || len(s) > 2*maxWords || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is not fit to be shown", s)
			}
		}
	})
}

// FuzzDirectory reads what a CA says of itself: its URLs are HTTPS, its words
// are fit to be shown, links are few.
func FuzzDirectory(f *testing.F) {
	const urls = `"newNonce":"https://ca.test/n","newAccount":"https://ca.test/a","newOrder":"https://ca.test/o"`
	const terms = `<https://ca.test/terms>;rel="terms-of-service"`
	f.Add(`{`+urls+`,"renewalInfo":"https://ca.test/r/","meta":{"termsOfService":"https://ca.test/t","externalAccountRequired":true}}`, terms)
	f.Add(`{`+urls+`,"meta":{"website":"\u001b[2J","caaIdentities":["a\nb"],"profiles":{"a":"\u202eb","c\u0000":"d"}}}`, strings.Repeat(terms+",", 50))
	f.Add(`{`+urls+`,"keyChange":"http://ca.test/","revokeCert":"file:///etc/passwd"}`, "")
	f.Add(`{"newNonce":"//ca.test","newAccount":"https:///","newOrder":"https://[::1"}`, "<")
	f.Add(`<html>`, `<>;rel=alternate,<`)
	ca := &CA{cfg: Config{ID: "ca", Directory: "https://ca.test/dir"}, http: &http.Client{}}
	f.Fuzz(func(t *testing.T, body, link string) {
		if n := len(links(&answer{header: http.Header{"Link": {link}}}, "terms-of-service")); n > maxAlternates {
			t.Errorf("%d links", n)
		}
		dir, err := ca.readDirectory([]byte(body))
		if err != nil {
			return
		}
		for _, u := range []string{dir.NewNonce, dir.NewAccount, dir.NewOrder, dir.RevokeCert, dir.KeyChange, dir.RenewalInfo} {
			if u != "" && !strings.HasPrefix(strings.ToLower(u), "https://") {
				t.Errorf("URL %q", u)
			}
		}
		words := append([]string{dir.meta.Terms, dir.meta.Website}, dir.meta.CAA...)
		for name, description := range dir.meta.Profiles {
			words = append(words, name, description)
		}
		for _, s := range words {
			if s != clean(s, maxWords) {
				t.Errorf("%q is not fit to be shown", s)
			}
		}
	})
}

// TestMeanings is the table of what a CA's refusals mean here.
func TestMeanings(t *testing.T) {
	for urn, want := range map[string]plan.Code{
		"rateLimited": plan.CodeRateLimited, "accountDoesNotExist": plan.CodeAccountLost,
		"externalAccountRequired": plan.CodeEAB, "userActionRequired": plan.CodeTerms,
		"invalidContact": plan.CodeAccount, "unsupportedContact": plan.CodeAccount, "caa": plan.CodeCAA,
		"connection": plan.CodeChallenge, "dns": plan.CodeChallenge, "tls": plan.CodeChallenge,
		"incorrectResponse": plan.CodeChallenge, "badCSR": plan.CodeCSR, "invalidProfile": plan.CodeProfile,
		"serverInternal": plan.CodeCAError, "badNonce": plan.CodeCAError, "orderNotReady": plan.CodeOrderInvalid,
		"rejectedIdentifier": plan.CodeRejected, "unauthorized": plan.CodeRejected, "badPublicKey": plan.CodeRejected,
		"neverHeardOf": plan.CodeRejected,
	} {
		if got, blame := meaning("urn:ietf:params:acme:error:"+urn, 400); got != want || blame == "" {
			t.Errorf("%s means %s by %q, want %s", urn, got, blame, want)
		}
	}
	for urn, want := range map[string]plan.Code{
		"unauthorized": plan.CodeChallenge, "connection": plan.CodeChallenge, "caa": plan.CodeCAA,
		"rejectedIdentifier": plan.CodeRejected, "rateLimited": plan.CodeRateLimited, "serverInternal": plan.CodeCAError,
		"malformed": plan.CodeChallenge,
	} {
		if got, blame := validationMeaning("urn:ietf:params:acme:error:" + urn); got != want || blame == "" {
			t.Errorf("%s in a validation means %s by %q, want %s", urn, got, blame, want)
		}
	}
}
