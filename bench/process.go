package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// figures are what the system says of a finished process.
type figures struct {
	Wall   time.Duration
	Memory int64 // peak resident set in bytes
}

// process runs the built program to its end, and has it measured by a small
// process of its own: Linux counts what the parent had in memory at the fork as
// the child's.
func (b *bench) process(ctx context.Context, args ...string) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	out, err := exec.CommandContext(ctx, self, append([]string{measured, b.program}, args...)...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return figures{}, fmt.Errorf("certkeep %v: %w\n%s", args, err, failed.Stderr)
	}
	var f figures
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	return f, err
}

// measured as the first argument makes this program run the others as a
// command, and print its figures.
const measured = "measured"

func measure(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	f := figures{Wall: time.Since(start)}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.Memory = usage.Maxrss * 1024 // Linux counts kilobytes
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// medianOf runs the program several times, after one run that does not count.
func (b *bench) medianOf(ctx context.Context, runs int, args ...string) (figures, error) {
	var walls, memories []float64
	for i := range runs + 1 {
		f, err := b.process(ctx, args...)
		if err != nil {
			return figures{}, err
		}
		if i > 0 {
			walls, memories = append(walls, f.Wall.Seconds()), append(memories, float64(f.Memory))
		}
	}
	return figures{Wall: time.Duration(median(walls) * float64(time.Second)), Memory: int64(median(memories))}, nil
}

// coldStart times one certificate from a process that knows nothing, account
// included, against the bare exchange.
func (b *bench) coldStart(ctx context.Context) error {
	s, err := b.site(ctx, "cold", acmetest.Options{})
	if err != nil {
		return err
	}
	defer s.ca.Close()
	l, err := newLoop(ctx, s)
	if err != nil {
		return err
	}
	const rounds = 9
	var bare, whole []float64
	for r := range rounds {
		took, err := l.run(ctx, fmt.Sprintf("bare%d-", r), 1, 1)
		if err != nil {
			return err
		}
		state := fmt.Sprintf("s%d", r)
		file := filepath.Join(s.dir, state+".yaml")
		if err := os.WriteFile(file, []byte(s.config(state, many(state+"-", 1))), 0o600); err != nil {
			return err
		}
		f, err := b.process(ctx, "--config", file, "apply")
		if err != nil {
			return err
		}
		bare, whole = append(bare, took.Seconds()), append(whole, f.Wall.Seconds())
	}
	heading("One certificate from a cold start to installed")
	fmt.Printf("`certkeep apply` with an empty state: account, order, files, all synced. Median of %d.\n\n", rounds)
	fmt.Println("| | milliseconds | of the bare exchange |\n|---|---|---|")
	fmt.Printf("| bare exchange, account and key ready, no disk | %.0f | 1.0 |\n", 1000*median(bare))
	fmt.Printf("| certkeep apply, whole process | %.0f | %.1f |\n", 1000*median(whole), median(ratios(whole, bare)))
	return nil
}

// commands times what people and monitoring run all day.
func (b *bench) commands(ctx context.Context) error {
	f, err := b.medianOf(ctx, 21, "version")
	if err != nil {
		return err
	}
	heading("Start-up")
	fmt.Printf("`certkeep version`: %.1f ms, %.0f MB, median of 21.\n", 1000*f.Wall.Seconds(), float64(f.Memory)/1e6)
	return nil
}
