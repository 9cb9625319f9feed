package main

import "syscall"

// ofItsOwn puts a child into a process group of its own, and has the kernel
// end it when we end without having done so.
func ofItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
