package notify_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/notify"
	"github.com/certkeep/certkeep/internal/plan"
)

func secret(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

// TestWebhookIsSigned: whoever has the key finds that id, time and body are
// ours; the id is the same when it is sent again.
func TestWebhookIsSigned(t *testing.T) {
	var bodies []plan.Message
	var ids []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		stamp := r.Header.Get("webhook-timestamp")
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if age := time.Since(time.Unix(seconds, 0)); err != nil || age.Abs() > time.Minute {
			t.Errorf("its time is %s, %v", stamp, err)
		}
		if want := notify.Sign([]byte("k1"), r.Header.Get("webhook-id"), stamp, body); r.Header.Get("webhook-signature") != want {
			t.Errorf("it is signed %s, want %s", r.Header.Get("webhook-signature"), want)
		}
		var m plan.Message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		bodies, ids = append(bodies, m), append(ids, r.Header.Get("webhook-id"))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	by := notify.Webhook{URL: secret(server.URL + "/hush"), Key: secret("whsec_" + base64.StdEncoding.EncodeToString([]byte("k1"))), Roots: x509.NewCertPool(), UserAgent: "certkeep/test"}
	by.Roots.AddCert(server.Certificate())
	for range 2 {
		if err := by.Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	if len(bodies) != 2 || bodies[0].Count != 10_002 || ids[0] != "M1" || ids[1] != "M1" {
		t.Errorf("there arrived %v: %+v", ids, bodies)
	}
}

// TestSignature is the example of the Standard Webhooks specification.
func TestSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	have := notify.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; have != want {
		t.Errorf("it is %s, want %s", have, want)
	}
}

// TestWebhookThatFails keeps its URL secret, and waits as it is asked to.
func TestWebhookThatFails(t *testing.T) {
	status, header := 503, http.Header{"Retry-After": {"120"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "cannot post to "+r.URL.Path)
	}))
	defer server.Close()
	send := func(where string) *notify.Error {
		t.Helper()
		err := notify.Webhook{URL: secret(where), Timeout: 5 * time.Second}.Send(t.Context(), message())
		failed, ok := errors.AsType[*notify.Error](err)
		if !ok || strings.Contains(failed.Words+strings.Join(failed.Detail, ""), "hush") {
			t.Fatalf("it says %v, %q", err, failed.Detail)
		}
		return failed
	}
	if failed := send(server.URL + "/hush"); failed.RetryAfter != 2*time.Minute {
		t.Errorf("it waits %s after %v", failed.RetryAfter, failed)
	}
	status, header = http.StatusTemporaryRedirect, http.Header{"Location": {"/hush/elsewhere"}}
	if failed := send(server.URL + "/hush"); !strings.Contains(failed.Words, "307") {
		t.Errorf("a redirect is %v", failed)
	}
	server.Close()
	send(server.URL + "/hush")
	for _, where := range []string{"http://hooks.example.com/hush", "ftp://127.0.0.1/hush", "hush", "https://hush example/"} {
		send(where)
	}
}

// folder is a folder whose programs may be run.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return dir
}

// program makes a script that runs in its folder.
func program(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProgramGetsTheMessage(t *testing.T) {
	dir := folder(t)
	by := notify.Program{Command: command.Command{Args: []string{program(t, dir, `echo "$# $CERTKEEP_MESSAGE" > args; cat > text`)}}}
	if err := by.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	var m plan.Message
	if err := json.Unmarshal([]byte(read(t, dir, "text")), &m); err != nil || m.Count != 10_002 || read(t, dir, "args") != "0 M1\n" {
		t.Errorf("it got %+v, %v", m, err)
	}
}

// TestProgramAsModMD: it is run once for each notice, in mod_md's words.
func TestProgramAsModMD(t *testing.T) {
	dir := folder(t)
	m := message()
	m.Groups[1].Notices[0].Event = "issued"
	by := notify.Program{Arguments: true, Command: command.Command{Args: []string{program(t, dir, `echo "$*" >> args; cat >> text`), "own arg"}}}
	if err := by.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if args := read(t, dir, "args"); args != "own arg errored a.test\nown arg renewed b.test\nown arg solved c.test\n" {
		t.Errorf("its arguments are\n%s", args)
	}
	if text := read(t, dir, "text"); !strings.Contains(text, `"remedy":"Open the port."`) || strings.Count(text, "\n") != 3 {
		t.Errorf("it reads %s", text)
	}
	by.Command = command.Command{Shell: "cd " + dir + `; echo "$1-$2" >> shell`}
	if err := by.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if said := read(t, dir, "shell"); said != "errored-a.test\nrenewed-b.test\nsolved-c.test\n" {
		t.Errorf("the shell got %q", said)
	}
}
