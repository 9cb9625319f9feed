package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// onImage makes a victim that lies on a disk of its own, with all that it
// has on that disk already. The service and the hook bring what they write to
// the disk before they end.
func onImage(t *testing.T, program string, w *scene, dir string) (*victim, image) {
	t.Helper()
	img := newImage(t, dir)
	if err := img.mount(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	v := newVictimIn(t, program, w, dir)
	err := errors.Join(
		os.WriteFile(v.at("reload"), fmt.Appendf(nil, "#!/bin/sh\ncd %[1]s && cat private/b.pem public/b.pem > read.new && sync read.new && mv read.new read && sync .\n", dir), 0o700),
		os.WriteFile(v.at("hook"), fmt.Appendf(nil, "#!/bin/sh\ncd %[1]s && echo $CERTKEEP_VERSION > told.new.$CERTKEEP_CERTIFICATE && sync told.new.$CERTKEEP_CERTIFICATE && mv told.new.$CERTKEEP_CERTIFICATE told.$CERTKEEP_CERTIFICATE && sync .\n", dir), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	syncAll(t, dir)
	return v, img
}

// losesPower replaces the disk by what has reached it so far. The program has
// been killed before, so that nothing is written meanwhile. Then the machine
// starts: the journal is replayed, and the service reads its files.
func (v *victim) losesPower(disk image) {
	v.Helper()
	cut := disk.copy(v.T)
	unmount(v.T, v.dir)
	if err := cut.mount(v.dir); err != nil {
		v.Fatal(err)
	}
	if !there(v.at("private/b.pem")) || !there(v.at("public/b.pem")) {
		return // it cannot start yet
	}
	if out, err := exec.Command(v.at("reload")).CombinedOutput(); err != nil {
		v.Fatalf("start the service: %v: %s", err, out)
	}
}

// TestPowerCutAtAnySystemCall cuts the power at one change after the other of
// a first issue and of a renewal: the disk is an ext4 in a file, which is
// copied as it is, without what was not synced. Where CERTKEEP_SWEEP is unset
// a sample is tried.
func TestPowerCutAtAnySystemCall(t *testing.T) {
	needTracing(t)
	newImage(t, t.TempDir()) // or it is skipped
	program := buildProgram(t)
	const lanes = 2
	every := 43 * lanes
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = lanes
	}
	for lane := range lanes {
		for _, life := range []string{"issue", "renewal"} {
			t.Run(fmt.Sprintf("%s, lane %d", life, lane+1), func(t *testing.T) {
				t.Parallel()
				w := newScene(t)
				first := 1 + lane*every/lanes
				eachChange(t, life, first, every, func(t *testing.T, n int) bool {
					v, disk := onImage(t, program, w, t.TempDir())
					return v.livesThroughPowerCut(life, disk, n)
				})
			})
		}
	}
}

// livesThroughPowerCut cuts the power at the n-th change of a life, and
// reports whether it made so many.
func (v *victim) livesThroughPowerCut(life string, disk image, n int) bool {
	v.Helper()
	args := []string{"apply"}
	if life == "renewal" {
		v.run("apply")
		syncAll(v.T, v.dir)
		args = []string{"renew", "a", "b"}
	}
	v.ca.ResetRequests()
	killed := v.killed(n, args...)
	v.losesPower(disk)
	if life == "renewal" {
		v.fitsInFolder()
	}
	v.goOnAfterPowerCut()
	return killed
}

// goOnAfterPowerCut is goOn, but that the CA may have looked for the answer
// to a challenge while the machine was down.
func (v *victim) goOnAfterPowerCut() {
	v.Helper()
	status, words := v.ends("apply")
	switch {
	case status.ExitStatus() == 0:
		v.goOn(2)
	case strings.Contains(words, "! challenge-failed: "):
		v.goOn(2, "a", "b")
	default:
		v.Errorf("apply after the power cut: exit code %d\n%s", status.ExitStatus(), words)
	}
}

// TestPowerCutUnderDaemon cuts the power under the daemon, after the CA has
// done what it was asked for and before its answer is there.
func TestPowerCutUnderDaemon(t *testing.T) {
	newImage(t, t.TempDir()) // or it is skipped
	program := buildProgram(t)
	for _, test := range []struct {
		kind    acmetest.Kind
		held    int      // requests: of each certificate, or for the account of both
		command []string // what the daemon is asked for once all is well; else it issues
	}{
		{acmetest.NewAccount, 1, nil},
		{acmetest.NewOrder, 2, nil},
		{acmetest.Challenge, 2, nil},
		{acmetest.Finalize, 2, nil},
		{acmetest.Certificate, 2, nil},
		{acmetest.NewOrder, 2, []string{"renew", "a", "b"}},
		{acmetest.Finalize, 2, []string{"renew", "a", "b"}},
		{acmetest.Certificate, 2, []string{"renew", "a", "b"}},
	} {
		t.Run(strings.Join(append([]string{string(test.kind)}, test.command...), " "), func(t *testing.T) {
			t.Parallel()
			w := newScene(t)
			v, disk := onImage(t, program, w, t.TempDir())
			if test.command != nil {
				v.run("apply")
				syncAll(t, v.dir)
				w.ResetRequests()
			}
			v.daemonKilledAt(w, test.kind, test.held, test.command...)
			v.losesPower(disk)
			if v.read("state/lock") == "" {
				t.Error("the next holder cannot see that the last one died")
			}
			v.goOnAfterPowerCut()
			if n := len(finalizedAt(w.CA)); n != 2 {
				t.Errorf("%d orders were finalised, want one for each certificate", n)
			}
		})
	}
}
