package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

func TestOpenMakesTheFolder(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "var", "state")
	s, err := store.Open(t.Context(), path, durable.OS{}, "", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	if s.Dir() != path || s.Node() == "" {
		t.Errorf("Dir = %q, Node = %q", s.Dir(), s.Node())
	}
	for name, want := range map[string]fs.FileMode{
		"": fs.ModeDir | 0o700, "format": 0o600, "lock": 0o600, "node": 0o600,
	} {
		info, err := os.Lstat(filepath.Join(path, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v, want mode %v", name, info, err, want)
		}
	}
	node := s.Node()
	if err := errors.Join(s.Close(), s.Close()); err != nil { // closing twice is closing
		t.Fatal(err)
	}
	for _, mode := range []store.Mode{store.Holder, store.Reader} {
		s, err := store.Open(t.Context(), path, durable.OS{}, "", mode)
		if err != nil {
			t.Fatal(err)
		}
		if s.Node() != node {
			t.Errorf("node was %q, is %q", node, s.Node())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := open(t, path, durable.OS{}, store.Holder).Node(); got != "web1" {
		t.Errorf("node of the config = %q", got)
	}
}

func TestReaderOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s, err := store.Open(t.Context(), path, durable.OS{}, "", store.Reader)
	if err != nil {
		t.Fatal(err)
	}
	known, err := s.Known(t.Context())
	if err != nil || len(known.Certs) != 0 || len(known.Issuers) != 0 {
		t.Errorf("Known = %+v, %v", known, err)
	}
	cert, err := s.KnownCert(t.Context(), "a")
	if err != nil || cert.Name != "a" {
		t.Errorf("KnownCert = %+v, %v", cert, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reader made the folder: %v", err)
	}
}

func TestReaderMayNotWrite(t *testing.T) {
	holder := newStore(t)
	r := open(t, holder.Dir(), durable.OS{}, store.Reader)
	key, fingerprint := newKey(t)
	ctx := t.Context()
	_, putKey := r.PutKey(ctx, key)
	for what, err := range map[string]error{
		"UpdateCert":     r.UpdateCert(ctx, "a", func(*plan.KnownCert) error { return nil }),
		"UpdateTargets":  r.UpdateTargets(ctx, "a", func(map[string]plan.Target) error { return nil }),
		"PutVersion":     r.PutVersion(ctx, chainOf("a", version("V", fingerprint, "a"))),
		"PutKey":         putKey,
		"DeleteKey":      r.DeleteKey(ctx, fingerprint),
		"ArchiveAccount": r.ArchiveAccount(ctx, "ca", "gone"),
		"Append":         r.Append(ctx, store.Event{Cert: "a"}),
		"TrimHistory":    r.TrimHistory(ctx, "a", 0),
		"Forget":         r.Forget(ctx, "a"),
		"Repair":         r.Repair(ctx, "a"),
	} {
		if !errors.Is(err, store.ErrReader) {
			t.Errorf("%s: %v, want ErrReader", what, err)
		}
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := holder.UpdateCert(ctx, "a", func(*plan.KnownCert) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

// TestOneHolder: the second holder learns who the first one is, in this
// process and in another; a killed one leaves nothing in the way.
func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	child := exec.Command(os.Args[0], "-test.run=^TestHoldUntilKilled$")
	child.Env = append(os.Environ(), "STORE_TEST_STATE="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	heldBy := func(pid int, words string) {
		t.Helper()
		_, err := store.Open(t.Context(), path, durable.OS{}, "", store.Holder)
		held, ok := errors.AsType[*store.HeldError](err)
		if !ok || held.PID != pid || !strings.Contains(held.Command, words) || !strings.Contains(err.Error(), fmt.Sprint(pid)) {
			t.Errorf("second holder: %v, want a HeldError with %d and %q", err, pid, words)
		}
	}
	heldBy(child.Process.Pid, "-test.run=^TestHoldUntilKilled$")
	open(t, path, durable.OS{}, store.Reader) // needs no lock
	leftover := durable.Temp(filepath.Join(path, "records/groups/a.json"))
	if err := os.WriteFile(leftover, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed

	s := open(t, path, durable.OS{}, store.Holder)
	heldBy(os.Getpid(), filepath.Base(os.Args[0]))
	if _, err := os.Lstat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the killed holder left is still there: %v", err)
	}
	if known, err := s.KnownCert(t.Context(), "a"); err != nil || known.Published != "V" {
		t.Errorf("what the killed holder wrote = %+v, %v", known, err)
	}
}

// TestHoldUntilKilled is the child of TestOneHolder; on its own it does
// nothing.
func TestHoldUntilKilled(t *testing.T) {
	path := os.Getenv("STORE_TEST_STATE")
	if path == "" {
		return
	}
	s, err := store.Open(t.Context(), path, durable.OS{}, "", store.Holder)
	if err == nil {
		err = s.UpdateCert(t.Context(), "a", func(c *plan.KnownCert) error {
			c.Published = "V"
			return nil
		})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	select {}
}

func TestNewerFolderIsRefused(t *testing.T) {
	for text, want := range map[string]int{
		`{"format":2}`: 2,
		`{"format":7,"groups":"elsewhere","node":3}`: 7,
		`{"format":`: 0,
		``:           0,
		`{}`:         0,
	} {
		path := t.TempDir()
		if err := errors.Join(os.Chmod(path, 0o700), os.WriteFile(filepath.Join(path, "format"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []store.Mode{store.Reader, store.Holder} {
			_, err := store.Open(t.Context(), path, durable.OS{}, "n", mode)
			newer, isNewer := errors.AsType[*store.NewerError](err)
			_, isDamaged := errors.AsType[*store.DamagedError](err)
			if want > 0 && (!isNewer || newer.Format != want) || want == 0 && !isDamaged {
				t.Errorf("format %s, mode %v: %v", text, mode, err)
			}
		}
		if _, err := os.Lstat(filepath.Join(path, "node")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("format %s: something was written: %v", text, err)
		}
	}
}

// errDisk refuses to make folders and files with one error.
type errDisk struct {
	durable.Disk
	err error
}

func (d errDisk) Mkdir(path string, _ durable.Attr) error {
	return &fs.PathError{Op: "mkdir", Path: path, Err: d.err}
}

func (d errDisk) Create(path string, _ []byte, _ durable.Attr) error {
	return &fs.PathError{Op: "open", Path: path, Err: d.err}
}

func TestUnusableFolders(t *testing.T) {
	refuse := func(name, path string, disk durable.Disk, mode store.Mode, words string) {
		t.Helper()
		_, err := store.Open(t.Context(), path, disk, "n", mode)
		folder, ok := errors.AsType[*store.FolderError](err)
		if !ok || !strings.Contains(folder.Words, words) || folder.Remedy == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want a FolderError with %q and a remedy", name, err, words)
		}
	}
	both := []store.Mode{store.Reader, store.Holder}

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := t.TempDir()
	for _, mode := range both {
		refuse("a file", file, durable.OS{}, mode, "not a folder")
		for _, perm := range []fs.FileMode{0o770, 0o707, 0o720} {
			if err := os.Chmod(open, perm); err != nil {
				t.Fatal(err)
			}
			refuse(perm.String(), open, durable.OS{}, mode, "may write it")
		}
	}
	for err, words := range map[error]string{
		syscall.EROFS: "read-only", syscall.ENOSPC: "full", syscall.EACCES: "may not use it", syscall.EIO: "refused",
	} {
		refuse(err.Error(), filepath.Join(t.TempDir(), "state"), errDisk{durable.OS{}, err}, store.Holder, words)
	}
}

func TestFolderOfSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a folder to another user")
	}
	path := filepath.Join(t.TempDir(), "state")
	s, err := store.Open(t.Context(), path, durable.OS{}, "n", store.Holder)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.Chown(path, 12345, -1)); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), path, durable.OS{}, "n", store.Holder)
	if folder, ok := errors.AsType[*store.FolderError](err); !ok || !strings.Contains(folder.Words, "user 12345") {
		t.Errorf("holder: %v, want a FolderError that names its owner", err)
	}
	open(t, path, durable.OS{}, store.Reader) // root may look
}

// TestOpenFaults lets every change that the first Open makes go wrong: the
// next one works.
func TestOpenFaults(t *testing.T) {
	for _, fault := range faultfs.Faults() {
		for n := 1; ; n++ {
			path := filepath.Join(t.TempDir(), "state")
			disk := faultfs.New(durable.NoSync{})
			disk.Arm(n, fault)
			s, err := store.Open(t.Context(), path, disk, "", store.Holder)
			if !disk.Tripped() {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				break
			}
			if err == nil {
				t.Fatalf("%v at %d: no error", fault, n)
			}
			disk.Disarm()
			if s, err = store.Open(t.Context(), path, disk, "", store.Holder); err != nil {
				t.Fatalf("after %v at %d: %v", fault, n, err)
			}
			if left, err := filepath.Glob(filepath.Join(path, ".*")); err != nil || len(left) != 0 {
				t.Errorf("after %v at %d: %q is left, %v", fault, n, left, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestPlantedLock: a symlink in the place of the lock is not followed.
func TestPlantedLock(t *testing.T) {
	path := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	err := errors.Join(os.Chmod(path, 0o700), os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, filepath.Join(path, "lock")))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), path, durable.OS{}, "n", store.Holder); err == nil {
		t.Error("opened")
		_ = s.Close()
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the victim holds %q, %v", text, err)
	}
}

// Root reads the states of others: what lies there in place of the small files
// neither leads it elsewhere nor keeps it waiting.
func TestSmallFilesAreFiles(t *testing.T) {
	for _, name := range []string{"format", "node"} {
		for kind, plant := range map[string]func(path string) error{
			"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"symlink": func(path string) error { return os.Symlink("/dev/zero", path) },
			"folder":  func(path string) error { return os.Mkdir(path, 0o700) },
		} {
			t.Run(name+" is a "+kind, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "state")
				s, err := store.Open(t.Context(), dir, durable.OS{}, "", store.Holder)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, name)
				if err := errors.Join(s.Close(), os.Remove(path), plant(path)); err != nil {
					t.Fatal(err)
				}
				if _, err := store.Open(t.Context(), dir, durable.OS{}, "", store.Reader); err == nil || !strings.Contains(err.Error(), path) {
					t.Errorf("opened: %v", err)
				}
			})
		}
	}
}
