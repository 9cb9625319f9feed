package clocktest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/clocktest"
)

// soon is how long anything may take before a test gives up.
const soon = 60 * time.Second

// module is the root of the module, from the folder of this package.
const module = "../.."

// keeper is a daemon that keeps a.test and b.test under a clock of its own.
type keeper struct {
	*testing.T
	program string
	dir     string
	clock   *clocktest.Clock
	ca      *acmetest.CA
	daemon  *exec.Cmd

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

// keep starts a daemon and waits until it has both certificates. The CA is
// reached at directory, by the roots in PEM, and looks into the folder root.
func keep(t *testing.T, program string, clock *clocktest.Clock, ca *acmetest.CA, root, directory string, roots []byte) *keeper {
	t.Helper()
	k := &keeper{T: t, program: program, dir: t.TempDir(), clock: clock, ca: ca}
	config := fmt.Sprintf(`state: %[1]s/state
accept_terms: true
listen: {status: false}
challenges: [{http-01: {webroot: %[2]q}}]
issuers: {test: {directory: %[3]q, roots_file: "%[1]s/roots.pem"}}
defaults: {issuer: [test], path: "%[1]s/ssl", renew: {ari: false}}
certificates: {a: {names: [a.test]}, b: {names: [b.test]}}
`, k.dir, root, directory)
	err := errors.Join(
		os.Chmod(k.dir, 0o700), // whatever the umask is
		os.WriteFile(k.at("certkeep.yaml"), []byte(config), 0o600),
		os.WriteFile(k.at("roots.pem"), roots, 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	k.daemon = k.command("run")
	k.daemon.Stderr = k
	if err := k.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.end)
	k.eventually("two certificates are installed", func() bool { return strings.Count(k.logged(), "event=installed") == 2 })
	k.settle(0)
	return k
}

// at is a path in the keeper's folder.
func (k *keeper) at(name string) string { return filepath.Join(k.dir, name) }

// command is the program under the keeper's clock.
func (k *keeper) command(args ...string) *exec.Cmd {
	cmd := exec.Command(k.program, append([]string{"--config", k.at("certkeep.yaml")}, args...)...)
	cmd.Env = append(os.Environ(), k.clock.Env())
	return cmd
}

// Write takes the daemon's log.
func (k *keeper) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.Write(b)
}

func (k *keeper) logged() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.String()
}

// end ends the daemon, which has to end well.
func (k *keeper) end() {
	_ = k.daemon.Process.Signal(syscall.SIGTERM) // where it is gone already, Wait tells
	if err := k.daemon.Wait(); err != nil {
		k.Errorf("the daemon: %v", err)
	}
	if k.Failed() {
		k.Logf("the daemon's log:\n%s", k.logged())
	}
}

// eventually polls for a condition.
func (k *keeper) eventually(what string, ok func() bool) {
	k.Helper()
	for deadline := time.Now().Add(soon); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			k.Fatalf("not in time: %s", what)
		}
	}
}

// settle has the daemon look at all that is due, again and again, and returns
// when it has. The exit code of `certkeep apply` must be the given one.
func (k *keeper) settle(code int) {
	k.Helper()
	for range 3 {
		cmd := k.command("apply")
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			k.Errorf("certkeep apply: exit code %d, want %d: %v\n%s", got, code, err, out)
		}
	}
}

// says fails the test unless the program's output has some words.
func (k *keeper) says(words string, args ...string) {
	k.Helper()
	// Its exit code says the same as the words.
	if out, _ := k.command(args...).CombinedOutput(); !strings.Contains(string(out), words) {
		k.Errorf("certkeep %s does not say %q: %s", strings.Join(args, " "), words, out)
	}
}

// jump sets the clock and waits until the daemon has noticed.
func (k *keeper) jump(offset time.Duration) {
	k.Helper()
	const noticed = "the clock was set"
	before := strings.Count(k.logged(), noticed)
	k.clock.Set(offset)
	k.eventually("the daemon notices that its clock was set", func() bool { return strings.Count(k.logged(), noticed) > before })
}

// installed are the files that services read.
func (k *keeper) installed() map[string]string {
	k.Helper()
	all := map[string]string{}
	for _, cert := range []string{"a", "b"} {
		for _, name := range []string{"privkey.pem", "fullchain.pem"} {
			text, err := os.ReadFile(k.at(filepath.Join("ssl", cert, name)))
			if err != nil {
				k.Error(err)
			}
			all[cert+"/"+name] = string(text)
		}
		if _, err := tls.X509KeyPair([]byte(all[cert+"/fullchain.pem"]), []byte(all[cert+"/privkey.pem"])); err != nil {
			k.Errorf("%s: %v", cert, err)
		}
	}
	return all
}

// ends is when the certificate that is installed ends.
func (k *keeper) ends(cert string) time.Time {
	k.Helper()
	block, _ := pem.Decode([]byte(k.installed()[cert+"/fullchain.pem"]))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		k.Fatal(err)
	}
	return leaf.NotAfter
}

// finalized counts the orders that the CA was asked to finalise.
func (k *keeper) finalized() int {
	orders := map[string]bool{}
	for _, r := range k.ca.Requests() {
		if r.Kind == acmetest.Finalize {
			orders[r.Path] = true
		}
	}
	return len(orders)
}

// processor is the time that the daemon has used.
func (k *keeper) processor() time.Duration {
	k.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", k.daemon.Process.Pid))
	if err != nil {
		k.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		k.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // the kernel counts in hundredths
}

// webServer shows a folder at a port for as long as the test runs: a port that
// is held now and then might be taken by somebody else.
func webServer(t *testing.T) (port int, root string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	server := &http.Server{Handler: http.FileServer(http.Dir(root))}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().(*net.TCPAddr).Port, root
}

// front is an HTTPS server before a CA whose own certificate is valid for many
// years: where time passes for all, web servers renew theirs too.
func front(t *testing.T, ca *acmetest.CA) (directory string, roots []byte) {
	t.Helper()
	behind, err := url.Parse(ca.DirectoryURL())
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(ca.RootPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { // the host stays: the CA makes its URLs of it
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = behind.Scheme, behind.Host, r.In.Host
		},
	})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL + behind.Path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}
