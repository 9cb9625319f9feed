package sim

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// web is a web server that reads its certificates when it is told to, as
// nginx does, and shows them at 127.0.0.1:443.
type web struct {
	root  string               // of the file to which reloads add lines
	pairs func() [][][2]string // chain and key files of each certificate, by kinds of key

	mu      sync.Mutex                 // guards what follows
	told    int64                      // size of the file to which every reload adds a line
	loaded  map[int][]*tls.Certificate // as pairs counts
	host    map[string]int             // which of these is shown under a name: the last one that was for it
	powered bool                       // it was started since the machine was
}

// serve answers until the listener is closed.
func (s *web) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			s.read()
			server := tls.Server(conn, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				i, known := s.host[hello.ServerName]
				if !known {
					_, below, _ := strings.Cut(hello.ServerName, ".")
					if i, known = s.host["*."+below]; !known {
						return nil, nil
					}
				}
				for _, pair := range s.loaded[i] {
					if hello.SupportsCertificate(pair) == nil {
						return pair, nil
					}
				}
				return nil, nil
			}})
			if server.HandshakeContext(context.Background()) == nil {
				_, _ = server.Read(make([]byte, 1)) // until the client goes
			}
		}()
	}
}

// read loads the files where it was told to since it last did.
func (s *web) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var size int64
	if info, err := os.Stat(filepath.Join(s.root, "reloads")); err == nil {
		size = info.Size()
	}
	if size == s.told && s.powered {
		return
	}
	s.told, s.powered = size, true
	for i, files := range s.pairs() {
		var loaded []*tls.Certificate
		for kind, p := range files {
			pair, err := tls.LoadX509KeyPair(p[0], p[1])
			if err == nil {
				loaded = append(loaded, &pair)
			} else if kind == 0 {
				break // it goes on with what it has
			}
		}
		if len(loaded) == 0 {
			continue
		}
		s.loaded[i] = loaded
		for _, name := range loaded[0].Leaf.DNSNames {
			s.host[name] = i
		}
	}
}

// restart is what happens to it when the machine loses power.
func (s *web) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.powered, s.loaded, s.host = false, map[int][]*tls.Certificate{}, map[string]int{}
}
