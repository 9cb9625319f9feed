package contrib

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// units returns the files of a folder, by name.
func units(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, folder := range folders {
		paths, err := filepath.Glob(folder + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if filepath.Ext(path) != "" {
				found[filepath.Base(path)] = read(t, path)
			}
		}
	}
	return found
}

// TestUnits has systemd read every unit, and weigh what is left open. Of the
// templates it reads an instance.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze := servertest.Find(t, "systemd-analyze")
	dir := t.TempDir()
	var args []string
	for name, text := range units(t, "systemd", "systemd/examples") {
		path := filepath.Join(dir, strings.Replace(name, "@.", "@app.", 1))
		// Found in the program's search path: it need not be installed here.
		text = strings.NewReplacer("=certkeep ", "=/bin/true ", "=/usr/local/bin/app ", "=/bin/true ").Replace(text)
		if filepath.Ext(name) == ".conf" {
			path = filepath.Join(dir, strings.TrimSuffix(name, ".conf")+".service")
			text = strings.Replace(units(t, "systemd")["certkeep.service"], "=certkeep ", "=/bin/true ", 1) + text
		}
		write(t, path, text)
		if filepath.Ext(name) != ".sysusers" {
			args = append(args, path)
		}
	}
	if len(args) < 15 {
		t.Fatalf("units: %q", args)
	}
	// It exits with 0 for keys that it does not know, and says so.
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, args...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// The most that docs/services.md promises, of 10.
	for unit, most := range map[string]string{"certkeep": "32", "certkeep-apply": "32", "certkeep-setup": "32", "certkeep-webserver": "32", "certkeep-helper": "32", "certkeep-finished@app": "16", "unprivileged": "17"} {
		out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold="+most, filepath.Join(dir, unit+".service")).CombinedOutput()
		if err != nil {
			t.Errorf("%s: systemd-analyze security: %v\n%s", unit, err, out)
		}
	}
}

// TestConfinedAlike: what is said of rights stands in four files.
func TestConfinedAlike(t *testing.T) {
	t.Parallel()
	rights := func(name string) string {
		var lines []string
		for line := range strings.Lines(units(t, "systemd")[name]) {
			key, _, found := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Type", "Description", "ExecStart", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "TimeoutStartSec", "StartLimitIntervalSec", "WantedBy", "RemainAfterExit", "SuccessExitStatus", "StandardOutput", "Wants", "After", "Before",
				// Only the daemon's unit makes the folders: others would take them away from its user.
				"ExecStartPre", "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "RuntimeDirectoryPreserve":
			default:
				if found && !strings.HasPrefix(line, "#") {
					lines = append(lines, line)
				}
			}
		}
		return strings.Join(lines, "")
	}
	daemon := rights("certkeep.service")
	if !strings.Contains(daemon, "CapabilityBoundingSet=CAP_NET_BIND_SERVICE") {
		t.Errorf("the daemon:\n%s", daemon)
	}
	if !strings.Contains(daemon, "ReadWritePaths=-/etc/letsencrypt\n") {
		t.Error("docs/from-certbot.md writes where the daemon may not")
	}
	for _, name := range []string{"certkeep-apply.service", "certkeep-setup.service", "certkeep-webserver.service"} {
		// One of them writes the files of virtual hosts as well.
		if other := strings.Replace(rights(name), "ReadWritePaths=-/etc/certkeep\n", "", 1); other != daemon {
			t.Errorf("%s:\n%s\nthe daemon:\n%s", name, other, daemon)
		}
	}
}

// TestAfter: Certkeep starts after those that answer the challenges of webroots,
// and after nobody else, who may be waiting for it.
func TestAfter(t *testing.T) {
	t.Parallel()
	for path, key := range map[string]string{
		"systemd/certkeep.service": "After=", "systemd/certkeep-apply.service": "After=", "systemd/certkeep-webserver.service": "After=", "openrc/certkeep": "after ",
	} {
		for line := range strings.Lines(read(t, path)) {
			after, found := strings.CutPrefix(strings.TrimSpace(line), key)
			if found && (!strings.Contains(after, "nginx") || strings.Contains(after, "haproxy")) {
				t.Errorf("%s: after %s", path, after)
			}
		}
	}
}

// TestSocket has systemd's own program hand over two ports, and start Certkeep
// for the first visitor: he and those after him are answered, the CA is, and
// whoever asks for the status.
func TestSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	page := servertest.FreeAddress(t)
	write(t, h.config, strings.Replace(read(t, h.config), "status: false", `status: "`+page+`"`, 1))
	h.under(t, "systemd-socket-activate", "--listen="+h.http, "--listen="+page, "--setenv=CERTKEEP_CONFIG="+h.config, h.dir+"/bin/certkeep", "run")
	h.supervisor.Ready(t, "", servertest.Accepts(h.http))
	asks := func(url string, want int) {
		t.Helper()
		answer, err := http.Get(url)
		if err != nil {
			t.Fatalf("%v\n%s", err, h.supervisor.Output())
		}
		defer answer.Body.Close() // it is not read
		if answer.StatusCode != want {
			t.Errorf("%s: answered %s", url, answer.Status)
		}
	}
	for range 2 {
		asks("http://"+h.http+"/", http.StatusNotFound)
		asks("http://"+page+"/", http.StatusOK)
		h.run(t, "certkeep", "status", "--wait", "20s", "www")
	}
	if out := h.supervisor.Output(); strings.Count(out, "a socket was handed over") != 2 {
		t.Errorf("the log does not say so:\n%s", out)
	}
}
