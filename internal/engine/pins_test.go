package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestVerifiesPins: nginx, which serves the installed pair and the installed
// header, has to answer with that header: after a change of keys with the new
// one, once it is in place, and never without.
func TestVerifiesPins(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	address := servertest.FreeAddress(t)
	port := address[strings.LastIndex(address, ":")+1:]
	pid := filepath.Join(f.dir, "nginx.pid")
	config := fmt.Sprintf(`
services: {web: {reload: {signal: HUP, pid_file: %[1]s}}}
certificates:
  a.test:
    key_reuse: true
    backup_key: true
    hpkp: {file: "%[2]s/pins", headers: {nginx: true}}
    %%s
`, pid, f.dir)
	f.configure(fmt.Sprintf(config, ""))
	f.apply()
	server := func(extra string) string {
		return fmt.Sprintf("server { listen %[1]s ssl; server_name a.test; %[3]s ssl_certificate %[2]s/fullchain.pem; ssl_certificate_key %[2]s/privkey.pem; location / { return 200; } }", address, filepath.Join(f.dir, "out/a.test"), extra)
	}
	nginx := servertest.Nginx(t, address, server("include "+f.dir+"/pins;"))
	f.pidFile(pid, nginx.PID)
	f.configure(fmt.Sprintf(config, fmt.Sprintf("services: [web]\n    verify: [{port: %s, pins: true}]", port)))
	f.apply()
	shown := f.known("a.test").Targets["default"]
	if shown.State != plan.TargetVerified || shown.Verify.Pins == "" {
		t.Fatalf("the target is %+v", shown)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	rolled := f.known("a.test").Targets["default"]
	if rolled.State != plan.TargetVerified || rolled.Verify.Pins == shown.Verify.Pins || rolled.Verify.Pins == "" {
		t.Errorf("after a rollover the target is %+v", rolled)
	}
	if n := f.happened("a.test", "verify-failed"); n != 0 {
		t.Errorf("%d times something else was seen", n)
	}
	nginx.Stop(syscall.SIGTERM)
	bare := servertest.Nginx(t, address, server(""))
	f.pidFile(pid, bare.PID)
	f.ask(plan.AskVerify, "a.test")
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil {
		t.Fatal(err)
	}
	seen := slices.ContainsFunc(report.Done, func(o Outcome) bool {
		return o.Fault != nil && o.Fault.Code == plan.CodeVerifyWrong && strings.Contains(strings.Join(o.Fault.Detail, " "), "without Public-Key-Pins")
	})
	if !seen {
		t.Errorf("without the header: %+v", report.Done)
	}
}

// pidFile says who is to be told.
func (f *fixture) pidFile(path string, pid int) {
	f.Helper()
	if err := os.WriteFile(path, []byte(strconv.Itoa(pid)), 0o600); err != nil {
		f.Fatal(err)
	}
}
