package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
)

// The file is there while a process works, and taken away by none but its own.
func TestWritePID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certkeep.pid")
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil { // left by a crash
		t.Fatal(err)
	}
	remove, err := daemon.WritePID(durable.OS{}, path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("the file holds %q: %v", text, err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if remove, err = daemon.WritePID(durable.OS{}, path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another's file is taken away: %v", err)
	}
	if _, err := daemon.WritePID(durable.OS{}, filepath.Join(path, "x")); err == nil {
		t.Error("a file that cannot be written is no error")
	}
}
