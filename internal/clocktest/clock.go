// Package clocktest builds real programs whose wall clock a test sets while
// they run: time.Now is some seconds off, as a file says. Timers and the
// monotonic clock go on as they are, as when a machine's clock is set or the
// machine has slept. It is for tests only.
//
// Build makes a program, New a Clock, and Clock.Env is what ties them together.
package clocktest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// variable names the file in a program's environment.
const variable = "CLOCKTEST_FILE"

// Clock is the wall clock of some programs.
type Clock struct {
	t    testing.TB
	path string
}

// New makes a clock that is right.
func New(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t: t, path: filepath.Join(t.TempDir(), "clock")}
	if err := os.WriteFile(c.path, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// Set makes the clock wrong by an offset, in whole seconds, at once.
func (c *Clock) Set(offset time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	seconds := binary.NativeEndian.AppendUint64(nil, uint64(offset/time.Second))
	// In place: the programs have the file in their memory.
	if _, err := f.WriteAt(seconds, 0); err != nil {
		c.t.Error(err)
	}
	if err := f.Close(); err != nil {
		c.t.Error(err)
	}
}

// Env is what a program that Build made needs in its environment.
func (c *Clock) Env() string { return variable + "=" + c.path }

// Build builds a package, named as in the module in dir, into the file path.
func Build(t testing.TB, dir, pkg, path string) {
	t.Helper()
	build := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay(t), "-o", path, pkg)
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s with a clock that can be set: %v\n%s", pkg, err, out)
	}
}

// The one change in package time, and where it belongs.
const (
	read   = "\tsec, nsec, mono := runtimeNow()\n"
	change = read + "\tsec += wrongBy()\n"
)

// wrongBy is a file more in package time. It may import little: almost
// everything imports package time. And it may make no system call: the
// scheduler asks for the time, too, where none can be made. So the file is
// mapped when the program starts, and read as memory.
const wrongBy = `package time

import (
	"syscall"
	"unsafe"
)

var wrong = mapWrong()

// mapWrong returns where it stands how many seconds the wall clock is off; nil
// where it is right for ever.
func mapWrong() *int64 {
	path, ok := syscall.Getenv("` + variable + `")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("open the file of the clock: " + err.Error())
	}
	memory, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map the file of the clock: " + err.Error())
	}
	syscall.Close(fd)
	return (*int64)(unsafe.Pointer(&memory[0]))
}

func wrongBy() int64 {
	if wrong == nil {
		return 0
	}
	return *wrong
}
`

// overlay writes what go build takes in place of Go's own sources.
func overlay(t testing.TB) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("find Go's sources: %v", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	own, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n" + read
	if bytes.Count(own, []byte(now)) != 1 {
		t.Fatal("this Go reads the clock in another way than is known here")
	}
	dir := t.TempDir()
	files := map[string][]byte{
		"time.go":  bytes.Replace(own, []byte(now), []byte("func Now() Time {\n"+change), 1),
		"wrong.go": []byte(wrongBy),
	}
	replace := map[string]string{}
	for name, text := range files {
		replace[filepath.Join(source, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
