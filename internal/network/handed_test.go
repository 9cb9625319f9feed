package network_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/network"
)

// file is a listening socket as a service manager hands it over.
func file(t *testing.T, address string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(l.Addr().String()[strings.LastIndex(l.Addr().String(), "]")+1:], ":")
	return f, port
}

func TestHanded(t *testing.T) {
	t.Parallel()
	loopback, one := file(t, "127.0.0.1:0")
	all, every := file(t, ":0")
	h, err := network.TakeOver([]*os.File{loopback, all})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1:" + one: true, ":" + one: false, "127.0.0.2:" + one: false, "localhost:" + one: false,
		":" + every: true, "0.0.0.0:" + every: true, "[::]:" + every: true, "127.0.0.1:" + every: false, "": false, ":http": false,
	} {
		if got := h.Has(address); got != want {
			t.Errorf("%q was handed over: %t", address, got)
		}
	}
	// It is open, closed, and opened again; in between a visitor waits.
	for range 2 {
		visitor, err := net.Dial("tcp", "127.0.0.1:"+one)
		if err != nil {
			t.Fatal(err)
		}
		l, err := h.Listen(t.Context(), "tcp", "127.0.0.1:"+one)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if taken.RemoteAddr().String() != visitor.LocalAddr().String() {
			t.Errorf("%s was taken instead of %s", taken.RemoteAddr(), visitor.LocalAddr())
		}
		for _, c := range []interface{ Close() error }{taken, visitor, l} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What was not handed over is opened, as without any.
	if _, err := h.Listen(t.Context(), "tcp", ":"+one); err == nil {
		t.Error("a port that is taken was opened")
	}
	l, err := network.Handed{}.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHandedRefusesOthers(t *testing.T) {
	t.Parallel()
	unix, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	f, err := unix.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := network.TakeOver([]*os.File{f}); err == nil || !strings.Contains(err.Error(), "no TCP") {
		t.Errorf("a socket of another kind: %v", err)
	}
	if _, err := network.TakeOver([]*os.File{os.NewFile(f.Fd(), "certkeep.socket")}); err == nil || !strings.Contains(err.Error(), "certkeep.socket") {
		t.Errorf("the socket is not named: %v", err)
	}
}
