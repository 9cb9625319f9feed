//go:build !linux

package acmetest

import "syscall"

// dieWithParent does nothing here: only Linux has such a promise. A test that
// is killed leaves its children behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
