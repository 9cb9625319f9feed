package main

import (
	"errors"
	"net"
	"net/http"

	"github.com/rogpeppe/go-internal/testscript"
)

// serveWeb shows a folder where the CA looks for answers to http-01.
func serveWeb(ts *testscript.TestScript, neg bool, args []string) {
	refuse(ts, neg)
	if len(args) != 1 {
		ts.Fatalf("usage: web FOLDER")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", ts.Getenv("HTTP_PORT")))
	ts.Check(err)
	server := &http.Server{Handler: http.FileServer(http.Dir(ts.MkAbs(args[0])))}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ts.Defer(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			ts.Logf("web server: %v", err)
		}
	})
}
