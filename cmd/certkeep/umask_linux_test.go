package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestNothingIsOpenForAnInstant looks at every system call of a first issue
// under the worst umask. Files and folders are made for their owner alone; only
// what holds no key is opened to others, afterwards, and by what is open, not by a
// name behind which somebody else may put another file.
func TestNothingIsOpenForAnInstant(t *testing.T) {
	needTracing(t)
	dir := t.TempDir()
	made := regexp.MustCompile(`(?:openat|open|mkdirat|mkdir)\(.*, (0\d+)[) ]`)
	opened := regexp.MustCompile(`\bfchmod\(\d+<([^>]*)>, (0\d+)[) ]`)
	byName := regexp.MustCompile(`\b(?:chmod|fchmodat2?|chown|lchown|fchownat)\(`)
	count, keys := 0, 0
	for _, call := range tracedIssue(t, dir) {
		if m := made.FindStringSubmatch(call); m != nil {
			if count++; forOthers(t, m[1]) {
				t.Errorf("made for others: %s", call)
			}
		}
		if byName.MatchString(call) {
			t.Errorf("changed by its name: %s", call)
		}
		m := opened.FindStringSubmatch(call)
		if m == nil {
			continue
		}
		place := strings.TrimPrefix(m[1], dir)
		isPublic := slices.Contains([]string{"cert.pem", "chain.pem", "fullchain.pem"}, filepath.Base(place)) ||
			strings.HasPrefix(place, "/ssl/") && !strings.HasSuffix(place, ".pem") || strings.HasPrefix(place, "/.ssl.tmp-")
		if forOthers(t, m[2]) && !isPublic {
			t.Errorf("opened to others: %s", call)
		}
		if strings.HasSuffix(place, "/privkey.pem") || strings.Contains(place, "/records/keys/") || strings.Contains(place, "/records/accounts/") {
			keys++
		}
	}
	if count < 20 || keys < 3 {
		t.Errorf("saw %d files and folders made, and %d with keys in them: is that the whole program?", count, keys)
	}
}

// forOthers reports whether a mode permits anything to group or others.
func forOthers(t *testing.T, mode string) bool {
	t.Helper()
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	return bits&0o077 != 0
}

// tracedIssue runs the program with umask 0, and returns its system calls that
// make or change files.
func tracedIssue(t *testing.T, dir string) []string {
	t.Helper()
	program := buildProgram(t)
	ca := acmetest.Start(t, acmetest.Options{})
	config := fmt.Sprintf(`state: %[1]s/state
accept_terms: true
listen: {http: "127.0.0.1:%[2]d", status: false}
log: {file: "%[1]s/log"}
issuers: {test: {directory: %[3]q, roots_file: "%[1]s/roots.pem"}}
defaults: {issuer: [test], path: "%[1]s/ssl", renew: {ari: false}}
certificates: {a: {names: [a.test]}}
`, dir, ca.HTTPPort(), ca.DirectoryURL())
	err := errors.Join(os.Chmod(dir, 0o700), os.WriteFile(filepath.Join(dir, "certkeep.yaml"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "roots.pem"), ca.RootPEM(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "calls")
	strace := exec.Command(servertest.Find(t, "strace"), "-f", "-y", "-o", log, "-e", "trace=openat,open,creat,mkdir,mkdirat,chmod,fchmod,fchmodat,chown,lchown,fchownat",
		"sh", "-c", `umask 0; exec "$0" "$@"`, program, "--config", filepath.Join(dir, "certkeep.yaml"), "apply")
	if out, err := strace.CombinedOutput(); err != nil {
		t.Fatalf("trace the program: %v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
