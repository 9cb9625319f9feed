package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/store/backend"
	"github.com/certkeep/certkeep/internal/store/backendtest"
	"github.com/certkeep/certkeep/internal/store/dir"
)

func TestBackend(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) func() backend.Backend {
		root := filepath.Join(t.TempDir(), "records")
		return func() backend.Backend { return dir.New(root, durable.NoSync{}) }
	})
}

// tree lists what is below a folder: path, mode, and content of files.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(content)
		}
		name, err := filepath.Rel(root, path)
		found[name] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestWhereThingsAre holds docs/STORE.md and the code together.
func TestWhereThingsAre(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	root := filepath.Join(t.TempDir(), "records")
	d := dir.New(root, durable.OS{})
	for _, key := range []string{"groups/a.example_1-2", "versions/..//x"[:len("versions/..")] + "/x", "accounts/*/.a b%"} {
		if _, err := d.Put(t.Context(), key, []byte("v"), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Append(t.Context(), "events/a", []byte("line")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		".":                             "drwx------",
		"groups":                        "drwx------",
		"groups/a.example_1-2.json":     "-rw------- v",
		"versions":                      "drwx------",
		"versions/%2E.":                 "drwx------",
		"versions/%2E./x.json":          "-rw------- v",
		"accounts":                      "drwx------",
		"accounts/%2A":                  "drwx------",
		"accounts/%2A/%2Ea%20b%25.json": "-rw------- v",
		"events":                        "drwx------",
		"events/a.jsonl":                "-rw------- line\n",
	}
	got := tree(t, root)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s = %q, want %q", name, got[name], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("found %v", got)
	}
}

// TestSymlinksAreNotFollowed plants one at every place where a key leads by.
func TestSymlinksAreNotFollowed(t *testing.T) {
	ctx := t.Context()
	for _, planted := range []string{"", "versions", "versions/a", "versions/a/1.json", "versions/a/1.jsonl"} {
		top := t.TempDir()
		outside := filepath.Join(top, "outside")
		root := filepath.Join(top, "records")
		link := filepath.Join(root, planted)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			t.Fatal(err)
		}
		// What the link leads to has all that the key needs, or is a file.
		isFile := strings.Contains(planted, ".json")
		if isFile {
			if err := os.WriteFile(outside, []byte("outside\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.MkdirAll(filepath.Join(outside, "versions/a"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		before := tree(t, outside)
		d := dir.New(root, durable.OS{})
		_, get := d.Get(ctx, "versions/a/1")
		_, put := d.Put(ctx, "versions/a/1", []byte("v"), "")
		errs := map[string]error{"Get": get, "Put": put, "Delete": d.Delete(ctx, "versions/a/1", "x")}
		if isFile && strings.HasSuffix(planted, "l") {
			errs = map[string]error{}
		}
		if !isFile || strings.HasSuffix(planted, "l") {
			errs["Append"] = d.Append(ctx, "versions/a/1", []byte("v"))
			errs["Trim"] = d.Trim(ctx, "versions/a/1", 1)
			for _, err := range d.Lines(ctx, "versions/a/1") {
				errs["Lines"] = err
			}
		}
		for what, err := range errs {
			if err == nil || errors.Is(err, backend.ErrNotFound) {
				t.Errorf("link at %q: %s = %v", planted, what, err)
			}
		}
		if got := tree(t, outside); len(got) != len(before) || isFile && got["."] != before["."] {
			t.Errorf("link at %q: outside was changed: %v", planted, got)
		}
	}
}

// TestScanReportsWhatItCannotRead, and goes on.
func TestScanReportsWhatItCannotRead(t *testing.T) {
	root := t.TempDir()
	d := dir.New(root, durable.OS{})
	for _, key := range []string{"g/good", "g/also"} {
		if _, err := d.Put(t.Context(), key, []byte("v"), ""); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.Symlink("good.json", filepath.Join(root, "g/link.json")),
		syscall.Mkfifo(filepath.Join(root, "g/pipe.json"), 0o600),
		os.WriteFile(filepath.Join(root, "g/huge.json"), nil, 0o600),
		os.Truncate(filepath.Join(root, "g/huge.json"), dir.MaxValue+1),
		// None of these is a record:
		os.WriteFile(filepath.Join(root, "g/good.json~"), nil, 0o600),
		os.WriteFile(filepath.Join(root, "g/copy of good.json"), nil, 0o600),
		os.WriteFile(filepath.Join(root, "g/%zz.json"), nil, 0o600),
		os.WriteFile(filepath.Join(root, "g/%41.json"), nil, 0o600),
		os.WriteFile(filepath.Join(root, "g/.json"), nil, 0o600),
		os.WriteFile(durable.Temp(filepath.Join(root, "g/good.json")), nil, 0o600),
		os.Mkdir(filepath.Join(root, "g/.git"), 0o700),
	)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var good, bad []string
	err = d.Scan(t.Context(), "g", func(e backend.Entry, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err != nil || len(e.Value) == 0 { // a pipe reads as empty: no record either
			bad = append(bad, e.Key)
		} else {
			good = append(good, e.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(good)
	slices.Sort(bad)
	if !slices.Equal(good, []string{"g/also", "g/good"}) || !slices.Equal(bad, []string{"g/huge", "g/link", "g/pipe"}) {
		t.Errorf("read %q, could not read %q", good, bad)
	}
}

func TestSweep(t *testing.T) {
	root := filepath.Join(t.TempDir(), "records")
	disk := faultfs.New(durable.OS{})
	d := dir.New(root, disk)
	if err := d.Sweep(t.Context()); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := d.Put(t.Context(), "a/b/k", []byte("old"), ""); err != nil {
		t.Fatal(err)
	}
	e, err := d.Get(t.Context(), "a/b/k")
	if err != nil {
		t.Fatal(err)
	}
	disk.Arm(2, faultfs.Torn) // mkdir, create
	if _, err := d.Put(t.Context(), "a/b/k", []byte("new"), e.Revision); !errors.Is(err, faultfs.ErrKilled) {
		t.Fatal(err)
	}
	disk.Disarm()
	if got := tree(t, filepath.Join(root, "a/b")); len(got) != 3 {
		t.Fatalf("a killed Put leaves %v, want a temporary", got)
	}
	if err := os.Mkdir(durable.Temp(filepath.Join(root, "a/c")), 0o700); err != nil { // as a killed Mkdir leaves one
		t.Fatal(err)
	}
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, filepath.Join(root, "a")); len(got) != 3 {
		t.Errorf("after Sweep: %v", got)
	}
	if got := tree(t, filepath.Join(root, "a/b")); len(got) != 2 || got["k.json"] != "-rw------- old" {
		t.Errorf("after Sweep: %v", got)
	}
}

// TestTornLine: a line that a kill tore is not read, and not continued.
func TestTornLine(t *testing.T) {
	disk := faultfs.New(durable.OS{})
	d := dir.New(t.TempDir(), disk)
	ctx := t.Context()
	if err := d.Append(ctx, "e/k", []byte("first line")); err != nil {
		t.Fatal(err)
	}
	disk.Arm(1, faultfs.Torn)
	if err := d.Append(ctx, "e/k", []byte("a torn line")); err == nil {
		t.Fatal("no fault")
	}
	disk.Disarm()
	read := func() (found []string) {
		t.Helper()
		for line, err := range d.Lines(ctx, "e/k") {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, string(line))
		}
		return found
	}
	if got := read(); !slices.Equal(got, []string{"first line"}) {
		t.Errorf("after the kill: %q", got)
	}
	if err := d.Append(ctx, "e/k", []byte("next line")); err != nil {
		t.Fatal(err)
	}
	if got := read(); !slices.Equal(got, []string{"first line", "a torn", "next line"}) {
		t.Errorf("after the next: %q", got)
	}
}

// TestFaults lets every change of a Put and a Delete go wrong, also with the
// power cut after it: the value is the old one or the new one.
func TestFaults(t *testing.T) {
	ctx := t.Context()
	for _, remove := range []bool{false, true} {
		for _, fault := range faultfs.Faults() {
			for _, power := range []bool{false, true} {
				for n := 1; ; n++ {
					root := t.TempDir()
					disk := faultfs.New(durable.NoSync{}) // faultfs knows what was synced
					d := dir.New(root, disk)
					revision, err := d.Put(ctx, "a/b/k", []byte("old"), "")
					if err != nil {
						t.Fatal(err)
					}
					disk.Arm(n, fault)
					if remove {
						err = d.Delete(ctx, "a/b/k", revision)
					} else {
						_, err = d.Put(ctx, "a/b/k", []byte("new"), revision)
					}
					if power {
						if err := disk.PowerCut(); err != nil {
							t.Fatal(err)
						}
					}
					tripped := disk.Tripped()
					got := ""
					switch e, err := dir.New(root, disk).Get(ctx, "a/b/k"); {
					case err == nil:
						got = string(e.Value)
					case !errors.Is(err, backend.ErrNotFound):
						t.Fatalf("%v at %d: %v", fault, n, err)
					}
					next := map[bool]string{false: "new", true: ""}[remove]
					if got != next && (got != "old" || err == nil) {
						t.Errorf("%v at %d, power cut %v: value = %q, err = %v", fault, n, power, got, err)
					}
					if !tripped {
						break
					}
				}
			}
		}
	}
}
