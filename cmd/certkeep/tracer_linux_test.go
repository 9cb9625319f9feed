package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

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

// traced is a program that ran under the tracer.
type traced struct {
	calls  int  // that change something
	killed bool // at one of them
	status syscall.WaitStatus
}

// trace runs a program and kills it with SIGKILL when it is about to make its
// n-th change; 0 lets it live. What it prints goes to out. Programs that it
// starts are left alone.
func trace(program string, args []string, out *os.File, n int) (traced, error) {
	type result struct {
		traced
		err error
	}
	ended := make(chan result)
	go func() {
		// The kernel knows the thread that started a process as its tracer.
		// It is not unlocked, and so ends with the goroutine.
		runtime.LockOSThread()
		t, err := traceHere(program, args, out, n)
		ended <- result{t, err}
	}()
	r := <-ended
	return r.traced, r.err
}

func traceHere(program string, args []string, out *os.File, n int) (traced, error) {
	var t traced
	pid, err := syscall.ForkExec(program, append([]string{program}, args...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return t, fmt.Errorf("start %s traced: %w", program, err)
	}
	if _, err := unix.Wait4(pid, (*unix.WaitStatus)(&t.status), unix.WALL, nil); err != nil {
		return t, fmt.Errorf("wait for the start of %s: %w", program, err)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return t, fmt.Errorf("trace %s: %w", program, err)
	}
	counted, threads := changes(), map[int]bool{pid: true}
	for tid, signal := pid, 0; ; {
		// ESRCH: the thread was ended meanwhile, as all are by SIGKILL.
		if err := unix.PtraceSyscall(tid, signal); err != nil && err != unix.ESRCH {
			return t, fmt.Errorf("let %s go on: %w", program, err)
		}
		for {
			// Its threads are its process group. Other children, of this thread
			// too, belong to other tests.
			tid, err = unix.Wait4(-pid, (*unix.WaitStatus)(&t.status), unix.WALL, nil)
			if err != nil && err != unix.EINTR {
				return t, fmt.Errorf("wait for %s: %w", program, err)
			}
			if err == nil && t.status.Stopped() {
				break
			}
			if err == nil && tid == pid {
				return t, nil // it has ended
			}
		}
		signal = 0
		switch stop := t.status.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			if number, entering := systemCall(tid); entering && counted[number] {
				if t.calls++; t.calls == n {
					t.killed = true
					_ = unix.Kill(pid, unix.SIGKILL) // it is there: it waits for us
				}
			}
		case stop == unix.SIGSTOP && !threads[tid]: // a new thread introduces itself
			threads[tid] = true
		case stop != unix.SIGTRAP:
			signal = int(stop)
		}
	}
}

// systemCall returns the number of the call that a stopped thread is about to
// make; none where it comes back from one.
func systemCall(tid int) (number uint64, entering bool) {
	const getInfo, isEntry = 0x420e, 1 // PTRACE_GET_SYSCALL_INFO and its answer, ptrace(2)
	var info struct {
		op     uint8
		_      [3]uint8
		arch   uint32
		ip, sp uint64
		number uint64
		_      [64]uint8
	}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info.number, errno == 0 && info.op == isEntry
}

// needTracing skips the test where the kernel, or a container, forbids it.
func needTracing(t *testing.T) {
	t.Helper()
	out, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if r, err := trace("/bin/true", nil, out, 0); err != nil || !r.status.Exited() || r.calls == 0 {
		t.Skipf("processes cannot be traced here: %v, %+v", err, r)
	}
}
