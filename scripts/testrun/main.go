// Command testrun runs go test, prints what go test prints, and compares the
// tests that were skipped with a list of the skips that are meant.
//
//	testrun -skips FILE -- ARGUMENTS OF GO TEST
//
// A skip that the list does not name fails the run like a failing test, so
// that a test cannot silently stop to prove anything. A line of the list whose
// test did not run at all fails it too. See readSkips for the list's form.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	list := flag.String("skips", "", "`FILE` that names the skips which are meant")
	flag.Parse()
	err := run(os.Stdout, *list, flag.Args())
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "testrun:", err)
	os.Exit(1)
}

// run runs go test with args and reports to out.
func run(out io.Writer, list string, args []string) error {
	allowed, err := readSkips(list)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	seen, readErr := follow(out, events)
	if err := cmd.Wait(); err != nil {
		return errors.Join(readErr, fmt.Errorf("go test: %w", err))
	}
	if readErr != nil {
		return fmt.Errorf("read what go test said: %w", readErr)
	}
	return judge(out, seen, allowed, os.Geteuid() == 0)
}
