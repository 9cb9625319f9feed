package main

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
)

// runTLSServer presents a certificate at an address until it is killed, and
// reads its files again at SIGHUP. Its pid file appears once it listens.
func runTLSServer(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: tls-server ADDRESS CERTIFICATE KEY PIDFILE")
	}
	var current atomic.Pointer[tls.Certificate]
	read := func() error {
		pair, err := tls.LoadX509KeyPair(args[1], args[2])
		if err == nil {
			current.Store(&pair)
		}
		return err
	}
	if err := read(); err != nil {
		return err
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	go func() {
		for range again {
			_ = read() // what is presented tells
		}
	}()
	l, err := tls.Listen("tcp", args[0], &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[3], []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func(c net.Conn) {
			defer c.Close()
			_ = c.(*tls.Conn).Handshake() // the client tells what it saw
		}(conn)
	}
}
