package deploy

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// While versions follow each other, nobody who opens a folder, or a combined
// file, finds a key beside another certificate, or half a file. Who still has
// a folder open when the second version after it arrives finds nothing in it.
func TestReadersMeetNoMixture(t *testing.T) {
	ca := newCA(t, "ca")
	versions := []Content{ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test"), ca.content(t, "v3", "a.test")}
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	folder := Target{Cert: "c", Name: "folder", Base: dir}
	file := Target{Cert: "c", Name: "file", Layout: LayoutHAProxy, Base: dir}
	readers := map[string]func() ([]byte, []byte, error){
		"folder": func() ([]byte, []byte, error) { return readFolder(folder.Lineage()) },
		"file": func() ([]byte, []byte, error) {
			data, err := os.ReadFile(dir + "/c.pem")
			return data, data, err
		},
	}
	mustPut(t, d, folder, versions[0])
	mustPut(t, d, file, versions[0])
	done := make(chan struct{})
	var wg sync.WaitGroup
	for name, read := range readers {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					t.Logf("%s: read %d times", name, n)
					return
				default:
				}
				cert, key, err := read()
				if name == "folder" && errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err == nil {
					_, err = tls.X509KeyPair(cert, key)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	for n := range 40 {
		mustPut(t, d, folder, versions[n%3])
		mustPut(t, d, file, versions[n%3])
	}
	close(done)
	wg.Wait()
}

// readFolder reads certificate and key of the folder that a name leads to at
// this moment.
func readFolder(name string) (cert, key []byte, err error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	if cert, err = root.ReadFile("fullchain.pem"); err != nil {
		return nil, nil, err
	}
	key, err = root.ReadFile("privkey.pem")
	return cert, key, err
}
