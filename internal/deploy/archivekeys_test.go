package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
)

// An archive by keys has a folder for each instant, as acmebot's; copies tell
// what they are. What holds anything else is left alone.
func TestArchiveByKeys(t *testing.T) {
	ca := newCA(t, "ca")
	dir := t.TempDir()
	v1, v2 := ca.content(t, "v1", "a"), ca.content(t, "v2", "a")
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
		target := spread(dir + "/etc")
		target.Archive = dir + "/archive/example.com"
		target.Files = append(target.Files, File{Path: dir + "/other/cert.pem", Content: []Part{PartFullchain}})
		mustPut(t, d, target, v1)
		key, err := os.ReadFile(dir + "/etc/private/key.pem")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Content{v2, v1} {
			mustPut(t, d, target, c)
		}
		stamp := time.Now().Local().Format("2006_01_02_150405")
		var want []string
		for _, folder := range []string{stamp, stamp + "~2"} {
			for _, name := range []string{"certificate.cert.pem", "certificate.cert.pem~3", "full_key.tls.pem", "private_key.key.pem"} {
				want = append(want, filepath.Join(dir, "archive/example.com", folder, name))
			}
		}
		got := archivedByKeys(t, dir)
		if !slices.Equal(got, want) {
			t.Fatalf("archived %q\nwant %q", got, want)
		}
		for _, path := range got {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
		if old, err := os.ReadFile(got[3]); err != nil || string(old) != string(key) {
			t.Errorf("the copy of the key: %v", err)
		}
		for _, name := range []string{"client/2000_01_01_000000/registration.json", "example.com/by_hand_of_me/certificate.a.pem"} {
			if err := mkfiles(filepath.Dir(dir+"/archive/"+name), filepath.Base(name)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		for _, keep := range []time.Duration{0, 2 * time.Hour} {
			if err := d.PruneArchive(time.Now(), keep, dir+"/archive"); err != nil {
				t.Fatal(err)
			}
			if got := archivedByKeys(t, dir); len(got) != 10 {
				t.Errorf("with %s kept %q", keep, got)
			}
		}
		if err := d.PruneArchive(time.Now(), 30*time.Minute, dir+"/archive"); err != nil {
			t.Fatal(err)
		}
		if got := archivedByKeys(t, dir); len(got) != 2 {
			t.Errorf("left %q", got)
		}
		if _, err := os.Stat(dir + "/state/archive"); !os.IsNotExist(err) {
			t.Errorf("the state has an archive too: %v", err)
		}
	})
}

func archivedByKeys(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(dir + "/archive/*/*/*")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestKindsInAnArchive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		parts []Part
		want  string
	}{
		{[]Part{PartKey}, "private_key"},
		{[]Part{PartBackupKey}, "backup_key"},
		{[]Part{PartPreviousKey}, "previous_key"},
		{[]Part{PartKey, PartCertificate, PartChain, PartDHParams}, "full_key"},
		{[]Part{PartPKCS12}, "full_key"},
		{[]Part{PartCertificate, PartChain, PartECParams}, "certificate"},
		{[]Part{PartCertificate, PartChain, PartRoot}, "full_certificate"},
		{[]Part{PartChain}, "chain"},
		{[]Part{PartDHParams, PartECParams}, "param"},
		{nil, "file"},
	} {
		if got := (slot{parts: c.parts}).kind(); got != c.want {
			t.Errorf("%q is a %s, want %s", c.parts, got, c.want)
		}
		if !slices.Contains(archiveKinds(), c.want) {
			t.Errorf("%s is not known", c.want)
		}
	}
}
