package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// serveCommand is how this program is called to be the HTTPS server.
const serveCommand = "serve"

// pairs are certificates with their keys, by what they are served for: a name,
// or the part of a wildcard from its dot on.
type pairs map[string]*tls.Certificate

// site is an HTTPS server as others are too: it reads its certificates when
// it starts and when it gets SIGHUP, and keeps those that it has where a file
// is missing or broken.
type site struct {
	folders map[string]string // for what → folder of fullchain.pem and privkey.pem
	current atomic.Pointer[pairs]
}

// newSite takes what follows the program's name: NAME=FOLDER for each.
func newSite(args []string) (*site, error) {
	s := &site{folders: make(map[string]string)}
	for _, arg := range args {
		name, folder, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=FOLDER", arg)
		}
		s.folders[strings.TrimPrefix(name, "*")] = folder
	}
	s.current.Store(&pairs{})
	return s, nil
}

// read reads all certificates again.
func (s *site) read() error {
	next := pairs{}
	var errs []error
	for name, folder := range s.folders {
		pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "fullchain.pem"), filepath.Join(folder, "privkey.pem"))
		if err != nil {
			errs = append(errs, fmt.Errorf("certificate for %s: %w", name, err))
			if old := (*s.current.Load())[name]; old != nil {
				next[name] = old
			}
			continue
		}
		next[name] = &pair
	}
	s.current.Store(&next)
	return errors.Join(errs...)
}

// choose picks the certificate for the name that the client asks for (SNI).
func (s *site) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	have := *s.current.Load()
	_, below, _ := strings.Cut(hello.ServerName, ".")
	for _, name := range []string{hello.ServerName, "." + below} {
		if pair := have[name]; pair != nil {
			return pair, nil
		}
	}
	return nil, fmt.Errorf("no certificate for %q yet", hello.ServerName)
}

// serve is the HTTPS server: ADDRESS PIDFILE NAME=FOLDER…
func serve(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: demo serve ADDRESS PIDFILE NAME=FOLDER…")
	}
	s, err := newSite(args[2:])
	if err != nil {
		return err
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, "This is", r.Host)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.choose},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	// Whoever finds this file finds a server that takes signals.
	if err := os.WriteFile(args[1], []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the pid file: %w", err)
	}
	for {
		if err := s.read(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		select {
		case <-again:
		case <-ctx.Done():
			return server.Close()
		case err := <-ended:
			return err
		}
	}
}
