package contrib

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// helped is a house in which Certkeep runs as nobody, beside a helper.
func helped(t *testing.T) *house {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: runs programs as another user")
	}
	h := newHouse(t)
	for _, folder := range []string{h.dir, filepath.Dir(h.dir)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"state", "log", "helper-log"} {
		h.run(t, "install", "-d", "-o", "nobody", "-m", "700", h.dir+"/"+folder)
	}
	h.run(t, "install", "-d", h.dir+"/ssl")
	write(t, h.config, read(t, h.config)+fmt.Sprintf("helper: {user: nobody, socket: %[1]s/helper.sock, state: %[1]s/helper}\n", h.dir))
	return h
}

// service installs a folder of a service; certkeep's own runs as nobody.
func (h *house) service(t *testing.T, from, to, as string) {
	t.Helper()
	h.install(t, from, to)
	run := read(t, to+"/run")
	if strings.Contains(run, "certkeep run") {
		run = strings.ReplaceAll(run, "certkeep run", as+" certkeep run")
	} else {
		write(t, to+"/log/run", strings.ReplaceAll(read(t, to+"/log/run"), h.dir+"/log-helper", h.dir+"/helper-log"))
	}
	write(t, to+"/run", run)
}

// checkHelped fails the test unless the helper installed the certificate.
func (h *house) checkHelped(t *testing.T) {
	t.Helper()
	h.supervisor.Ready(t, h.dir+"/helper-log/current", func(context.Context) error {
		if _, err := os.Stat(h.dir + "/state/control.sock"); err != nil {
			return err
		}
		_, err := os.Stat(h.dir + "/helper.sock")
		return err
	})
	if out, err := h.try(t, "runuser", "-u", "nobody", "--", h.dir+"/bin/certkeep", "apply"); err != nil || !strings.Contains(out, "a daemon holds the state") {
		t.Fatalf("apply: %v\n%s%s%s", err, out, h.log(), read(t, h.dir+"/helper-log/current"))
	}
	if got := h.run(t, "stat", "-c", "%U %a", h.dir+"/ssl/www/privkey.pem", h.dir+"/state/lock"); got != "root 600\nnobody 600\n" {
		t.Errorf("the key and Certkeep's lock are of %q", got)
	}
}

// both has a supervisor run Certkeep, by a program that makes it nobody, and the
// helper. It returns the folder of the services.
func (h *house) both(t *testing.T, kind, as, supervisor string) string {
	t.Helper()
	services := filepath.Join(h.dir, "service")
	for _, name := range []string{"certkeep", "certkeep-helper"} {
		h.service(t, kind+"/"+name, filepath.Join(services, name), as)
	}
	h.under(t, supervisor, services)
	for _, name := range []string{"certkeep", "certkeep-helper"} {
		if kind == "runit" {
			h.awaitsRunsv(t, filepath.Join(services, name))
		} else {
			h.awaits(t, filepath.Join(services, name, "supervise/control"))
		}
	}
	return services
}

// TestS6Helper has s6-svscan supervise both folders.
func TestS6Helper(t *testing.T) {
	t.Parallel()
	h := helped(t)
	services := h.both(t, "s6", "s6-setuidgid nobody", "s6-svscan")
	h.run(t, "s6-svwait", "-U", "-t", "20000", services+"/certkeep-helper")
	h.checkHelped(t)
	h.run(t, "s6-svc", "-wD", "-T", "20000", "-d", services+"/certkeep-helper")
	if same := read(t, "s6/certkeep/finish") == read(t, "s6/certkeep-helper/finish"); !same {
		t.Error("they end in different ways")
	}
}

// TestRunitHelper has runsvdir supervise both folders.
func TestRunitHelper(t *testing.T) {
	t.Parallel()
	h := helped(t)
	services := h.both(t, "runit", "chpst -u nobody:nogroup", "runsvdir")
	h.run(t, "sv", "-w", "20", "start", services+"/certkeep-helper")
	h.checkHelped(t)
	h.run(t, "sv", "-w", "20", "down", services+"/certkeep-helper", services+"/certkeep")
}

// TestOpenRCHelper has OpenRC run both scripts.
func TestOpenRCHelper(t *testing.T) {
	t.Parallel()
	servertest.Find(t, "openrc-run")
	h := helped(t)
	unshare := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"}
	if out, err := exec.Command("unshare", append(unshare, "-c", "mount -t tmpfs none /run")...).CombinedOutput(); err != nil {
		t.Skipf("no /run of its own: %s", out)
	}
	for _, name := range []string{"certkeep", "certkeep-helper"} {
		write(t, h.dir+"/init.d/"+name, read(t, "openrc/"+name))
		conf := fmt.Sprintf("export CERTKEEP_CONFIG=%[1]s\ncommand=%[2]s/bin/certkeep\noutput_log=%[2]s/%[3]s.log\nerror_log=%[2]s/%[3]s.log\n", h.config, h.dir, name)
		if name == "certkeep" {
			conf += "command_user=nobody\n"
		}
		write(t, h.dir+"/conf.d/"+name, conf)
	}
	prelude, _, _ := strings.Cut(openRC, "rc()")
	write(t, h.dir+"/script", strings.ReplaceAll(prelude+`
rc() { openrc-run HOUSE/init.d/$1 --nodeps $2; }
until_() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 400 ] || { echo "in vain: $*"; cat HOUSE/*.log; exit 1; }; sleep 0.05; done; }
install -o nobody -m 600 /dev/null HOUSE/certkeep.log
rc certkeep-helper start
until_ test -S HOUSE/helper.sock
rc certkeep start
until_ test -S HOUSE/state/control.sock
runuser -u nobody -- HOUSE/bin/certkeep apply
stat -c '%U %a' HOUSE/ssl/www/privkey.pem HOUSE/state/lock
rc certkeep stop
rc certkeep-helper stop
`, "HOUSE", h.dir))
	cmd := exec.CommandContext(t.Context(), "unshare", append(unshare, h.dir+"/script")...)
	cmd.Env = append(h.environ(), "CERTKEEP_CONFIG="+h.config)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "root 600\nnobody 600\n") {
		t.Fatalf("%v\n%s\n%s", err, out, read(t, h.dir+"/certkeep-helper.log"))
	}
}
