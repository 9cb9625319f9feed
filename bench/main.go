// Command bench measures what docs/performance.md states, in one run on one
// machine, and prints it as Markdown. Absolute times belong to the machine;
// the ratios are what to compare. Run it with `make bench`; the names of parts
// as arguments restrict it to these.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == measured {
		if err := measure(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	large := flag.Bool("large", false, "also a state of 100,000 certificates")
	keep := flag.String("keep", "", "work in this folder and leave it, to look into a figure")
	flag.Parse()
	if err := run(ctx, *keep, *large, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is one measurement.
type part struct {
	name    string
	measure func(context.Context) error
}

func run(ctx context.Context, dir string, large bool, only []string) error {
	if dir == "" {
		made, err := os.MkdirTemp("", "certkeep-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		dir = made
	}
	b := &bench{dir: dir, program: filepath.Join(dir, "certkeep")}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", b.program, "./cmd/certkeep")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	sizes := []int{1000, 10_000}
	if large {
		sizes = append(sizes, 100_000)
	}
	for _, p := range []part{
		{"requests", b.requests},
		{"throughput", b.throughput},
		{"cold", b.coldStart},
		{"start", b.commands},
		{"shelf", b.shelf},
		{"swap", b.swap},
		{"scale", func(ctx context.Context) error { return b.scale(ctx, sizes) }},
		{"daemon", func(ctx context.Context) error { return b.daemon(ctx, sizes) }},
		{"shown", func(ctx context.Context) error { return b.shown(ctx, []int{1000, 10_000, 100_000}) }},
	} {
		if len(only) > 0 && !slices.Contains(only, p.name) {
			continue
		}
		if err := p.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// bench is one run.
type bench struct {
	dir     string // everything below it is removed at the end
	program string // the built binary
}

// heading begins a part of the report.
func heading(words string) { fmt.Printf("\n### %s\n\n", words) }
