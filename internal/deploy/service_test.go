package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/service"
)

func shell(text string) []service.Action { return []service.Action{{Shell: text}} }

func argv(args ...string) []service.Action { return []service.Action{{Args: args}} }

func TestCheckService(t *testing.T) {
	d := New(Options{State: t.TempDir()})
	for name, test := range map[string]struct {
		check []service.Action
		said  string // "" where the check passes
	}{
		"no check":                     {nil, ""},
		"sound":                        {argv("true"), ""},
		"refuses":                      {shell("echo line 7 is wrong >&2; exit 1"), "line 7 is wrong"},
		"explains itself on stdout":    {shell("echo line 8 is wrong; exit 1"), "line 8 is wrong"},
		"is not installed":             {argv("no-such-program-anywhere"), "not installed"},
		"the second way is installed":  {slices.Concat(argv("no-such-program-anywhere"), argv("true")), ""},
		"the second way is not looked": {slices.Concat(argv("true"), argv("false")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.CheckService(t.Context(), service.Service{Name: "web", Check: test.check})
			if (err == nil) != (test.said == "") {
				t.Fatalf("CheckService() = %v", err)
			}
			if err == nil {
				return
			}
			failed, ok := errors.AsType[*ServiceError](err)
			if !ok || failed.code() != plan.CodeServiceCheck || !strings.Contains(strings.Join(failed.Said, " ")+err.Error(), test.said) {
				t.Errorf("error %v, said %q", err, failed.Said)
			}
			if len(failed.Said) > 0 && strings.Contains(err.Error(), failed.Said[0]) {
				t.Errorf("said twice: %v, said %q", err, failed.Said)
			}
		})
	}
}

// A service that does not run has nothing to reload; nothing is wrong then.
func TestReloadService(t *testing.T) {
	dir := t.TempDir()
	me := dir + "/me.pid"
	gone := dir + "/gone.pid"
	for path, text := range map[string]string{me: strconv.Itoa(os.Getpid()) + "\n", gone: "2147483646\n", dir + "/empty.pid": "", dir + "/odd.pid": "none"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signal := func(name, file string) []service.Action { return []service.Action{{Signal: name, PIDFile: file}} }
	d := New(Options{State: dir, SystemdDir: dir + "/no-systemd"})
	for name, test := range map[string]struct {
		service service.Service
		told    bool
		fails   bool
	}{
		"told":                                 {service.Service{Reload: argv("true")}, true, false},
		"fails":                                {service.Service{Reload: argv("false")}, false, true},
		"not installed":                        {service.Service{Reload: argv("no-such-program-anywhere")}, false, true},
		"its status says it runs":              {service.Service{Status: argv("true"), Reload: argv("true")}, true, false},
		"its status says it does not":          {service.Service{Status: argv("false"), Reload: argv("false")}, false, false},
		"its pid file names a process":         {service.Service{PIDFiles: []string{dir + "/no*.pid", dir + "/m?.pid"}, Reload: argv("true")}, true, false},
		"its pid file is stale":                {service.Service{PIDFiles: []string{gone}, Reload: argv("false")}, false, false},
		"its pid file is empty":                {service.Service{PIDFiles: []string{dir + "/empty.pid"}, Reload: argv("false")}, false, false},
		"it has no pid file":                   {service.Service{PIDFiles: []string{dir + "/no.pid"}, Reload: argv("false")}, false, false},
		"its pid file is none":                 {service.Service{PIDFiles: []string{dir + "/odd.pid"}, Reload: argv("true")}, false, true},
		"a signal":                             {service.Service{Reload: signal("WINCH", me)}, true, false},
		"a signal with its prefix":             {service.Service{Reload: signal("SIGWINCH", me)}, true, false},
		"a signal for a process gone":          {service.Service{Reload: signal("HUP", gone)}, false, false},
		"a signal without a pid file":          {service.Service{Reload: signal("HUP", dir+"/no.pid")}, false, false},
		"a signal that does not exist":         {service.Service{Reload: signal("GREET", me)}, false, true},
		"a systemd unit, where systemd is not": {service.Service{Unit: "web.service", Reload: argv("true")}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.service.Name = "web"
			told, err := d.ReloadService(t.Context(), test.service)
			if told != test.told || (err != nil) != test.fails {
				t.Errorf("ReloadService() = %v, %v", told, err)
			}
			if failed, ok := errors.AsType[*ServiceError](err); test.fails && (!ok || failed.code() != plan.CodeServiceReload) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// With systemd it is systemd that is asked and told, also behind a command of
// the administrator's.
func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	// It knows up.service and down.service, and writes down what is asked of it.
	fake := `#!/bin/sh
echo "$*" >> ` + dir + `/calls
for unit; do :; done
case "$unit" in
up.service) state=active load=loaded ;;
down.service) state=inactive load=loaded ;;
*) state=inactive load=not-found ;;
esac
if [ "$1" = show ]; then echo "LoadState=$load"; echo "ActiveState=$state"; exit 0; fi
[ $state = active ]
`
	if err := os.WriteFile(dir+"/systemctl", []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	d := New(Options{State: dir, SystemdDir: dir})
	for name, test := range map[string]struct {
		service service.Service
		told    bool
		fails   bool
		last    string // what systemctl was asked last
	}{
		"an active unit":                  {service.Service{Unit: "up.service", Reload: argv("false")}, true, false, "reload up.service"},
		"one that has to be started anew": {service.Service{Unit: "up.service", Restart: true, Reload: argv("false")}, true, false, "try-restart up.service"},
		"a stopped unit":                  {service.Service{Unit: "down.service", Reload: argv("true")}, false, false, "show"},
		"an unknown unit":                 {service.Service{Unit: "odd.service", Reload: argv("true")}, true, false, "show"},
		"a command for an active one":     {service.Service{Reload: argv("systemctl", "reload", "up.service")}, true, false, "reload up.service"},
		"a command for a stopped one":     {service.Service{Reload: argv("systemctl", "reload", "down.service")}, false, false, "show"},
		"a command that would start it":   {service.Service{Reload: argv("systemctl", "reload-or-restart", "down.service")}, false, true, "reload-or-restart"},
		"a command with a slip":           {service.Service{Reload: argv("systemctl", "reload", "odd.service")}, false, true, "show"},
	} {
		t.Run(name, func(t *testing.T) {
			test.service.Name = "web"
			told, err := d.ReloadService(t.Context(), test.service)
			if told != test.told || (err != nil) != test.fails {
				t.Errorf("ReloadService() = %v, %v", told, err)
			}
			calls, err := os.ReadFile(dir + "/calls")
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
			if got := lines[len(lines)-1]; !strings.HasPrefix(got, test.last) {
				t.Errorf("systemctl was asked last: %s, want %s", got, test.last)
			}
		})
	}
}

// nginx says itself that it does not run.
func TestNginxNotRunning(t *testing.T) {
	program := servertest.Find(t, "nginx")
	dir := t.TempDir()
	config := dir + "/nginx.conf"
	if err := os.WriteFile(config, []byte("pid "+dir+"/nginx.pid; error_log "+dir+"/error.log; events {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := New(Options{State: dir, SystemdDir: dir + "/no-systemd"})
	reload := func(config string) (bool, error) {
		return d.ReloadService(t.Context(), service.Service{
			Name: "nginx", Reload: argv(program, "-e", dir+"/error.log", "-p", dir, "-c", config, "-s", "reload"),
		})
	}
	for _, pid := range []string{"", "\n", "2147483646\n"} {
		if pid != "" {
			if err := os.WriteFile(dir+"/nginx.pid", []byte(pid), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if told, err := reload(config); told || err != nil {
			t.Errorf("pid file %q: %v, %v", pid, told, err)
		}
	}
	if _, err := reload(dir + "/no-such.conf"); err == nil {
		t.Error("a missing configuration passes for a stopped server")
	}
}

// Programs are found where root finds them, whatever PATH cron gave us.
func TestProgramsOfRoot(t *testing.T) {
	program := servertest.Find(t, "nginx")
	if !slices.Contains(sbin(), filepath.Dir(program)) {
		t.Skipf("nginx is in %s, where every PATH leads", filepath.Dir(program))
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	d := New(Options{State: t.TempDir()})
	if err := d.CheckService(t.Context(), service.Service{Name: "nginx", Check: argv("nginx", "-v")}); err != nil {
		t.Error(err)
	}
}

func TestSignalArrives(t *testing.T) {
	dir := t.TempDir()
	p := servertest.Start(t, syscall.SIGKILL, "/bin/sh", "-c", `trap 'echo told' HUP; echo ready; while :; do sleep 0.02; done`)
	p.Ready(t, "", contains(p, "ready"))
	if err := os.WriteFile(dir+"/pid", []byte(strconv.Itoa(p.PID)), 0o600); err != nil {
		t.Fatal(err)
	}
	told, err := New(Options{State: dir}).ReloadService(t.Context(), service.Service{Name: "s", Reload: []service.Action{{Signal: "hup", PIDFile: dir + "/pid"}}})
	if !told || err != nil {
		t.Fatalf("ReloadService() = %v, %v", told, err)
	}
	p.Ready(t, "", contains(p, "told"))
}
