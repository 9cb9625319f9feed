package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// serviceTimeout bounds one check or reload. systemd gives a unit 90 seconds to
// stop and as many to start.
const serviceTimeout = 4 * time.Minute

// ServiceError says that a service's check or reload failed.
type ServiceError struct {
	Service string
	Reload  bool     // while it was told; else while its configuration was checked
	Before  bool     // before anything was written
	Said    []string // its own words
	Err     error
}

// Error says what was done and what came of it; not what the service said,
// which stands beside it in Said.
func (e *ServiceError) Error() string {
	what := e.Err.Error()
	if failed, ok := errors.AsType[*command.Error](e.Err); ok {
		what = failed.What()
	}
	switch {
	case e.Reload:
		return fmt.Sprintf("reload %s: %s", e.Service, what)
	case e.Before:
		return fmt.Sprintf("check %s: it refuses its configuration as it is; nothing was written: %s", e.Service, what)
	default:
		return fmt.Sprintf("check %s with the new files: %s", e.Service, what)
	}
}

// Unwrap returns what went wrong.
func (e *ServiceError) Unwrap() error { return e.Err }

func (e *ServiceError) code() plan.Code {
	if e.Reload {
		return plan.CodeServiceReload
	}
	return plan.CodeServiceCheck
}

// CheckService asks a service whether its configuration is sound. A service
// without a check is taken as sound. The error is a *ServiceError.
func (d *Deployer) CheckService(ctx context.Context, s service.Service) error {
	if len(s.Check) == 0 {
		return nil
	}
	way, err := firstInstalled(s.Check)
	if err == nil {
		_, err = d.act(ctx, way)
	}
	if err != nil {
		return &ServiceError{Service: s.Name, Said: said(err), Err: err}
	}
	return nil
}

// ReloadService makes a service read its files again. A service that does not
// run has nothing to read: told is false then, and nothing is wrong. The error
// is a *ServiceError.
func (d *Deployer) ReloadService(ctx context.Context, s service.Service) (told bool, err error) {
	if told, err = d.reload(ctx, s); err != nil {
		return false, &ServiceError{Service: s.Name, Reload: true, Said: said(err), Err: err}
	}
	return told, nil
}

func (d *Deployer) reload(ctx context.Context, s service.Service) (told bool, err error) {
	if d.systemd && s.Unit != "" {
		known, active, err := unitState(ctx, s.Unit)
		switch {
		case err != nil:
			return false, err
		case active:
			_, err := run(ctx, command.Command{Args: []string{"systemctl", verb(s), s.Unit}})
			return err == nil, err
		case known && len(s.PIDFiles) == 0:
			return false, nil
		}
	}
	running, err := d.runs(ctx, s)
	if err != nil || !running {
		return false, err
	}
	way, err := firstInstalled(s.Reload)
	if err != nil {
		return false, err
	}
	return d.act(ctx, way)
}

// verb is how systemd is to tell a service. One that was stopped meanwhile is not
// started.
func verb(s service.Service) string {
	if s.Restart {
		return "try-restart"
	}
	return "reload"
}

// runs reports whether a service runs, as far as one can know before it is told.
func (d *Deployer) runs(ctx context.Context, s service.Service) (bool, error) {
	if len(s.Status) > 0 {
		way, err := firstInstalled(s.Status)
		if err != nil {
			return false, err
		}
		_, err = d.act(ctx, way)
		if failed, ok := errors.AsType[*command.Error](err); ok && failed.Code > 0 {
			return false, nil
		}
		return err == nil, err
	}
	for _, pattern := range s.PIDFiles {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return false, fmt.Errorf("find process of %s: %w", s.Name, err)
		}
		for _, file := range files {
			if pid, err := readPID(file); err != nil {
				return false, err
			} else if alive(pid) {
				return true, nil
			}
		}
	}
	return len(s.PIDFiles) == 0, nil
}

// act carries out an action. Done is false, without an error, where the one
// who is told does not run.
func (d *Deployer) act(ctx context.Context, a service.Action) (done bool, err error) {
	if a.Signal != "" {
		return sendSignal(a)
	}
	_, err = run(ctx, command.Command{Args: a.Args, Shell: a.Shell})
	if err == nil {
		return true, nil
	}
	if stopped, askErr := d.stopped(ctx, a, err); askErr != nil {
		return false, errors.Join(err, askErr)
	} else if stopped {
		return false, nil
	}
	return false, err
}

// stopped reports whether a reload failed because there is nothing to reload.
// Two commands are known well enough to tell: systemctl, and nginx itself.
func (d *Deployer) stopped(ctx context.Context, a service.Action, cause error) (bool, error) {
	failed, ok := errors.AsType[*command.Error](cause)
	if !ok || failed.Code <= 0 || len(a.Args) < 3 {
		return false, nil
	}
	switch program := filepath.Base(a.Args[0]); {
	case program == "systemctl" && slices.Contains(a.Args, "reload"): // reload-or-restart starts it, and fails where it refuses
		known, active, err := unitState(ctx, a.Args[len(a.Args)-1])
		return known && !active, err
	case program == "nginx" && slices.Contains(a.Args, "-s") && slices.Contains(a.Args, "reload"):
		// nginx says with the number of the errno that its pid file is missing
		// (2) or names a process that is gone (3), and that it is empty. What is
		// wrong with its configuration it calls an emergency.
		text := string(failed.Stderr)
		return !strings.Contains(text, "[emerg]") &&
			(strings.Contains(text, "failed (2:") || strings.Contains(text, "failed (3:") || strings.Contains(text, "invalid PID number")), nil
	}
	return false, nil
}

// unitState asks systemd whether it knows a unit and whether the unit is active.
func unitState(ctx context.Context, unit string) (known, active bool, err error) {
	result, err := run(ctx, command.Command{Args: []string{"systemctl", "show", "--property=LoadState,ActiveState", "--", unit}})
	if err != nil {
		return false, false, fmt.Errorf("ask systemd about %s: %w", unit, err)
	}
	for line := range strings.Lines(string(result.Stdout)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "LoadState":
			known = value != "not-found"
		case "ActiveState":
			active = value == "active" || value == "reloading"
		}
	}
	return known, active, nil
}

// firstInstalled returns the first way whose program is there.
func firstInstalled(ways []service.Action) (service.Action, error) {
	var missed []string
	for _, way := range ways {
		if len(way.Args) == 0 {
			return way, nil // a signal, or text for the shell
		}
		if _, err := findProgram(way.Args[0]); err == nil {
			return way, nil
		}
		missed = append(missed, way.Args[0])
	}
	return service.Action{}, fmt.Errorf("%s is not installed, or not where programs are looked for", strings.Join(missed, " or "))
}

// findProgram finds a program as a login of root would: cron's PATH and that
// of many service managers lack the folders where servers are.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || strings.ContainsRune(name, '/') {
		return path, err
	}
	for _, dir := range sbin() {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

func sbin() []string { return []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} }

// run runs a service's command, unless others may write its program.
func run(ctx context.Context, c command.Command) (command.Result, error) {
	if len(c.Args) > 0 {
		path, err := findProgram(c.Args[0])
		if err != nil {
			return command.Result{}, &command.Error{Name: c.Args[0], Code: -1, Err: err}
		}
		c.Args = append([]string{path}, c.Args[1:]...)
	}
	if err := c.Trusted(); err != nil {
		return command.Result{}, &command.Error{Name: c.Name(), Code: -1, Err: err}
	}
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, dir := range sbin() {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	c.Env = append(c.Env, "PATH="+strings.Join(dirs, string(os.PathListSeparator)), "LC_ALL=C")
	if c.Timeout == 0 {
		c.Timeout = serviceTimeout
	}
	result, err := command.Run(ctx, c)
	if failed, ok := errors.AsType[*command.Error](err); ok && len(failed.Stderr) == 0 {
		failed.Stderr = result.Stdout // some explain themselves there
	}
	return result, err
}

// said are the last words of a command that failed.
func said(err error) []string {
	failed, ok := errors.AsType[*command.Error](err)
	if !ok {
		return nil
	}
	return command.Tail(failed.Stderr, 10, 500)
}
