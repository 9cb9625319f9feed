//go:build !linux

package servertest

import "syscall"

// dieWithParent does nothing here: only Linux can do it.
func dieWithParent(*syscall.SysProcAttr) {}
