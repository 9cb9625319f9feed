package command

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// programs makes a folder with a program in it.
func programs(t *testing.T) (dir, program string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "bin")
	program = filepath.Join(dir, "hook")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755), os.Chmod(dir, 0o755), os.Chmod(program, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir, program
}

func TestTrusted(t *testing.T) {
	for name, test := range map[string]struct {
		dir, program os.FileMode
		untrusted    string // which of them; "" for none
	}{
		"as it should be":      {0o755, 0o755, ""},
		"program of its group": {0o755, 0o775, "program"},
		"program of all":       {0o755, 0o757, "program"},
		"folder of all":        {0o777, 0o755, "folder"},
		"folder of its group":  {0o775, 0o755, "folder"},
		"sticky folder":        {0o777 | os.ModeSticky, 0o755, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, program := programs(t)
			if err := errors.Join(os.Chmod(dir, test.dir), os.Chmod(program, test.program)); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"program": program, "folder": dir}[test.untrusted]
			err := Command{Args: []string{program, "x"}}.Trusted()
			untrusted, ok := errors.AsType[*UntrustedError](err)
			if ok != (want != "") || ok && (untrusted.Path != want || untrusted.Hint == "") || !ok && err != nil {
				t.Errorf("Trusted() = %v, want one about %q", err, want)
			}
		})
	}
	for _, c := range []Command{{Args: []string{"true"}}, {Shell: "true"}, {}, {Args: []string{"/no/such/program"}}} {
		if err := c.Trusted(); err != nil {
			t.Errorf("Trusted() of %+v = %v", c, err)
		}
	}
}

// A program of another user is trusted where it runs as that user only.
func TestTrustedOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a file away")
	}
	_, program := programs(t)
	if err := os.Chown(program, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*UntrustedError](Command{Args: []string{program}}.Trusted()); !ok {
		t.Error("a program of somebody else is trusted")
	}
	if err := (Command{Args: []string{program}, User: "65534"}).Trusted(); err != nil {
		t.Errorf("the user's own program: %v", err)
	}
	// In /tmp others cannot exchange our files, but their links lead where they like.
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Symlink("/bin/true", link), os.Lchown(link, 65534, -1), os.Chmod(filepath.Dir(link), 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if untrusted, ok := errors.AsType[*UntrustedError](Command{Args: []string{link}}.Trusted()); !ok || untrusted.Path != link {
		t.Error("a symlink of somebody else is trusted")
	}
}

// TestTrustedWays: a program is exchanged as well where a folder further up, or
// one on the way of a symlink, is somebody else's to write.
func TestTrustedWays(t *testing.T) {
	for name, test := range map[string]struct {
		open    string // the folder that everybody may write
		program string // what is run
	}{
		"folder above":         {"srv", "srv/bin/hook"},
		"where a link leads":   {"srv/bin", "link"},
		"above the link's end": {"srv", "link"},
		"where the link is":    {"links", "links/link"},
		"a folder is a link":   {"srv", "folder/hook"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			err := errors.Join(os.MkdirAll(at("srv/bin"), 0o755), os.Mkdir(at("links"), 0o755), os.WriteFile(at("srv/bin/hook"), nil, 0o755),
				os.Symlink(at("srv/bin/hook"), at("link")), os.Symlink("../srv/bin/hook", at("links/link")), os.Symlink("srv/bin", at("folder")))
			if err != nil {
				t.Fatal(err)
			}
			c := Command{Args: []string{at(test.program)}}
			if err := c.Trusted(); err != nil {
				t.Errorf("before: %v", err)
			}
			if err := os.Chmod(at(test.open), 0o777); err != nil {
				t.Fatal(err)
			}
			untrusted, ok := errors.AsType[*UntrustedError](c.Trusted())
			if !ok || untrusted.Path != at(test.open) {
				t.Errorf("Trusted() = %v, want one about %s", untrusted, at(test.open))
			}
		})
	}
}
