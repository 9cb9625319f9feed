package durable_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

func newLockFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lock")
	if err := (durable.OS{}).Create(path, nil, durable.Private()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLockExcludes(t *testing.T) {
	path := newLockFile(t)
	lock, note, err := durable.TryLock(path)
	if err != nil || len(note) != 0 {
		t.Fatalf("TryLock = %q, %v", note, err)
	}
	if err := lock.Mark([]byte("a long first note")); err != nil {
		t.Fatal(err)
	}
	if err := lock.Mark([]byte("it is me")); err != nil {
		t.Fatal(err)
	}
	_, _, err = durable.TryLock(path)
	held, ok := errors.AsType[*durable.LockedError](err)
	if !ok || string(held.Note) != "it is me" {
		t.Fatalf("second TryLock: %v, want a LockedError with the note", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	lock, note, err = durable.TryLock(path)
	if err != nil || len(note) != 0 {
		t.Fatalf("after Unlock: %q, %v; want no note", note, err)
	}
	if err := errors.Join(lock.Mark([]byte("left")), lock.Abandon()); err != nil {
		t.Fatal(err)
	}
	lock, note, err = durable.TryLock(path)
	if err != nil || string(note) != "left" {
		t.Fatalf("after Abandon: %q, %v; want the note", note, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockMissing(t *testing.T) {
	if _, _, err := durable.TryLock(filepath.Join(t.TempDir(), "lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}

// TestLockDiesWithItsProcess kills a process that holds the lock.
func TestLockDiesWithItsProcess(t *testing.T) {
	path := newLockFile(t)
	child := exec.Command(os.Args[0], "-test.run=^TestHoldLockUntilKilled$")
	child.Env = append(os.Environ(), "DURABLE_TEST_LOCK="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, _, err = durable.TryLock(path)
	if _, ok := errors.AsType[*durable.LockedError](err); !ok {
		t.Errorf("while the child lives: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	lock, note, err := durable.TryLock(path)
	if err != nil || string(note) != "child" {
		t.Fatalf("after the kill: %q, %v", note, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

// TestHoldLockUntilKilled is the child of TestLockDiesWithItsProcess; on its
// own it does nothing.
func TestHoldLockUntilKilled(*testing.T) {
	path := os.Getenv("DURABLE_TEST_LOCK")
	if path == "" {
		return
	}
	lock, _, err := durable.TryLock(path)
	if err == nil {
		err = lock.Mark([]byte("child"))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	select {}
}
