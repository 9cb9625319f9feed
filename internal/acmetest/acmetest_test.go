package acmetest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// client trusts the CA's HTTPS.
func client(t *testing.T, ca *acmetest.CA) *http.Client {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.RootPEM()) {
		t.Fatal("the CA's root is no certificate")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// get fetches a page and returns its status and body.
func get(t *testing.T, c *http.Client, url string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestDirectoryThroughProxy(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{})
	code, body := get(t, client(t, ca), ca.DirectoryURL())
	var dir struct{ NewNonce string }
	if err := json.Unmarshal(body, &dir); err != nil || code != http.StatusOK {
		t.Fatalf("directory: status %d, %v", code, err)
	}
	if code, _ := get(t, client(t, ca), dir.NewNonce); code != http.StatusNoContent {
		t.Errorf("newNonce as the directory names it: status %d, want 204", code)
	}
	want := []acmetest.Request{
		{Kind: acmetest.Directory, Method: "GET", Path: "/dir"},
		{Kind: acmetest.NewNonce, Method: "GET", Path: "/nonce-plz"},
	}
	if got := ca.Requests(); !slices.Equal(got, want) {
		t.Errorf("requests = %v, want %v", got, want)
	}
	if n := ca.Count(acmetest.NewNonce); n != 1 {
		t.Errorf("counted %d newNonce, want 1", n)
	}
	ca.ResetRequests()
	if n := ca.Count(); n != 0 {
		t.Errorf("counted %d after a reset, want 0", n)
	}
}

func TestIntercept(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{})
	c := client(t, ca)
	ca.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusTeapot)
	})
	if code, _ := get(t, c, ca.DirectoryURL()); code != http.StatusTeapot {
		t.Errorf("status %d with an interceptor, want 418", code)
	}
	ca.Intercept(nil)
	if code, _ := get(t, c, ca.DirectoryURL()); code != http.StatusOK {
		t.Errorf("status %d without one, want 200", code)
	}
}

func TestRestartForgets(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{AlternateRoots: 1})
	before, err := ca.IssuingRoots(t.Context())
	if err != nil || len(before) != 2 {
		t.Fatalf("%d roots, %v; want 2", len(before), err)
	}
	if err := ca.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := ca.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(before[0], after[0]) {
		t.Error("the root is the same after a restart")
	}
	if code, _ := get(t, client(t, ca), ca.DirectoryURL()); code != http.StatusOK {
		t.Errorf("directory after a restart: status %d", code)
	}
}

func TestDNS(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{})
	for _, err := range []error{
		ca.DNS.SetTXT("_acme-challenge.a.test", "one"),
		ca.DNS.AddA("b.test", "127.0.0.2"),
		ca.DNS.SetCNAME("c.test", "b.test."),
		ca.DNS.ServFail("d.test"),
		ca.DNS.ClearServFail("d.test"),
		ca.DNS.ClearTXT("_acme-challenge.a.test."),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := ca.DNS.AddA(""); err == nil {
		t.Error("a record without an address was taken")
	}
}

func TestUnknownSerial(t *testing.T) {
	ca := acmetest.Start(t, acmetest.Options{})
	got, err := ca.StatusBySerial(t.Context(), "abcd")
	if err != nil || got.Status != "" {
		t.Errorf("status of an unknown certificate = %q, %v", got.Status, err)
	}
}

func TestMissingTools(t *testing.T) {
	t.Setenv("CERTKEEP_TOOLS", t.TempDir())
	_, err := acmetest.Launch(t.Context(), acmetest.Options{})
	if _, ok := errors.AsType[*acmetest.MissingToolError](err); !ok {
		t.Errorf("Launch without programs: %v, want a MissingToolError", err)
	}
}

// TestChildrenDieWithParent starts this test again as another process, kills
// it, and expects its Pebble to be gone.
func TestChildrenDieWithParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	const helper = "CERTKEEP_ACMETEST_HELPER"
	if os.Getenv(helper) != "" {
		ca := acmetest.Start(t, acmetest.Options{})
		fmt.Printf("\nCHILD %d\n", ca.PID())
		<-t.Context().Done()
		return
	}
	acmetest.Start(t, acmetest.Options{}) // skips where the programs are missing
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildrenDieWithParent$")
	cmd.Env = append(os.Environ(), helper+"=1", "TMPDIR="+t.TempDir()) // it cannot clean up
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		// Lines of the test binary itself do not match.
		_, _ = fmt.Sscanf(lines.Text(), "CHILD %d", &pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if pid == 0 {
		t.Fatal("the helper named no child")
	}
	awaitEnd(t, pid)
}

// awaitEnd polls until a process is gone, or a zombie that nobody reaps.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			var state string
			if _, err := fmt.Sscanf(string(stat), "%d (pebble) %s", &pid, &state); err == nil && state == "Z" {
				return
			}
		}
		runtime.Gosched()
	}
	t.Errorf("process %d lives on after its parent was killed", pid)
}
