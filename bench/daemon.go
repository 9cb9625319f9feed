package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What a daemon does at its start is over after a while; then it is watched.
const (
	daemonSettles = 30 * time.Second
	daemonWatched = 2 * time.Minute
)

// daemon measures what a daemon takes that has nothing to do but to look, now
// and then, whether all is as it was.
func (b *bench) daemon(ctx context.Context, sizes []int) error {
	heading("A daemon, nothing due")
	fmt.Printf("`certkeep run` for %s, after its first %s.\n\n| certificates | ready after | memory at most | of one processor |\n|---|---|---|---|\n", daemonWatched, daemonSettles)
	for _, n := range sizes {
		file, err := b.fleet(ctx, n)
		if err != nil {
			return err
		}
		ready, memory, share, err := b.watch(ctx, file)
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.1f s | %.0f MB | %.1f %% |\n", n, ready.Seconds(), float64(memory)/1e6, 100*share)
	}
	return nil
}

// watch runs a daemon for a while.
func (b *bench) watch(ctx context.Context, file string) (ready time.Duration, memory int64, share float64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	said, say, err := os.Pipe()
	if err != nil {
		return 0, 0, 0, err
	}
	defer said.Close()
	cmd := exec.CommandContext(ctx, b.program, "--config", file, "run", "--ready-fd", "3")
	cmd.ExtraFiles = []*os.File{say}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, 0, err
	}
	defer cmd.Wait() // it was told to end
	defer stop()
	_ = say.Close()
	if _, err := said.Read(make([]byte, 1)); err != nil {
		return 0, 0, 0, fmt.Errorf("it did not get ready: %w", err)
	}
	ready = time.Since(began)
	if err := pause(ctx, daemonSettles); err != nil {
		return 0, 0, 0, err
	}
	before, _, err := usage(cmd.Process.Pid)
	if err == nil {
		err = pause(ctx, daemonWatched)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	after, memory, err := usage(cmd.Process.Pid)
	return ready, memory, (after - before).Seconds() / daemonWatched.Seconds(), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// usage is the processor time of a process, and the most memory that it had,
// proc(5).
func usage(pid int) (spent time.Duration, memory int64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	_, behind, _ := strings.Cut(string(stat), ") ") // the name, which may hold anything
	fields := strings.Fields(behind)
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	const ticks = 100 // a second, on every Linux
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		spent += time.Duration(n) * time.Second / ticks
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0, 0, fmt.Errorf("/proc/%d/status does not say VmHWM", pid)
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	return spent, kilobytes * 1024, err
}
