package main

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemCall is a call that a stopped thread is about to make.
type systemCall struct {
	pid    int
	number uint64
	args   [6]uint64
}

// callOf returns the call that a stopped thread is about to make; none where
// it comes back from one.
func callOf(pid, tid int) (call systemCall, entering bool) {
	const getInfo, isEntry = 0x420e, 1 // PTRACE_GET_SYSCALL_INFO and its answer, ptrace(2)
	var info struct {
		op     uint8
		_      [3]uint8
		arch   uint32
		ip, sp uint64
		number uint64
		args   [6]uint64
		_      [16]uint8
	}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return systemCall{pid, info.number, info.args}, errno == 0 && info.op == isEntry
}

// names are the calls of changes that a path can be told of.
func names() map[uint64]string {
	return map[uint64]string{
		unix.SYS_WRITE: "write", unix.SYS_OPENAT: "openat", unix.SYS_FSYNC: "fsync", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_PWRITE64: "pwrite64",
		unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_LINKAT: "linkat",
		unix.SYS_MKDIRAT: "mkdirat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_FCHMOD: "fchmod", unix.SYS_FCHMODAT: "fchmodat", unix.SYS_FCHOWN: "fchown",
	}
}

// String is the call and what it is about, for the words of tests.
func (c systemCall) String() string { return names()[c.number] + " " + c.path() }

// path is the file that a call is about: of its descriptor, or its own path.
// Of a rename or link it is the old one. Go gives absolute paths as they are.
func (c systemCall) path() string {
	switch c.number {
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHOWN:
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, c.args[0]))
		if err != nil {
			return ""
		}
		return path
	case unix.SYS_SYMLINKAT:
		return c.text(c.args[2])
	}
	return c.text(c.args[1])
}

// text reads a string of the stopped program, up to a limit that no path
// reaches here.
func (c systemCall) text(at uint64) string {
	buf := make([]byte, 4096)
	// No further than the page goes: the next one may not be there.
	buf = buf[:4096-at%4096]
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	n, err := unix.ProcessVMReadv(c.pid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
	if err != nil {
		return ""
	}
	text, _, whole := bytes.Cut(buf[:n], []byte{0})
	if whole {
		return string(text)
	}
	return string(text) + c.text(at+uint64(n))
}

// creates reports whether an openat makes a file where there is none.
func (c systemCall) creates() bool {
	return c.number == unix.SYS_OPENAT && c.args[2]&unix.O_CREAT != 0
}
