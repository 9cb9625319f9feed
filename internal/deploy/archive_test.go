package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// Each installation archives what it replaces under its time; what is older
// than asked for is removed, and nothing else.
func TestArchiveAndItsEnd(t *testing.T) {
	ca := newCA(t, "ca")
	dir := t.TempDir()
	versions := []Content{ca.content(t, "v1", "a"), ca.content(t, "v2", "a"), ca.content(t, "v3", "a")}
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
		for _, c := range versions {
			mustPut(t, d, spread(dir+"/etc"), c)
			time.Sleep(24 * time.Hour)
		}
		if err := os.MkdirAll(dir+"/state/archive/c/by-hand", 0o700); err != nil {
			t.Fatal(err)
		}
		if got := archived(t, dir); got != "20000102T000000.000Z-v2 20000103T000000.000Z-v3 by-hand" {
			t.Errorf("archived: %s", got)
		}
		for keep, want := range map[time.Duration]string{
			0:              "20000102T000000.000Z-v2 20000103T000000.000Z-v3 by-hand", // no limit
			50 * time.Hour: "20000102T000000.000Z-v2 20000103T000000.000Z-v3 by-hand",
		} {
			if err := d.PruneArchive(time.Now(), keep, ""); err != nil {
				t.Fatal(err)
			}
			if got := archived(t, dir); got != want {
				t.Errorf("after pruning to %v: %s", keep, got)
			}
		}
		if err := d.PruneArchive(time.Now(), 30*time.Hour, ""); err != nil {
			t.Fatal(err)
		}
		if got := archived(t, dir); got != "20000103T000000.000Z-v3 by-hand" {
			t.Errorf("after pruning: %s", got)
		}
	})
}

func archived(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir + "/state/archive/c")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// Two installations in one instant do not share an archive.
func TestArchiveTwiceInOneInstant(t *testing.T) {
	ca := newCA(t, "ca")
	dir := t.TempDir()
	v1, v2 := ca.content(t, "v1", "a"), ca.content(t, "v2", "a")
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
		for _, c := range []Content{v1, v2, v1, v2} {
			mustPut(t, d, spread(dir+"/etc"), c)
		}
		if got := archived(t, dir); got != "20000101T000000.000Z-v1 20000101T000000.000Z-v2 20000101T000000.000Z-v2~2" {
			t.Errorf("archived: %s", got)
		}
	})
}

func TestArchivedName(t *testing.T) {
	long := "/srv/" + strings.Repeat("x", 300) + "/tls.pem"
	for path, want := range map[string]string{
		"/etc/postfix/tls.pem": "etc@postfix@tls.pem",
		long:                   "7~" + strings.Repeat("x", 192) + "@tls.pem",
	} {
		if got := archivedName(path, 7); got != want {
			t.Errorf("archivedName(%.30s) = %s", path, got)
		}
	}
}

// A failing removal is told, and the others are removed all the same.
func TestPruneArchiveGoesOn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20000101T000000.000Z-v1", "20000102T000000.000Z-v2"} {
		if err := mkfiles(filepath.Join(dir, "state/archive/c", name), "a.pem"); err != nil {
			t.Fatal(err)
		}
	}
	disk := faultfs.New(durable.NoSync{})
	disk.Arm(1, faultfs.Refused)
	d := New(Options{State: dir + "/state", Disk: disk})
	if err := d.PruneArchive(time.Now(), time.Hour, ""); err == nil {
		t.Error("no error")
	}
	if got := archived(t, dir); got != "20000101T000000.000Z-v1" {
		t.Errorf("left: %s", got)
	}
}
