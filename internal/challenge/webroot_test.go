package challenge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

func newWebroot(t *testing.T, folder string) *Webroot {
	t.Helper()
	w, err := NewWebroot(folder, durable.OS{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func below(t *testing.T, folder string) string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if path != folder {
			paths = append(paths, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(paths, " ")
}

func TestWebrootServedByNginx(t *testing.T) {
	address := servertest.FreeAddress(t)
	base := t.TempDir()
	if err := os.MkdirAll(filepath.Join(base, "example.test", "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	servertest.Nginx(t, address, "server { listen "+address+"; root "+base+"/example.test/www; }")
	w := newWebroot(t, base+"/{zone}/{host}")
	c := httpChallenge("to-ken_1")
	old := syscall.Umask(0o077) // must not keep the web server from reading
	err := w.Present(t.Context(), c)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	status, body, _ := ask(t, "GET", "http://"+address+acmePath+c.Token)
	if status != 200 || body != c.KeyAuthorization {
		t.Errorf("got %d %q", status, body)
	}
	for name, want := range map[string]fs.FileMode{"": 0o755, "acme-challenge": 0o755, "acme-challenge/to-ken_1": 0o644} {
		info, err := os.Stat(filepath.Join(base, "example.test/www/.well-known", name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v", name, info.Mode(), err)
		}
	}
	if err := w.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
	if got := below(t, base); got != "example.test example.test/www" {
		t.Errorf("left behind: %s", got)
	}
}

func TestWebrootFolders(t *testing.T) {
	root := t.TempDir()
	w := newWebroot(t, root)
	one, two := httpChallenge("one"), httpChallenge("two")
	if err := os.Mkdir(filepath.Join(root, ".well-known"), 0o700); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"clean up before anything", func() error { return w.CleanUp(t.Context(), one) }, ".well-known"},
		{"present one", func() error { return w.Present(t.Context(), one) }, ".well-known .well-known/acme-challenge .well-known/acme-challenge/one"},
		{"present one again", func() error { return w.Present(t.Context(), one) }, ".well-known .well-known/acme-challenge .well-known/acme-challenge/one"},
		{"present two", func() error { return w.Present(t.Context(), two) }, ".well-known .well-known/acme-challenge .well-known/acme-challenge/one .well-known/acme-challenge/two"},
		{"clean up one", func() error { return w.CleanUp(t.Context(), one) }, ".well-known .well-known/acme-challenge .well-known/acme-challenge/one .well-known/acme-challenge/two"},
		{"clean up one again", func() error { return w.CleanUp(t.Context(), one) }, ".well-known .well-known/acme-challenge .well-known/acme-challenge/two"},
		{"clean up two", func() error { return w.CleanUp(t.Context(), two) }, ".well-known"}, // the folder that was there stays
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := below(t, root); got != step.want {
			t.Fatalf("%s: got %s", step.name, got)
		}
	}
}

// What a crash left is ours: the whole file, or the beginning of it.
func TestWebrootAfterACrash(t *testing.T) {
	c := httpChallenge("token")
	for _, left := range []string{"", "token.th", c.KeyAuthorization} {
		root := t.TempDir()
		path := filepath.Join(root, acmePath, c.Token)
		put := func() {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(left), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		put()
		if err := newWebroot(t, root).CleanUp(t.Context(), c); err != nil {
			t.Errorf("%q: %v", left, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: it is still there", left)
		}
		put()
		if err := newWebroot(t, root).Present(t.Context(), c); err != nil {
			t.Errorf("%q: %v", left, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.KeyAuthorization {
			t.Errorf("%q: got %q, %v", left, got, err)
		}
	}
}

func TestWebrootLeavesForeignFilesAlone(t *testing.T) {
	c := httpChallenge("token")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"file":    func(path string) error { return os.WriteFile(path, []byte("foreign"), 0o600) },
		"longer":  func(path string) error { return os.WriteFile(path, []byte(c.KeyAuthorization+"\n"), 0o600) },
		"symlink": func(path string) error { return os.Symlink(secret, path) },
		"nowhere": func(path string) error { return os.Symlink(secret+"-missing", path) },
		"folder":  func(path string) error { return os.Mkdir(path, 0o755) },
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, acmePath, c.Token)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), put(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			w := newWebroot(t, root)
			err = w.Present(t.Context(), c)
			if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeWebroot || !errors.Is(err, errForeign) {
				t.Errorf("got %v", err)
			}
			if err := w.CleanUp(t.Context(), c); err != nil {
				t.Error(err)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Size() != after.Size() {
				t.Errorf("it was touched: %v, %v", after, err)
			}
		})
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("the symlink's target was touched: %q, %v", got, err)
	}
}

// TestWebrootPlantedLink: a web application that owns its webroot leads into
// somebody else's folder. Into its own it may.
func TestWebrootPlantedLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives files to another user")
	}
	const nobody = 65534
	for _, link := range []string{".well-known", ".well-known/acme-challenge"} {
		root, victim := t.TempDir(), t.TempDir()
		path := filepath.Join(root, link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(victim, path), os.Lchown(path, nobody, -1)); err != nil {
			t.Fatal(err)
		}
		w := newWebroot(t, root)
		if err := w.Present(t.Context(), httpChallenge("token")); !errors.Is(err, errLink) || below(t, victim) != "" {
			t.Errorf("%s: %v; there is %q", link, err, below(t, victim))
		}
		if err := os.Chown(victim, nobody, -1); err != nil {
			t.Fatal(err)
		}
		if err := w.Present(t.Context(), httpChallenge("token")); err != nil || below(t, victim) == "" {
			t.Errorf("%s: into their own folder: %v", link, err)
		}
	}
}

func TestWebrootUnusable(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{root + "/missing", root + "/file"} {
		w := newWebroot(t, folder)
		err := w.Present(t.Context(), httpChallenge("token"))
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeWebroot || failure.Hint == "" {
			t.Errorf("%s: got %v", folder, err)
		}
		if err := w.CleanUp(t.Context(), httpChallenge("token")); folder == root+"/missing" && err != nil {
			t.Error(err)
		}
	}
	w := newWebroot(t, root)
	for _, token := range []string{"", "..", "a/b", "../../x", "a.b", "ä", strings.Repeat("a", 256)} {
		if err := w.Present(t.Context(), httpChallenge(token)); !errors.Is(err, errToken) {
			t.Errorf("%q: got %v", token, err)
		}
	}
	if got := below(t, root); got != "file" {
		t.Errorf("left behind: %s", got)
	}
}

// fullDisk is a disk that has room for folders only.
type fullDisk struct{ durable.OS }

func (fullDisk) Create(path string, _ []byte, _ durable.Attr) error {
	return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
}

func TestWebrootLeavesNothingAfterAFailure(t *testing.T) {
	root := t.TempDir()
	w, err := NewWebroot(root, fullDisk{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Present(t.Context(), httpChallenge("token")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if got := below(t, root); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestWebrootManyAtOnce(t *testing.T) {
	root := t.TempDir()
	w := newWebroot(t, root)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			c := httpChallenge("token" + string(rune('a'+i)))
			for range 5 {
				if err := errors.Join(w.Present(t.Context(), c), w.CleanUp(t.Context(), c)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := below(t, root); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// TestWebrootBesideOthers: another pattern that leads to the same folder, or
// another program, removes folders when they are empty, also just before we
// write into them.
func TestWebrootBesideOthers(t *testing.T) {
	root := t.TempDir()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			w, err := NewWebroot(root, durable.NoSync{})
			if err != nil {
				t.Error(err)
				return
			}
			c := httpChallenge("token" + string(rune('a'+i)))
			for range 50 {
				if err := errors.Join(w.Present(t.Context(), c), w.CleanUp(t.Context(), c)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// A folder of answers alone is shown by a web server under another path; it is
// made for the answer, and gone with it.
func TestFolderServedByNginx(t *testing.T) {
	address := servertest.FreeAddress(t)
	base := t.TempDir()
	servertest.Nginx(t, address, "server { listen "+address+"; location "+acmePath+" { alias "+base+"/answers/www/; } }")
	w, err := NewFolder(base+"/answers/{host}", durable.OS{})
	if err != nil {
		t.Fatal(err)
	}
	c := httpChallenge("to-ken_1")
	if err := w.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := ask(t, "GET", "http://"+address+acmePath+c.Token); status != 200 || body != c.KeyAuthorization {
		t.Errorf("got %d %q", status, body)
	}
	if got := below(t, base); got != "answers answers/www answers/www/to-ken_1" {
		t.Errorf("while it is shown: %q", got)
	}
	if err := w.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := below(t, base); got != "" {
		t.Errorf("left behind: %q", got)
	}
}

// A folder that was there stays.
func TestFolderThatIsThere(t *testing.T) {
	base := t.TempDir()
	w, err := NewFolder(base, durable.OS{})
	if err != nil {
		t.Fatal(err)
	}
	c := httpChallenge("to-ken_1")
	if err := w.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := w.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(base); err != nil {
		t.Error(err)
	}
	if got := below(t, base); got != "" {
		t.Errorf("left behind: %q", got)
	}
}
