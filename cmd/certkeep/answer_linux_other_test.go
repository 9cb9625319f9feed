//go:build linux && !amd64

package main

import (
	"errors"
	"syscall"
)

// canAnswer says whether calls can be refused here.
const canAnswer = false

var errRegisters = errors.New("the registers of this processor are not known")

func suppress(int) error { return errRegisters }

func answer(int, syscall.Errno) error { return errRegisters }
