package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// ends runs the program and returns how it ended and what it printed.
func (v *victim) ends(args ...string) (syscall.WaitStatus, string) {
	v.Helper()
	out, err := exec.Command(v.program, v.args(args...)...).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		v.Fatal(err)
	}
	if ok {
		return exit.Sys().(syscall.WaitStatus), string(out)
	}
	return 0, string(out)
}

// onTmpfs makes a victim one of whose folders is a small disk of its own.
func onTmpfs(t *testing.T, program string, w *scene, folder string) *victim {
	t.Helper()
	v := newVictim(t, program, w)
	if err := os.Mkdir(v.at(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, v.at(folder), 1024)
	return v
}

// TestWriteOnFullDisk fills the disk of the state, or of the installed files,
// but for so many pages, so that it gets full sooner or later during a first
// issue and a renewal. It is said what is wrong, what was served is served
// still, and when there is room again all comes right.
func TestWriteOnFullDisk(t *testing.T) {
	mountTmpfs(t, t.TempDir(), 64) // or it is skipped
	program := buildProgram(t)
	every := 4 // pages
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = 1
	}
	for _, folder := range []string{"state", "ssl"} {
		for _, life := range []string{"issue", "renewal"} {
			t.Run(folder+" at "+life, func(t *testing.T) {
				t.Parallel()
				w := newScene(t)
				for pages, full := 0, true; full && !t.Failed(); pages += every {
					full = t.Run(fmt.Sprintf("%d pages free", pages), func(t *testing.T) {
						full = onTmpfs(t, program, w, folder).livesOnFullDisk(folder, life, int64(pages*os.Getpagesize()))
					}) && full
					if !full && pages == 0 && !t.Failed() {
						t.Error("no disk was full")
					}
				}
			})
		}
	}
}

// livesOnFullDisk lives through one life on a disk that has little room, and
// reports whether that was too little.
func (v *victim) livesOnFullDisk(folder, life string, room int64) bool {
	v.Helper()
	args, codes := []string{"apply"}, []int{1, 4, 5}
	if life == "renewal" {
		v.run("apply")
		args, codes = []string{"renew", "a", "b"}, []int{1, 4}
	}
	release := fill(v.T, v.at(folder), room)
	v.ca.ResetRequests()
	told := v.readIfThere("told.b")
	status, words := v.ends(args...)
	full := status.ExitStatus() != 0
	if full {
		v.saysWhatFailed(status, words, codes...)
	}
	if folder == "ssl" && v.readIfThere("told.b") == told {
		v.Error("a certificate on another disk was held up")
	}
	if life == "renewal" {
		v.fits()
		if status, words := v.ends("status"); status.ExitStatus() != 0 && status.ExitStatus() != 4 {
			v.Errorf("status: exit code %d\n%s", status.ExitStatus(), words)
		}
	}
	release()
	v.goOn(2, "a", "b")
	return full
}

// readIfThere is the text of a file in the victim's folder, or "".
func (v *victim) readIfThere(name string) string {
	v.Helper()
	text, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		v.Error(err)
	}
	return string(text)
}

// TestWriteOnFullDiskOfDaemon fills the disk of the state under a daemon that
// is asked to renew. It goes on running, says what is wrong to whoever asks
// and in its log, and does its work when there is room again.
func TestWriteOnFullDiskOfDaemon(t *testing.T) {
	mountTmpfs(t, t.TempDir(), 64) // or it is skipped
	program := buildProgram(t)
	for _, pages := range []int64{0, 3, 6, 9} {
		t.Run(fmt.Sprintf("%d pages free", pages), func(t *testing.T) {
			t.Parallel()
			w := newScene(t)
			v := onTmpfs(t, program, w, "state")
			daemon := v.startDaemon()
			v.run("apply")
			w.ResetRequests()
			release := fill(t, v.at("state"), pages*int64(os.Getpagesize()))
			status, words := v.ends("renew", "a", "b")
			v.saysWhatFailed(status, words, exitFailed)
			v.fits()
			v.ends("status") // whatever it says, it is no reason to end
			release()
			v.run("apply", "a", "b")
			if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			daemon.ends(t, 0)
			if log := daemon.words.String(); pages > 0 && !systemsWords.MatchString(log) {
				t.Errorf("its log does not tell of the full disk:\n%s", log)
			}
			v.goOn(2)
		})
	}
}
