package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isBelow reports whether a file lies in a folder, at any depth.
func isBelow(path, folder string) bool { return strings.HasPrefix(path, folder+"/") }

// badDisk refuses a change below a folder as a disk does that is broken at one
// place, or full for a moment.
func badDisk(folder string) func(systemCall) syscall.Errno {
	return func(c systemCall) syscall.Errno {
		if c.number == unix.SYS_OPENAT && !c.creates() || !isBelow(c.path(), folder) {
			return 0
		}
		switch c.number {
		case unix.SYS_FSYNC, unix.SYS_UNLINKAT, unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN:
			return syscall.EIO
		}
		return syscall.ENOSPC
	}
}

// fullDisk refuses what needs room on the disk.
func (v *victim) fullDisk(c systemCall) syscall.Errno {
	needs := false
	switch c.number {
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		needs = true
	case unix.SYS_MKDIRAT, unix.SYS_SYMLINKAT, unix.SYS_LINKAT:
		needs = !there(c.path())
	case unix.SYS_OPENAT:
		needs = c.creates() && !there(c.path())
	}
	if needs && isBelow(c.path(), v.dir) {
		return syscall.ENOSPC
	}
	return 0
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// systemsWords are what people read of ENOSPC and EIO.
var systemsWords = regexp.MustCompile(`no space left on device|input/output error|disk is full`)

// remedies say what to do about it.
var remedies = regexp.MustCompile(`(?i)free (some )?space|see its words for what to mend|Check that the folder exists|Create the webroot folder|all is stored, and the next run tidies up`)

// saysWhatFailed checks how a run ended whose disk failed it: with a code of
// the contract, and words that name the trouble.
func (v *victim) saysWhatFailed(status syscall.WaitStatus, words string, codes ...int) {
	v.Helper()
	if !status.Exited() || !slices.Contains(codes, status.ExitStatus()) {
		v.Errorf("it ended with %v, exit code %d, want one of %d\n%s", status, status.ExitStatus(), codes, words)
	}
	if strings.Contains(words, "panic") || strings.Contains(words, "goroutine ") {
		v.Errorf("it panicked:\n%s", words)
	}
	if status.ExitStatus() != 0 && (!systemsWords.MatchString(words) || !remedies.MatchString(words)) {
		v.Errorf("it does not say what failed, or what to do:\n%s", words)
	}
}

// needAnswers skips the test where system calls cannot be refused.
func needAnswers(t *testing.T) {
	t.Helper()
	if !canAnswer {
		t.Skip("system calls cannot be answered on this processor")
	}
}

// TestWriteRefusedAtAnySystemCall has the kernel refuse the real program one
// change of files after the other, at a first issue and at a renewal: that
// one alone, or every later one that needs room on the disk too. When a person
// asks for it again, all comes right. Where CERTKEEP_SWEEP is unset a sample
// is tried.
func TestWriteRefusedAtAnySystemCall(t *testing.T) {
	needTracing(t)
	needAnswers(t)
	program := buildProgram(t)
	every := 37
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = 1
	}
	for lane, life := range []string{"issue", "renewal"} {
		for _, stays := range []bool{false, true} {
			name := life + " on a bad disk"
			if stays {
				name = life + " on a full disk"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newScene(t)
				first := min(every, 3+7*lane)
				eachChange(t, life, first, every, func(t *testing.T, n int) bool {
					return newVictim(t, program, w).livesThroughRefusal(life, tampering{at: n, stays: stays})
				})
			})
		}
	}
}

// livesThroughRefusal has changes of one life refused, and reports whether
// that came to pass.
func (v *victim) livesThroughRefusal(life string, what tampering) bool {
	v.Helper()
	what.refusal = badDisk(v.dir)
	if what.stays {
		what.refusal = v.fullDisk
	}
	args, codes := []string{"apply"}, []int{0, 1, 4, 5}
	if life == "renewal" {
		v.run("apply")
		args, codes = []string{"renew", "a", "b"}, []int{0, 1, 4}
	}
	v.ca.ResetRequests()
	r, words := v.traced(what, args...)
	refused := what.at <= r.calls
	if refused {
		v.Logf("refused: %s; exit code %d", r.tampered, r.status.ExitStatus())
		v.saysWhatFailed(r.status, words, codes...)
	}
	if life == "renewal" {
		v.fits()
	}
	v.goOn(2, "a", "b")
	return refused
}
