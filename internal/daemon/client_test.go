package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// raw speaks HTTP to the control socket without the client.
func (s *site) raw() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.state, "control.sock"))
	}}}
}

// An ask is stored before it is acknowledged, tried at once, and its outcome
// told: here a failure, for there is no CA.
func TestAsk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := running(t, s.config)
	p.waitLog("event=errored", 1)
	client := s.client()
	var stages, faults, events int
	ended, err := client.Ask(t.Context(), daemon.Ask{Kind: plan.AskApply, Names: []string{"www"}}, func(p engine.Progress) {
		if p.Cert != "www" {
			t.Errorf("progress of %q", p.Cert)
		}
		switch {
		case p.Event != nil && p.Event.Kind == store.EventErrored:
			events++
		case p.Stage != "":
			stages++
		case p.Fault != nil:
			faults++
		}
	})
	if err != nil || !ended.Failed || ended.Why != "" {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	if faults == 0 || events == 0 {
		t.Errorf("%d stages, %d faults, %d events", stages, faults, events)
	}
	p.signal(syscall.SIGKILL)
	p.waitEnd()
	reader := s.hold()
	defer reader.Close()
	known, err := reader.KnownCert(t.Context(), "www")
	if err != nil || known.Tries["ecdsa-p256"].Count < 2 {
		t.Errorf("tries %+v, %v: the ask made no attempt", known.Tries, err)
	}
}

func TestAskIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running(t, s.config)
	client := s.client()
	for _, c := range []struct {
		name string
		ask  daemon.Ask
		code int
	}{
		{"unknown certificate", daemon.Ask{Kind: plan.AskRenew, Names: []string{"other"}}, http.StatusNotFound},
		{"unknown kind", daemon.Ask{Kind: "delete", Names: []string{"www"}}, http.StatusBadRequest},
		{"no certificate", daemon.Ask{Kind: plan.AskRenew}, http.StatusBadRequest},
		{"no version", daemon.Ask{Kind: plan.AskRestore, Names: []string{"www"}}, http.StatusBadRequest},
		{"a version of nothing", daemon.Ask{Kind: plan.AskRenew, Names: []string{"www"}, Version: "V"}, http.StatusBadRequest},
		{"too much", daemon.Ask{Kind: plan.AskRenew, Names: []string{strings.Repeat("x", 9<<20)}}, http.StatusRequestEntityTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := client.Ask(t.Context(), c.ask, func(engine.Progress) {})
			refused, ok := errors.AsType[*daemon.RefusedError](err)
			if !ok || refused.Status != c.code || refused.Words == "" {
				t.Errorf("error %v (%+v), want status %d", err, refused, c.code)
			}
		})
	}
}

// What no client of ours sends does no harm.
func TestForeignRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running(t, s.config)
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{http.MethodPost, "/v1/ask", "", http.StatusBadRequest},
		{http.MethodPost, "/v1/ask", "null", http.StatusBadRequest},
		{http.MethodPost, "/v1/ask", strings.Repeat(" ", 8<<20+1), http.StatusRequestEntityTooLarge},
		{http.MethodPost, "/v1/ask", `{"kind":"apply","more":1}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/ask", `{"kind":"apply"}{}`, http.StatusBadRequest},
		{http.MethodGet, "/v1/ask", "", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v2/ask", "", http.StatusNotFound},
		{http.MethodGet, "/v1/progress?ticket=none", "", http.StatusBadRequest},
		{http.MethodPost, "/v1/account", `{"op":"steal","issuer":"dead"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/account", `{"op":"import","issuer":"dead","key":"x"}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/forget", `{"names":[""]}`, http.StatusBadRequest},
		{http.MethodPost, "/v1/account", `{"op":"register","issuer":"dead"}`, http.StatusBadGateway},
	} {
		t.Run(c.method+c.path+c.body, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://certkeep"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.raw().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != c.code {
				t.Errorf("status %d, want %d: %s %v", resp.StatusCode, c.code, body, err)
			}
		})
	}
}

func TestStatusOverTheSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running(t, s.config)
	o, err := s.client().Status(t.Context())
	if err != nil || o.State != status.Critical || len(o.Certificates) != 1 || o.Certificates[0].Name != "www" {
		t.Errorf("status %+v, %v", o, err)
	}
}

// A failure with a remedy keeps it on its way through the socket.
func TestFaultsKeepTheirCode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running(t, s.config)
	_, err := s.client().Account(t.Context(), daemon.AccountRequest{Op: daemon.AccountRegister, Issuer: "dead"})
	fault, ok := errors.AsType[*engine.FaultError](err)
	if !ok || fault.Fault.Code != plan.CodeNetwork {
		t.Errorf("error %v, want a fault about the network", err)
	}
}

// An end while somebody waits is told to them.
func TestEndIsToldToWaiters(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // a CA that accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	s := newSite(t)
	s.writeText("state: " + s.state + "\naccept_terms: true\nissuers: {slow: {directory: \"https://" + silent.Addr().String() + "/dir\"}}\n" +
		"defaults: {issuer: [slow]}\ncertificates: {www: {names: [www.example.test], files: []}}\n")
	p := running(t, s.config)
	told := make(chan error, 1)
	client := s.client()
	go func() {
		ended, err := client.Ask(t.Context(), daemon.Ask{Kind: plan.AskRenew, Names: []string{"www"}}, func(engine.Progress) {})
		if err == nil && ended.Why == "" {
			err = errors.New("it is said to have been done")
		}
		told <- err
	}()
	p.waitLog("asked over the control socket", 1)
	p.signal(syscall.SIGTERM)
	if code := p.waitEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := <-told; err != nil && !errors.Is(err, daemon.ErrLost) {
		t.Error(err)
	}
	held := s.hold()
	defer held.Close()
	known, err := held.KnownCert(t.Context(), "www")
	if err != nil || known.Asks[plan.AskRenew].At.IsZero() {
		t.Errorf("the ask is not stored: %+v, %v", known.Asks, err)
	}
}

// Once a wish is stored, a daemon that ends is one that went away, whatever
// is left of its socket.
func TestDaemonIsLost(t *testing.T) {
	t.Parallel()
	for name, progress := range map[string]func(http.ResponseWriter){
		"socket is gone": nil,
		"hangs up within a line": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"stage":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"another began": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"no such ticket"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			socket, err := net.Listen("unix", filepath.Join(state, "control.sock"))
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					progress(w)
					return
				}
				w.Header().Set("Connection", "close")
				if progress == nil {
					_ = socket.Close()
				}
				_, _ = io.WriteString(w, `{"ticket":"T"}`)
			})}
			go func() { _ = server.Serve(socket) }()
			defer server.Close()
			client, err := daemon.Dial(t.Context(), state)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Ask(t.Context(), daemon.Ask{Kind: plan.AskRenew, Names: []string{"www"}}, func(engine.Progress) {})
			if !errors.Is(err, daemon.ErrLost) {
				t.Errorf("told %v", err)
			}
		})
	}
}

func TestSocketIsPrivate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running(t, s.config)
	info, err := os.Lstat(filepath.Join(s.state, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

// Another user who gets past the modes is refused by the kernel's word.
func TestStrangerIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to act as another user")
	}
	s := newSite(t)
	p := running(t, s.config)
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copied, socket := filepath.Join(s.dir, "stranger"), filepath.Join(s.state, "control.sock")
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Dir(s.dir): 0o755, s.dir: 0o755, s.state: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	child := exec.Command(copied, "-test.run=^$")
	child.Env = append(os.Environ(), "DAEMON_TEST_STRANGER="+socket)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	child.Stdout, child.Stderr = &out, &out
	if err := child.Run(); err == nil || out.Len() > 0 {
		t.Errorf("a stranger was answered: %v %q", err, out.String())
	}
	p.waitLog("refused a connection", 1)
}
