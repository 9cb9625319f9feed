package faultfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
)

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFaults(t *testing.T) {
	for fault, want := range map[faultfs.Fault]struct {
		err         error
		first, next string // contents afterwards
	}{
		faultfs.Refused:    {syscall.ENOSPC, "(none)", "next"},
		faultfs.AnswerLost: {syscall.ENOSPC, "first!", "next"},
		faultfs.Killed:     {faultfs.ErrKilled, "(none)", "(none)"},
		faultfs.Torn:       {faultfs.ErrKilled, "fir", "(none)"},
		faultfs.Full:       {syscall.ENOSPC, "(none)", "(none)"},
	} {
		t.Run(fault.String(), func(t *testing.T) {
			dir := t.TempDir()
			first, next := filepath.Join(dir, "first"), filepath.Join(dir, "next")
			disk := faultfs.New(durable.NoSync{})
			disk.Arm(1, fault)
			err := disk.Create(first, []byte("first!"), durable.Private())
			if !errors.Is(err, want.err) || !errors.Is(err, faultfs.ErrFault) || !disk.Tripped() {
				t.Errorf("err = %v, want %v", err, want.err)
			}
			after := disk.Create(next, []byte("next"), durable.Private())
			if (after == nil) != (want.next == "next") {
				t.Errorf("the next change: %v", after)
			}
			if got := content(t, first); got != want.first {
				t.Errorf("first = %q, want %q", got, want.first)
			}
			if got := content(t, next); got != want.next {
				t.Errorf("next = %q, want %q", got, want.next)
			}
			if fault == faultfs.Full {
				if err := errors.Join(disk.Mkdir(dir, durable.PrivateDir()), disk.SyncDir(dir)); err != nil {
					t.Errorf("what needs no room: %v", err)
				}
			}
			disk.Disarm()
			if err := disk.Remove(next); err != nil {
				t.Errorf("after Disarm: %v", err)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	dir := t.TempDir()
	disk := faultfs.New(durable.NoSync{})
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	err := errors.Join(
		disk.Mkdir(dir, durable.PrivateDir()),
		disk.Create(a, nil, durable.Private()),
		disk.Rename(a, b),
		disk.Symlink("b", a),
		disk.Append(b, []byte("x\n")),
		disk.SyncDir(dir),
		disk.Remove(a),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []faultfs.Op{
		{faultfs.Mkdir, dir},
		{faultfs.Create, a},
		{faultfs.Rename, b},
		{faultfs.Symlink, a},
		{faultfs.Append, b},
		{faultfs.SyncDir, dir},
		{faultfs.Remove, a},
	}
	if got := disk.Ops(); !slices.Equal(got, want) || disk.Count() != len(want) || disk.Tally()[faultfs.Create] != 1 {
		t.Errorf("ops = %v", got)
	}
}

// TestPowerCut: names come back unless their folder was synced.
func TestPowerCut(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	disk := faultfs.New(durable.OS{})
	for _, name := range []string{"replaced", "removed"} {
		if err := durable.Write(disk, path(name), []byte("old "+name), durable.Attr{Mode: 0o640, UID: -1, GID: -1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(disk.Symlink("v1", path("link")), disk.SyncDir(dir)); err != nil {
		t.Fatal(err)
	}
	change := func() {
		t.Helper()
		err := errors.Join(
			disk.Create(path("made"), []byte("made"), durable.Private()),
			disk.Rename(path("made"), path("replaced")),
			disk.Remove(path("removed")),
			disk.Symlink("v2", path("next")),
			disk.Rename(path("next"), path("link")),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, replaced, removed, link string) {
		t.Helper()
		if got := content(t, path("replaced")); got != replaced {
			t.Errorf("%s: replaced = %q, want %q", when, got, replaced)
		}
		if got := content(t, path("removed")); got != removed {
			t.Errorf("%s: removed = %q, want %q", when, got, removed)
		}
		if got, err := os.Readlink(path("link")); got != link {
			t.Errorf("%s: link = %q, %v, want %q", when, got, err, link)
		}
		for _, name := range []string{"made", "next"} {
			if _, err := os.Lstat(path(name)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is there: %v", when, name, err)
			}
		}
	}
	change()
	check("done", "made", "(none)", "v2")
	if err := disk.PowerCut(); err != nil {
		t.Fatal(err)
	}
	check("power cut", "old replaced", "old removed", "v1")
	if info, err := os.Stat(path("replaced")); err != nil || info.Mode() != 0o640 {
		t.Errorf("its mode came back as %v, %v", info.Mode(), err)
	}
	change()
	if err := errors.Join(disk.SyncDir(dir), disk.PowerCut()); err != nil {
		t.Fatal(err)
	}
	check("synced, then power cut", "made", "(none)", "v2")
}

// TestPowerCutOfAFolder: a folder that was moved comes back with all that is in
// it, and no empty one stays at either name.
func TestPowerCutOfAFolder(t *testing.T) {
	dir := t.TempDir()
	at, aside := filepath.Join(dir, "at"), filepath.Join(dir, "aside")
	disk := faultfs.New(durable.NoSync{})
	err := errors.Join(
		disk.Mkdir(at, durable.PrivateDir()), disk.Create(filepath.Join(at, "file"), []byte("old"), durable.Private()),
		disk.SyncDir(at), disk.SyncDir(dir),
		disk.Rename(at, aside), disk.Symlink("elsewhere", at), disk.PowerCut(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(at, "file")); got != "old" {
		t.Errorf("the file is %q", got)
	}
	if _, err := os.Lstat(aside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the other name: %v", err)
	}
	if err := errors.Join(disk.Rename(at, aside), disk.SyncDir(dir), disk.PowerCut()); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(aside, "file")); got != "old" {
		t.Errorf("synced, then power cut: the file is %q", got)
	}
}
