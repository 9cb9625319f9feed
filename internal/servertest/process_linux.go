package servertest

import "syscall"

// dieWithParent has the kernel end the child when this process dies.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
