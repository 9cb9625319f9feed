package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestFoldersMadeTogether has many goroutines make the same folders and put
// something in them: none may find its folder replaced by another's.
func TestFoldersMadeTogether(t *testing.T) {
	for round := range 50 {
		attr := Attr{Mode: 0o755, UID: -1, GID: -1}
		if round%2 == 1 {
			attr = PrivateDir()
		}
		base := filepath.Join(t.TempDir(), fmt.Sprint(round))
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				dir := filepath.Join(base, "out", ".versions", fmt.Sprint(i))
				if err := (NoSync{}).Mkdir(dir, attr); err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if entries, err := os.ReadDir(filepath.Join(base, "out", ".versions")); err != nil || len(entries) != 8 {
			t.Fatalf("%d folders are left of 8: %v", len(entries), err)
		}
	}
}

// TestMkdirTakesOverWhatACrashLeft: a killed process leaves an empty folder
// under its temporary name, not ready yet. What is not ours stays.
func TestMkdirTakesOverWhatACrashLeft(t *testing.T) {
	attr := Attr{Mode: 0o755, UID: -1, GID: -1}
	left := func(dir string) string { return tempName(filepath.Join(dir, "new"), strings.Repeat("0", tempLen)) }
	for name, test := range map[string]struct {
		before  func(dir string) error
		foreign bool
	}{
		"nothing":     {func(string) error { return nil }, false},
		"a folder":    {func(dir string) error { return os.Mkdir(left(dir), 0o700) }, false},
		"a file":      {func(dir string) error { return os.WriteFile(left(dir), nil, 0o600) }, true},
		"a link":      {func(dir string) error { return os.Symlink("/tmp", left(dir)) }, true},
		"a dead link": {func(dir string) error { return os.Symlink("nowhere", left(dir)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.before(dir); err != nil {
				t.Fatal(err)
			}
			if !IsTemp(filepath.Base(left(dir))) {
				t.Error("it is not known as a temporary")
			}
			if err := (NoSync{}).Mkdir(filepath.Join(dir, "new"), attr); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(filepath.Join(dir, "new"))
			if err != nil || info.Mode() != fs.ModeDir|0o755 {
				t.Errorf("the folder is %v, %v", info, err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || (len(entries) == 2) != test.foreign {
				t.Errorf("there are %v, %v", entries, err)
			}
		})
	}
}

// TestMkdirTakesOverWhatWasGivenAway: the process may be killed when the folder has
// its owner, and not its name.
func TestMkdirTakesOverWhatWasGivenAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a folder to another user")
	}
	const them, others = 65534, 65533
	for owner, entries := range map[int]int{them: 1, others: 2} {
		dir := t.TempDir()
		left := tempName(filepath.Join(dir, "new"), strings.Repeat("0", tempLen))
		if err := errors.Join(os.Mkdir(left, 0o700), os.Lchown(left, owner, -1)); err != nil {
			t.Fatal(err)
		}
		if err := (NoSync{}).Mkdir(filepath.Join(dir, "new"), Attr{Mode: 0o750, UID: them, GID: -1}); err != nil {
			t.Fatal(err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != entries {
			t.Errorf("of user %d: there are %v, %v", owner, names, err)
		}
	}
}

// TestFoldersMadeAndRemovedTogether has some make a folder that somebody else
// removes while it is empty, fewer times than making it is tried: whoever makes
// it finds it made.
func TestFoldersMadeAndRemovedTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var makers, remover sync.WaitGroup
	removed := make(chan struct{})
	for range 3 {
		makers.Go(func() {
			for done := false; !done; {
				select {
				case <-removed:
					done = true
				default:
				}
				if err := (NoSync{}).Mkdir(dir, Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	remover.Go(func() {
		defer close(removed)
		for range 10 {
			_ = os.Remove(dir)
			_ = os.Remove(filepath.Dir(dir))
			runtime.Gosched()
		}
	})
	remover.Wait()
	makers.Wait()
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Errorf("the folder is not there: %v", err)
	}
}
