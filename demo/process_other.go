//go:build !linux

package main

import "syscall"

// ofItsOwn puts a child into a process group of its own. Should we be killed,
// it stays: only Linux has a promise against that.
func ofItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
