package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// child is a program that runs until it is stopped.
type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its output was read
	err  error         // how it ended; valid once done is closed
}

// startChild runs a program. Signals of a terminal do not reach it: it is
// ended by stop, in order.
func startChild(out io.Writer, path string, args ...string) (*child, error) {
	c := &child{name: path, cmd: exec.Command(path, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = ofItsOwn()
	started := make(chan error)
	go func() {
		// On Linux the child is killed when the thread that started it ends
		// (prctl(2), PR_SET_PDEATHSIG): the thread is kept for it.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return c, nil
}

// ended says how a child ended that was to run on. Call it once done is
// closed.
func (c *child) ended() error {
	how := "exit code 0"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("%s ended by itself: %s", c.name, how)
}

// patience is how long a program may take to end after it was told to.
const patience = 10 * time.Second

// stop asks the child to end and says how it did. It may be called again.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-c.done // it has ended already
		return c.err
	}
	select {
	case <-c.done:
		return c.err
	case <-time.After(patience):
		// An error means that it ended at this very moment.
		_ = c.cmd.Process.Kill()
		<-c.done
		return errors.Join(fmt.Errorf("%s did not end within %s of SIGTERM", c.name, patience), c.err)
	}
}
