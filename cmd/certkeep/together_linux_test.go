package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// started is a run of the program that was started and not waited for.
type started struct {
	*exec.Cmd
	words strings.Builder
	ended chan struct{} // closed when it has
}

// start runs the program beside whatever else runs. Files are its
// descriptors from 3 on.
func (v *victim) start(args []string, files ...*os.File) *started {
	v.Helper()
	s := &started{Cmd: exec.Command(v.program, v.args(args...)...), ended: make(chan struct{})}
	s.Stdout, s.Stderr, s.ExtraFiles = &s.words, &s.words, files
	if err := s.Start(); err != nil {
		v.Fatal(err)
	}
	go func() {
		_ = s.Wait() // ProcessState tells
		close(s.ended)
	}()
	v.Cleanup(func() {
		_ = s.Process.Kill() // it may have ended
		<-s.ended
	})
	return s
}

// startDaemon runs the daemon, which holds the state when this returns.
func (v *victim) startDaemon() *started {
	v.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		v.Fatal(err)
	}
	defer from.Close()
	s := v.start([]string{"run", "--ready-fd", "3"}, to)
	if err := to.Close(); err != nil {
		v.Fatal(err)
	}
	if line, err := io.ReadAll(from); string(line) != "\n" || err != nil {
		v.Fatalf("the daemon is not ready: %q, %v", line, err)
	}
	return s
}

// ends waits until a run has ended, and compares its exit code.
func (s *started) ends(t *testing.T, code int) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(50 * time.Second):
		t.Fatalf("%s does not end", strings.Join(s.Args, " "))
	}
	if got := s.ProcessState.ExitCode(); got != code {
		t.Errorf("%s: exit code %d, want %d\n%s", strings.Join(s.Args, " "), got, code, s.words.String())
	}
}

// counting has the hook count how often it is told of a certificate.
func (v *victim) counting() {
	v.Helper()
	text := fmt.Sprintf("#!/bin/sh\necho $CERTKEEP_CERTIFICATE $CERTKEEP_VERSION >> %[1]s/hooks\necho $CERTKEEP_VERSION > %[1]s/told.$CERTKEEP_CERTIFICATE\n", v.dir)
	if err := os.WriteFile(v.at("hook"), []byte(text), 0o700); err != nil {
		v.Fatal(err)
	}
}

// didOnce checks that together they did everything once.
func (v *victim) didOnce() {
	v.Helper()
	for kind, want := range map[acmetest.Kind]int{acmetest.NewAccount: 1, acmetest.NewOrder: 2, acmetest.Finalize: 2} {
		if n := v.ca.Count(kind); n != want {
			v.Errorf("%d requests of kind %s, want %d", n, kind, want)
		}
	}
	if n := strings.Count(v.read("hooks"), "\n"); n != 2 {
		v.Errorf("the hook was told %d times:\n%s", n, v.read("hooks"))
	}
	v.goOn(2)
}

// TestManyAtOnce starts commands and daemons at the same instant. One daemon
// stays, the others leave; each command does its work or has it done.
func TestManyAtOnce(t *testing.T) {
	program := buildProgram(t)
	for _, test := range []struct{ applies, runs int }{{2, 0}, {5, 0}, {1, 1}, {3, 1}, {0, 3}, {4, 3}} {
		t.Run(fmt.Sprintf("%d apply, %d run", test.applies, test.runs), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, program, newScene(t))
			v.counting()
			var applies, runs []*started
			for i := range max(test.applies, test.runs) {
				if i < test.applies {
					applies = append(applies, v.start([]string{"apply"}))
				}
				if i < test.runs {
					runs = append(runs, v.start([]string{"run"}))
				}
			}
			for _, a := range applies {
				a.ends(t, 0)
			}
			v.onlyOneRuns(runs)
			v.didOnce()
		})
	}
}

// onlyOneRuns waits until all daemons but one have left, and ends that one.
func (v *victim) onlyOneRuns(runs []*started) {
	v.Helper()
	if len(runs) == 0 {
		return
	}
	left := make(chan *started, len(runs))
	for _, r := range runs {
		go func() { <-r.ended; left <- r }()
	}
	for range len(runs) - 1 {
		select {
		case r := <-left:
			r.ends(v.T, exitHeld)
		case <-time.After(50 * time.Second):
			v.Fatal("more than one daemon runs")
		}
	}
	v.run("apply") // the daemon has all done
	for _, r := range runs {
		select {
		case <-r.ended:
		default:
			if err := r.Process.Signal(syscall.SIGTERM); err != nil {
				v.Error(err)
			}
			r.ends(v.T, 0)
		}
	}
}

// TestAskedTogether has one daemon asked for the same thing by many: it is
// done, and each of them is told how it went.
func TestAskedTogether(t *testing.T) {
	w := newScene(t)
	v := newVictim(t, buildProgram(t), w)
	daemon := v.startDaemon()
	v.run("apply")
	w.ResetRequests()
	before := v.read("ssl/a/cert.pem")
	var all sync.WaitGroup
	said := make([]error, 5)
	for i := range said {
		all.Go(func() {
			out, err := exec.Command(v.program, v.args("renew", "a")...).CombinedOutput()
			if err == nil && !strings.Contains(string(out), "a  ok  issued") {
				err = errors.New("it does not say what was done")
			}
			if err != nil {
				said[i] = fmt.Errorf("%w\n%s", err, out)
			}
		})
	}
	all.Wait()
	if err := errors.Join(said...); err != nil {
		t.Error(err)
	}
	if v.read("ssl/a/cert.pem") == before {
		t.Error("nothing was renewed")
	}
	if n := len(finalizedAt(w.CA)); n < 1 || n > len(said) {
		t.Errorf("%d orders were finalised for %d wishes", n, len(said))
	}
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	daemon.ends(t, 0)
	v.goOn(len(said))
}
