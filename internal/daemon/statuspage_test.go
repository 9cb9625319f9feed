package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeAddress is one of loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// show writes a config whose status page is as given, with a CA that answers
// nothing at all at another address.
func (s *site) show(listen, directory string) {
	s.writeText(fmt.Sprintf("state: %s\naccept_terms: true\nlisten: {http: false, status: %s}\nchallenges: [{http-01: {webroot: %s}}]\n"+
		"issuers: {dead: {directory: %q}}\ndefaults: {issuer: [dead], path: %s}\ncertificates: {www: {names: [www.example.test], files: []}}\n",
		s.state, listen, s.dir, directory, s.dir))
}

const nobody = "https://127.0.0.1:1/dir"

// fetch asks the page; over a unix socket where at is a path. Its code is 0
// where nobody answers.
func fetch(t *testing.T, at, path string, headers ...string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		if strings.HasPrefix(at, "/") {
			return d.DialContext(ctx, "unix", at)
		}
		return d.DialContext(ctx, "tcp", at)
	}}}
	resp, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// codes are those of the problems that only the daemon knows.
func (s *site) codes() string {
	problems, err := s.client().Problems(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var codes []string
	for _, p := range problems {
		codes = append(codes, string(p.Code))
		if p.Words == "" || p.Remedy == "" {
			s.t.Errorf("no words or no remedy: %+v", p)
		}
	}
	return strings.Join(codes, " ")
}

// What the page shows follows what the engine does, and what it asks of CAs is
// counted.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	s, at := newSite(t), freeAddress(t)
	s.show(at, nobody)
	p := running(t, s.config)
	if code, body := fetch(t, at, "/"); code != http.StatusOK || !strings.Contains(body, "/certificates/www") {
		t.Errorf("the page: %d", code)
	}
	p.waitLog("event=errored", 1)
	eventually(t, "the failure on the page", func() bool {
		_, body := fetch(t, at, "/certificates/www")
		return strings.Contains(body, "ca-unreachable") && strings.Contains(body, "1 attempt for ecdsa-p256 at dead came to nothing")
	})
	_, body := fetch(t, at, "/metrics")
	for _, line := range []string{
		`certkeep_acme_client_requests_total{issuer_name="dead",method="GET",status="none"} `, `certkeep_issue_attempts_total{result="error"} 1`,
		`certkeep_events_total{event="errored"} 1`, `certkeep_certificate_ready_status{name="www",issuer_name="dead"} 0`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("metrics without %s", line)
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A port that somebody has is a problem for a person; certificates are kept.
func TestStatusPortTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	s := newSite(t)
	s.show(taken.Addr().String(), nobody)
	p := running(t, s.config)
	p.waitLog("event=errored", 1)
	if got := s.codes(); got != "status-page-unavailable" {
		t.Errorf("problems: %q", got)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _ := fetch(t, taken.Addr().String(), "/"); code != http.StatusOK || s.codes() != "" {
		t.Errorf("after the port was free: %d, problems %q", code, s.codes())
	}
}

// A reload moves the page, changes its token, and takes it away.
func TestStatusFollowsTheConfig(t *testing.T) {
	t.Parallel()
	s, one, two := newSite(t), freeAddress(t), freeAddress(t)
	token := filepath.Join(s.dir, "token")
	write := func(text string) {
		if err := os.WriteFile(token, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reload := func(listen string) {
		s.show(listen, nobody)
		if err := s.client().Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = "the-first-token-of-all", "the-second-token-of-all"
	s.show(one, nobody)
	running(t, s.config)
	guarded := fmt.Sprintf("{address: %q, token_file: %s}", one, token)
	write(first)
	reload(guarded)
	for said, want := range map[string]int{"": 401, first: 200, second: 401} {
		if code, _ := fetch(t, one, "/metrics", "Authorization", "Bearer "+said); code != want {
			t.Errorf("%q under the first token: %d", said, code)
		}
	}
	write(second)
	reload(guarded)
	if code, _ := fetch(t, one, "/metrics", "Authorization", "Bearer "+first); code != http.StatusUnauthorized {
		t.Errorf("the first token under the second: %d", code)
	}
	for name, spoil := range map[string]func(){"too short": func() { write("short") }, "gone": func() { _ = os.Remove(token) }} {
		spoil()
		reload(guarded)
		code, _ := fetch(t, one, "/metrics", "Authorization", "Bearer "+second)
		if code != 0 || s.codes() != "status-page-unavailable" {
			t.Errorf("a token that is %s: %d, problems %q", name, code, s.codes())
		}
	}
	reload(two)
	if code, _ := fetch(t, two, "/"); code != http.StatusOK || s.codes() != "" {
		t.Errorf("moved: %d, problems %q", code, s.codes())
	}
	if code, _ := fetch(t, one, "/"); code != 0 {
		t.Errorf("it still answers where it was: %d", code)
	}
	reload("false")
	if code, _ := fetch(t, two, "/"); code != 0 {
		t.Errorf("it answers though it is off: %d", code)
	}
}

// The socket is for its group; what a killed process left is replaced, and
// what is somebody else's is not.
func TestStatusSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(s.dir, "status.sock")
	s.show("\"unix:"+path+"\"", nobody)
	p := running(t, s.config)
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if code, _ := fetch(t, path, "/api/v1/version"); code != http.StatusOK {
		t.Errorf("over the socket: %d", code)
	}
	p.signal(syscall.SIGKILL)
	p.waitEnd()
	p = running(t, s.config)
	if code, _ := fetch(t, path, "/"); code != http.StatusOK {
		t.Errorf("after a kill: %d", code)
	}
	other := newSite(t)
	other.show("\"unix:"+path+"\"", nobody)
	running(t, other.config)
	if got := other.codes(); got != "status-page-unavailable" {
		t.Errorf("at the socket of another process: %q", got)
	}
	if code, _ := fetch(t, path, "/"); code != http.StatusOK {
		t.Error("the socket of another process was taken away")
	}
	p.signal(syscall.SIGTERM)
	p.waitEnd()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket after a clean end: %v", err)
	}
}

func TestStatusSocketLeavesForeignFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(s.dir, "status.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.show("\"unix:"+path+"\"", nobody)
	running(t, s.config)
	if text, err := os.ReadFile(path); s.codes() != "status-page-unavailable" || err != nil || string(text) != "mine" {
		t.Errorf("problems %q, file %q, %v", s.codes(), text, err)
	}
	open := filepath.Join(s.dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	s.show("\"unix:"+filepath.Join(open, "status.sock")+"\"", nobody)
	if err := s.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.codes(); got != "status-page-unavailable" {
		t.Errorf("in a folder where everybody may write: %q", got)
	}
}

// The page answers while the engine waits for a CA that takes connections and
// says nothing.
func TestStatusAnswersWhileTheEngineHangs(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	asked := make(chan struct{})
	go func() {
		if conn, err := silent.Accept(); err == nil {
			close(asked)
			<-t.Context().Done()
			_ = conn.Close()
		}
	}()
	s, at := newSite(t), freeAddress(t)
	s.show(at, "https://"+silent.Addr().String()+"/dir")
	running(t, s.config)
	<-asked
	for range 20 {
		began := time.Now()
		code, body := fetch(t, at, "/certificates/www")
		if took := time.Since(began); code != http.StatusOK || !strings.Contains(body, "renewing") && !strings.Contains(body, "Nothing has happened") || took > 5*time.Second {
			t.Fatalf("code %d after %s", code, took)
		}
	}
}
