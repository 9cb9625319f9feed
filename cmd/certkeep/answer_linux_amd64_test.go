package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// canAnswer says whether calls can be refused here.
const canAnswer = true

// suppress has the kernel pass over the call that a stopped thread is about
// to make.
func suppress(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0) // no call has this number
	return unix.PtraceSetRegs(tid, &regs)
}

// answer sets what a suppressed call returns.
func answer(tid int, errno syscall.Errno) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Rax = -uint64(errno)
	return unix.PtraceSetRegs(tid, &regs)
}
