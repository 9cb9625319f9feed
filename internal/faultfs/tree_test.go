package faultfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/faultfs"
)

func TestTree(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) error { return os.WriteFile(at(name), []byte(text), 0o600) }
	err := errors.Join(os.Mkdir(at("d"), 0o700), write("d/a", "1"), write("b", "1"), write("c", "1"), write("lock", "1"), os.Symlink("d", at("link")))
	if err != nil {
		t.Fatal(err)
	}
	look := func() map[string]string {
		tree, err := faultfs.Tree(dir, func(path string) bool { return path == "lock" })
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	before := look()
	if err := write("lock", "2"); err != nil {
		t.Fatal(err)
	}
	if found := faultfs.Differ(before, look()); len(found) != 0 {
		t.Errorf("nothing was changed, but: %q", found)
	}
	err = errors.Join(
		os.Chtimes(at("d/a"), time.Time{}, time.Now().Add(time.Minute)), // the same bytes, written later
		os.Remove(at("b")), write("new", ""), os.Chmod(at("c"), 0o640), os.Remove(at("link")), os.Symlink("b", at("link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	found := faultfs.Differ(before, look())
	slices.Sort(found)
	if want := []string{"b", "c", "d/a", "link", "new"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}
