package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// strace kills a program at a system call too, but counts each thread's calls
// on their own, and Go spreads them over threads: most moments would never be
// met. This tracer counts those of all threads together.

// changes are the system calls by which a process changes files or speaks to
// others. What happens between two of them, nobody can tell.
func changes() map[uint64]bool {
	return map[uint64]bool{
		unix.SYS_WRITE: true, unix.SYS_OPENAT: true, unix.SYS_FSYNC: true, unix.SYS_FTRUNCATE: true, unix.SYS_PWRITE64: true,
		unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_SYMLINKAT: true, unix.SYS_LINKAT: true,
		unix.SYS_MKDIRAT: true, unix.SYS_UNLINKAT: true, unix.SYS_FCHMOD: true, unix.SYS_FCHMODAT: true, unix.SYS_FCHOWN: true,
	}
}

// tampering is what the tracer does to a program at one of its changes.
type tampering struct {
	at int // which one, counted from 1; 0 for none
	// refusal is the error by which a change is refused instead of being
	// made, 0 for one that does not count. Where it is nil every change
	// counts, and the program is killed with SIGKILL when it is about to make it.
	refusal func(systemCall) syscall.Errno
	kill    bool     // at the one that would be refused
	stays   bool     // all later ones that count are refused too
	env     []string // of the program; nil is the test's own

	files   []*os.File    // its descriptors from 3 on
	started func(pid int) // is told when it begins; may be nil
}

// traced is a program that ran under the tracer.
type traced struct {
	calls    int    // that count
	killed   bool   // at one of them
	tampered string // what was refused, or what the program was killed at
	status   syscall.WaitStatus
}

// trace runs a program and tampers with it. What it prints goes to out.
// Programs that it starts are left alone.
func trace(program string, args []string, out *os.File, what tampering) (traced, error) {
	type result struct {
		traced
		err error
	}
	ended := make(chan result)
	go func() {
		// The kernel knows the thread that started a process as its tracer.
		// It is not unlocked, and so ends with the goroutine.
		runtime.LockOSThread()
		tr := tracer{tampering: what, changes: changes(), refused: map[int]syscall.Errno{}}
		err := tr.run(program, args, out)
		ended <- result{tr.seen, err}
	}()
	r := <-ended
	return r.traced, r.err
}

// tracer traces one program.
type tracer struct {
	tampering
	pid     int
	changes map[uint64]bool
	threads map[int]bool
	refused map[int]syscall.Errno // by thread: what its call, which is not made, returns
	seen    traced
}

// run starts the program and follows it until it has ended.
func (tr *tracer) run(program string, args []string, out *os.File) error {
	env := tr.env
	if env == nil {
		env = os.Environ()
	}
	files := []uintptr{0, out.Fd(), out.Fd()}
	for _, file := range tr.files {
		files = append(files, file.Fd())
	}
	pid, err := syscall.ForkExec(program, append([]string{program}, args...), &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return fmt.Errorf("start %s traced: %w", program, err)
	}
	tr.pid, tr.threads = pid, map[int]bool{pid: true}
	if tr.started != nil {
		tr.started(pid)
	}
	status := (*unix.WaitStatus)(&tr.seen.status)
	if _, err := unix.Wait4(pid, status, unix.WALL, nil); err != nil {
		return fmt.Errorf("wait for the start of %s: %w", program, err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return fmt.Errorf("trace %s: %w", program, err)
	}
	for tid, signal := pid, 0; ; {
		// ESRCH: the thread was ended meanwhile, as all are by SIGKILL.
		if err := unix.PtraceSyscall(tid, signal); err != nil && err != unix.ESRCH {
			return fmt.Errorf("let %s go on: %w", program, err)
		}
		for {
			// Its threads are its process group. Other children, of this thread
			// too, belong to other tests.
			tid, err = unix.Wait4(-pid, status, unix.WALL, nil)
			if err != nil && err != unix.EINTR {
				return fmt.Errorf("wait for %s: %w", program, err)
			}
			if err == nil && tr.seen.status.Stopped() {
				break
			}
			if err == nil && tid == pid {
				return nil // it has ended
			}
		}
		if signal, err = tr.stopped(tid); err != nil {
			return err
		}
	}
}

// stopped handles a stop of a thread and returns the signal to go on with.
func (tr *tracer) stopped(tid int) (int, error) {
	switch stop := tr.seen.status.StopSignal(); {
	case stop == unix.SIGTRAP|0x80:
		return 0, tr.atCall(tid)
	case stop == unix.SIGSTOP && !tr.threads[tid]: // a new thread introduces itself
		tr.threads[tid] = true
		return 0, nil
	case stop != unix.SIGTRAP:
		return int(stop), nil
	}
	return 0, nil
}

// atCall tampers with a thread that is about to make a call, or comes back
// from one.
func (tr *tracer) atCall(tid int) error {
	if errno, ok := tr.refused[tid]; ok {
		delete(tr.refused, tid)
		return answer(tid, errno)
	}
	call, entering := callOf(tr.pid, tid)
	if !entering || !tr.changes[call.number] {
		return nil
	}
	var errno syscall.Errno
	if tr.refusal != nil {
		if errno = tr.refusal(call); errno == 0 {
			return nil
		}
	}
	tr.seen.calls++
	if tr.at == 0 || tr.seen.calls < tr.at || tr.seen.calls > tr.at && !tr.stays {
		return nil
	}
	if tr.seen.calls == tr.at {
		tr.seen.tampered = call.String()
	}
	if tr.refusal == nil || tr.kill {
		tr.seen.killed = true
		_ = unix.Kill(tr.pid, unix.SIGKILL) // it is there: it waits for us
		return nil
	}
	tr.refused[tid] = errno
	return suppress(tid)
}

// needTracing skips the test where the kernel, or a container, forbids it.
func needTracing(t *testing.T) {
	t.Helper()
	out, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if r, err := trace("/bin/true", nil, out, tampering{}); err != nil || !r.status.Exited() || r.calls == 0 {
		t.Skipf("processes cannot be traced here: %v, %+v", err, r)
	}
}
