package handover_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// office is a helper's other side: it notes what comes to it.
type office struct {
	mu     sync.Mutex
	jobs   []deploy.Job
	taken  []plan.File
	closed int

	services []service.Service // of every target
	begun    chan struct{}     // is closed when an installation begins; may be nil
	hold     chan struct{}     // it ends when this is closed
}

func (o *office) Batch(ctx context.Context, jobs []deploy.Job) []deploy.Result {
	if ctx.Err() != nil {
		return make([]deploy.Result, len(jobs))
	}
	if o.begun != nil {
		close(o.begun)
		<-o.hold
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs = append(o.jobs, jobs...)
	results := make([]deploy.Result, len(jobs))
	for i := range jobs {
		results[i] = result()
	}
	return results
}

// result has something in every field that goes over the socket.
func result() deploy.Result {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	return deploy.Result{
		Files: []plan.File{{Path: "/p", SHA256: "ab", Size: 3, Changed: at}}, Written: true, Changed: true, Wrote: []string{"/p"},
		Reloaded: []string{"nginx"}, Stopped: []string{"postfix"}, RolledBack: true,
		Fault: &plan.Fault{Code: plan.CodeRolledBack, Words: "w", Detail: []string{"d"}, At: at}, Untidy: errors.New("untidy"),
	}
}

func (o *office) Withdraw(_ deploy.Target, _ string, files []plan.File) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = files
	return []string{"/left"}, nil
}

func (o *office) Job(_ context.Context, j handover.Job) (deploy.Job, *plan.Fault) {
	if j.Cert == "unknown" {
		return deploy.Job{}, &plan.Fault{Code: plan.CodeHelper, Words: "no certificate"}
	}
	return deploy.Job{Target: deploy.Target{Cert: j.Cert, Name: j.Target, Base: "/from/the/config", Services: o.services}, Content: deploy.Content{Version: j.Version}}, nil
}

func (o *office) Installed(_ context.Context, cert, _ string) (deploy.Target, []plan.File, []string, error) {
	if cert == "unknown" {
		return deploy.Target{}, nil, nil, errors.New("no certificate")
	}
	return deploy.Target{}, []plan.File{{Path: "/known"}}, []string{"/other"}, nil
}

func (o *office) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed++
	return nil
}

// serving has an office answer at a socket. What it returns ends it and waits.
func serving(t *testing.T, o *office) (socket string, end func() error) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	server := &handover.Server{Installer: o, Log: slog.New(slog.DiscardHandler), Open: func(context.Context) (handover.Book, error) { return o, nil }}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return socket, end
}

// Of a job only names arrive, and the content stays where it is; what came of
// it comes back whole, in the place of its job.
func TestBatch(t *testing.T) {
	t.Parallel()
	o := &office{}
	socket, _ := serving(t, o)
	c := &handover.Client{Socket: socket}
	secret := deploy.Content{Version: "v", Pairs: []deploy.Pair{{Key: []byte("secret")}}}
	results := c.Batch(t.Context(), []deploy.Job{
		{Target: deploy.Target{Cert: "unknown", Name: "default"}, Content: secret},
		{Target: deploy.Target{Cert: "www", Name: "default", Base: "/etc/elsewhere"}, Content: secret, Told: true, Staged: true, Spare: true},
	})
	want := result()
	want.Cert, want.Target, want.Version = "www", "default", "v"
	if len(results) != 2 || results[0].Fault == nil || results[0].Fault.Words != "no certificate" || !reflect.DeepEqual(results[1], want) {
		t.Errorf("results %+v", results)
	}
	if len(o.jobs) != 1 {
		t.Fatalf("jobs %+v", o.jobs)
	}
	if j := o.jobs[0]; j.Target.Base != "/from/the/config" || j.Content.Pairs != nil || !j.Told || !j.Staged || !j.Spare {
		t.Errorf("job %+v", j)
	}
	if o.closed != 1 {
		t.Errorf("the book was closed %d times", o.closed)
	}
}

// A look opens what an installation needs, and does nothing.
func TestLook(t *testing.T) {
	t.Parallel()
	o := &office{}
	socket, _ := serving(t, o)
	if err := (&handover.Client{Socket: socket}).Look(t.Context()); err != nil || o.closed != 1 || len(o.jobs) != 0 {
		t.Errorf("looked: %v, %+v", err, o.jobs)
	}
}

// Which files are taken away is not for the client to say.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	o := &office{}
	socket, _ := serving(t, o)
	c := &handover.Client{Socket: socket}
	left, err := c.Withdraw(deploy.Target{Cert: "www", Name: "default"}, "v", []plan.File{{Path: "/etc/passwd"}})
	if err != nil || !reflect.DeepEqual(left, []string{"/left", "/other"}) || len(o.taken) != 1 || o.taken[0].Path != "/known" {
		t.Errorf("left %v, %v, took %v", left, err, o.taken)
	}
	if _, err := c.Withdraw(deploy.Target{Cert: "unknown"}, "v", nil); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("withdrawn: %v", err)
	}
}

// What is no request is refused in words, and others are answered on.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	o := &office{}
	socket, _ := serving(t, o)
	for text, want := range map[string]string{
		"":   "cannot read the request",
		"{}": "nothing was asked",
		`{"install":[{"certificate":"www","path":"/etc/passwd"}]}`:    "unknown field",
		`{"install":` + strings.Repeat(" ", 5<<20) + `[]}`:            "cannot read the request",
		`{"withdraw":{"certificate":"unknown"}}`:                      "no certificate",
		`{"install":[` + strings.Repeat("{},", 4000) + `{}]}`:         "more than the helper takes",
		`{"withdraw":{"version":"` + strings.Repeat("v", 256) + `"}}`: "longer than any",
	} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(conn, text) // it may hang up before the end
			_ = conn.(*net.UnixConn).CloseWrite()
		}()
		said, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.Contains(string(said), want) {
			t.Errorf("%.60q: %q", text, said)
		}
	}
	if len(o.jobs) != 0 || o.taken != nil {
		t.Errorf("done: %v, %v", o.jobs, o.taken)
	}
}

// Nobody there, or nobody any more: each job fails by itself, as a fact that a
// person can do something about.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	jobs := []deploy.Job{{Target: deploy.Target{Cert: "a", Name: "default"}}, {Target: deploy.Target{Cert: "b", Name: "default"}}}
	nowhere := filepath.Join(t.TempDir(), "s")
	for _, r := range (&handover.Client{Socket: nowhere}).Batch(t.Context(), jobs) {
		if r.Fault == nil || r.Fault.Code != plan.CodeHelper || !strings.Contains(r.Fault.Words, nowhere) {
			t.Errorf("result %+v", r)
		}
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for _, r := range (&handover.Client{Socket: socket}).Batch(t.Context(), jobs) {
		if r.Fault == nil || r.Fault.Code != plan.CodeHelper {
			t.Errorf("result %+v", r)
		}
	}
}

// Who asked may go: what was begun is done, and the end waits for it.
func TestBegunIsDone(t *testing.T) {
	t.Parallel()
	o := &office{begun: make(chan struct{}), hold: make(chan struct{})}
	socket, end := serving(t, o)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan []deploy.Result)
	go func() {
		left <- (&handover.Client{Socket: socket}).Batch(ctx, []deploy.Job{{Target: deploy.Target{Cert: "www", Name: "default"}}})
	}()
	<-o.begun
	leave()
	if r := <-left; r[0].Fault == nil {
		t.Errorf("the wait ended with %+v", r)
	}
	close(o.hold)
	if err := end(); err != nil || len(o.jobs) != 1 {
		t.Errorf("ended with %v after %d jobs", err, len(o.jobs))
	}
}

// Whoever asks, a service is not told again before its time; and who waits for it
// does not keep the helper from ending.
func TestPaceIsKept(t *testing.T) {
	t.Parallel()
	o := &office{services: []service.Service{{Name: "nginx", MinInterval: time.Hour}}}
	socket, end := serving(t, o)
	jobs := []deploy.Job{{Target: deploy.Target{Cert: "www", Name: "default"}}}
	(&handover.Client{Socket: socket}).Batch(t.Context(), jobs)
	again := make(chan []deploy.Result, 1)
	go func() { again <- (&handover.Client{Socket: socket}).Batch(t.Context(), jobs) }()
	select {
	case r := <-again:
		t.Errorf("told again: %+v", r)
	case <-time.After(100 * time.Millisecond):
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if len(o.jobs) != 1 {
		t.Errorf("%d installations", len(o.jobs))
	}
}
