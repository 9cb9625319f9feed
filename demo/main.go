// Command demo shows Certkeep at work, on loopback and without leaving
// anything behind. `make demo` builds what it needs and runs it.
//
// It starts a real ACME CA with its DNS server (package acmetest) and a small
// HTTPS server, writes a config, and lets `certkeep run` keep three
// certificates for that server: proven by http-01, tls-alpn-01 and dns-01, one
// of them living 30 seconds. What the server presents is looked at with
// openssl all the time. It exits with 0 only when everything that it tells of
// was really seen.
//
// With -hold it only starts the CA and prints a config for it, until it is
// interrupted. The programs that the demo itself needs are commands of it:
// `demo serve` is the HTTPS server, `demo dns-hook` writes DNS records.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Whoever ends us with a signal gets everything cleaned up.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case serveCommand:
			return serve(args[1:])
		case hookCommand:
			return dnsHook(args[1:], os.Getenv)
		}
	}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	binary := flags.String("certkeep", "build/certkeep", "the `program` to show")
	hold := flags.Bool("hold", false, "only start the test CA, print a config for it, and wait for Ctrl-C")
	httpPort := flags.Int("http", 0, "with -hold: the `port` where the CA asks for http-01 answers (default: a free one)")
	tlsPort := flags.Int("tls", 0, "with -hold: the `port` where the CA asks for tls-alpn-01 answers (default: a free one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood; see `demo -help`", flags.Arg(0))
	}
	if *hold {
		return holdCA(ctx, *httpPort, *tlsPort, stdout, stderr)
	}
	if *httpPort != 0 || *tlsPort != 0 {
		return errors.New("-http and -tls belong to -hold")
	}
	return play(ctx, *binary, stdout)
}
