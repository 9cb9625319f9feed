package acmetest

import "syscall"

// dieWithParent makes the kernel kill the child when its parent ends, however
// it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
