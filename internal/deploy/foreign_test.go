package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// What is not ours and no file or folder of our kind stops the installation,
// and stays.
func TestForeignThingsAreLeftAlone(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	folder := Target{Cert: "c", Name: "d", KeyTypes: []string{p256}}
	for name, lay := range map[string]func(dir string) (Target, error){
		"a file where our symlink belongs": func(dir string) (Target, error) {
			folder.Base = dir
			return folder, os.WriteFile(dir+"/c", []byte("mine"), 0o600)
		},
		"a folder with other things": func(dir string) (Target, error) {
			folder.Base = dir
			return folder, mkfiles(dir+"/c", "privkey.pem", "holiday.jpg")
		},
		"a folder where a file belongs": func(dir string) (Target, error) {
			return spread(dir), os.MkdirAll(dir+"/certs/cert.pem", 0o755)
		},
		"a pipe where a file belongs": func(dir string) (Target, error) {
			return spread(dir), errors.Join(os.MkdirAll(dir+"/certs", 0o755), syscall.Mkfifo(dir+"/certs/cert.pem", 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			if err := os.Mkdir(dir+"/etc", 0o755); err != nil {
				t.Fatal(err)
			}
			target, err := lay(dir + "/etc")
			if err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			r := put(t, d, target, c)
			if r.Fault == nil || r.Fault.Code != plan.CodeForeignFile || r.Written || r.Changed {
				t.Fatalf("result %+v", r)
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("something was written:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		})
	}
}

func mkfiles(dir string, names ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Another tool's folder of our shape, even one of symlinks as certbot makes,
// makes way and stays beside; nothing of it is lost.
func TestFolderOfAnotherTool(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	dir := t.TempDir()
	live, archive := dir+"/etc/live/c", dir+"/etc/archive/c"
	if err := mkfiles(archive, "privkey1.pem", "cert1.pem", "chain1.pem", "fullchain1.pem"); err != nil {
		t.Fatal(err)
	}
	if err := mkfiles(live, "README", "acme-success", "renewed"); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"privkey", "cert", "chain", "fullchain"} {
		if err := os.Symlink("../../archive/c/"+base+"1.pem", live+"/"+base+".pem"); err != nil {
			t.Fatal(err)
		}
	}
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	target := Target{Cert: "c", Name: "d", Layout: LayoutCertbot, Base: dir + "/etc", KeyTypes: []string{p256}}
	mustPut(t, d, target, c)
	if !shows(t, target, c) {
		t.Fatal("the new files are not there")
	}
	old, err := os.ReadFile(dir + "/etc/live/.c.replaced-1/privkey.pem")
	if err != nil || string(old) != "privkey1.pem" {
		t.Errorf("the other tool's folder beside: %q, %v", old, err)
	}
	kept, err := filepath.Glob(dir + "/state/archive/c/*-v1/*privkey.pem")
	if err != nil || len(kept) != 1 {
		t.Errorf("in the archive: %v, %v", kept, err)
	}
}
