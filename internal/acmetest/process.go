package acmetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"
)

// process is a running child. A nil process is one that was never started.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended and its output was read
	err  error         // how it ended; valid once done is closed
}

// startProcess runs a program with nothing but env in its environment.
func startProcess(path string, args, env []string, out io.Writer) (*process, error) {
	p := &process{name: path, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		// The kernel ends the child when the THREAD that started it ends
		// (prctl(2), PR_SET_PDEATHSIG), and Go may end idle threads. So this
		// thread belongs to the child until it is gone.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

// stop kills the child and waits for its end: it has nothing to save.
func (p *process) stop() {
	if p == nil {
		return
	}
	// An error means that it has ended already, which is what is wanted.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ready polls until try succeeds. A child that ends meanwhile is an error,
// and so is one that takes ten seconds.
func (p *process) ready(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("it was not asked")
	for {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once: %w", p.name, errors.Join(p.err, last))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.name, last)
		case <-tick.C:
		}
		if last = try(ctx); last == nil {
			return nil
		}
	}
}
