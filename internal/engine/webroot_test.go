package engine

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestWebrootOfMany has many certificates prove their names at once by files
// of one web server. All get there, and nothing is left in its folder.
func TestWebrootOfMany(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := filepath.Join(f.dir, "www")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", f.ca.HTTPPort()))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(root))}
	go server.Serve(listener)
	defer server.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "challenges: [{http-01: {webroot: %s}}]\ncertificates:\n", root)
	for _, c := range "abcdefghijklmnop" {
		fmt.Fprintf(&b, "  %c.test: {names: [%[1]c.test, www.%[1]c.test]}\n", c)
	}
	f.configure(b.String())
	f.apply()
	for _, c := range "abcdefghijklmnop" {
		f.checkServed(string(c) + ".test")
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
