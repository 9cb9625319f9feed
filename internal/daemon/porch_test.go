package daemon_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// visit asks by HTTP for a name, and returns the code and where it is sent;
// 0 where nobody listens.
func visit(t *testing.T, address, name, path string) (int, string) {
	t.Helper()
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}},
	}
	answer, err := client.Get("http://" + name + path)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Location")
}

// With `redirect` the own listener is kept, sends visitors of names in
// certificates on, and nobody else; a reload without it closes it.
func TestVisitorsAreSentOn(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	s := newSite(t)
	config := func(listen string) string {
		return "state: " + s.state + "\nlisten: {status: false, http: " + listen + "}\n" +
			"issuers: {dead: {directory: \"https://127.0.0.1:1/dir\"}}\ndefaults: {issuer: [dead]}\n" +
			"challenges: [{names: [\"*.w.example.test\"], dns-01: {via: d}}, {http-01: {}}]\ndns: {d: {provider: rfc2136}}\n" +
			"certificates: {www: {names: [www.example.test, \"*.w.example.test\"], files: []}}\n"
	}
	s.writeText(config("{address: \"" + address + "\", redirect: permanent}"))
	p := running(t, s.config)
	problems, err := s.client().Problems(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Words, "cannot be sent on") || problems[0].Remedy == "" {
		t.Errorf("while the port is taken: %v, %v", problems, err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.waitLog("the config was taken over", 1)
	for _, v := range []struct {
		name, path, to string
		code           int
	}{
		{"www.example.test", "/x?y=1", "https://www.example.test/x?y=1", http.StatusMovedPermanently},
		{"a.w.example.test", "/", "https://a.w.example.test/", http.StatusMovedPermanently},
		{"other.example.test", "/", "", http.StatusNotFound},
		{"www.example.test", "/.well-known/acme-challenge/x", "", http.StatusNotFound},
	} {
		if code, to := visit(t, address, v.name, v.path); code != v.code || to != v.to {
			t.Errorf("%s%s: %d, sent to %q; want %d, %q", v.name, v.path, code, to, v.code, v.to)
		}
	}
	if problems, err := s.client().Problems(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("once the port is free: %v, %v", problems, err)
	}
	s.writeText(config("\"" + address + "\""))
	p.signal(syscall.SIGHUP)
	p.waitLog("the config was taken over", 2)
	if code, _ := visit(t, address, "www.example.test", "/"); code != 0 {
		t.Errorf("without redirect it still answers %d", code)
	}
}
