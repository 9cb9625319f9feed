package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/service"
)

// sendSignal signals the process in a pid file.
func sendSignal(a service.Action) (sent bool, err error) {
	number := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(a.Signal), "SIG"))
	if number == 0 {
		return false, fmt.Errorf("there is no signal %q", a.Signal)
	}
	pid, err := readPID(a.PIDFile)
	if err != nil || pid == 0 {
		return false, err
	}
	if err := mayBeTold(a.PIDFile, pid); err != nil {
		return false, err
	}
	err = syscall.Kill(pid, number)
	if errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("send signal %s to process %d of %s: %w", a.Signal, pid, a.PIDFile, err)
	}
	return true, nil
}

// readPID reads a process id from the first line of a file; 0 where there is none.
func readPID(path string) (int, error) {
	data, _, err := read(path)
	if missing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find process: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if line == "" {
		return 0, nil
	}
	pid, err := strconv.ParseUint(strings.TrimSpace(line), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("find process: %s holds no process id", path)
	}
	return int(pid), nil
}

// alive reports whether a process exists, also one of somebody else.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// mayBeTold refuses to signal a process that the writer of a pid file could
// not signal: a service that runs as a user of its own must not have us, who
// may be root, end somebody else's process.
func mayBeTold(pidFile string, pid int) error {
	where, words, hint, err := command.ExposedWay(pidFile)
	if err != nil {
		return fmt.Errorf("find process: %w", err)
	}
	if words == "" {
		return nil
	}
	info, err := os.Lstat(where)
	if err != nil {
		return fmt.Errorf("find process: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int(stat.Uid) == os.Geteuid() {
		return &command.UntrustedError{Path: where, Words: words, Hint: hint} // a group, or everybody
	}
	user, err := userOf(pid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended, and is not told
	}
	if err != nil {
		return fmt.Errorf("find process: %w", err)
	}
	if user != strconv.FormatUint(uint64(stat.Uid), 10) {
		return fmt.Errorf("find process: %s names process %d, which runs as the user with id %s, and %s %s", pidFile, pid, user, where, words)
	}
	return nil
}

// userOf returns the id of the user that a process runs as (its real one).
func userOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(text))
	i := slices.Index(fields, "Uid:")
	if i < 0 || i+1 >= len(fields) {
		return "", fmt.Errorf("/proc/%d/status names no user", pid)
	}
	return fields[i+1], nil
}
