package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// holdCA starts the CA, prints what a config needs to use it, and waits until
// it is interrupted.
func holdCA(ctx context.Context, httpPort, tlsPort int, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "certkeep-testca-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Others may read its roots: curl need not run as root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open the folder for readers: %w", err)
	}
	ca, err := acmetest.Launch(ctx, acmetest.Options{Profiles: profiles(), HTTPPort: httpPort, TLSPort: tlsPort})
	if err != nil {
		return fmt.Errorf("start the test CA: %w", err)
	}
	defer func() { err = errors.Join(err, ca.Close()) }()
	if err := writeRoots(ctx, ca, dir); err != nil {
		return err
	}
	self, err := copySelf(dir)
	if err != nil {
		return err
	}
	p := place{
		dir: dir, directory: ca.DirectoryURL(), self: self, dns: ca.DNS.URL(), resolver: ca.DNSAddr(),
		httpPort: ca.HTTPPort(), tlsPort: ca.TLSPort(),
	}
	if _, err := io.WriteString(stdout, p.caText()); err != nil {
		return fmt.Errorf("print the config: %w", err)
	}
	fmt.Fprintf(stderr, "The test CA runs at %s until you press Ctrl-C.\n", p.directory)
	<-ctx.Done()
	fmt.Fprintln(stderr, "The test CA was stopped. What it issued stays; nobody else trusts it.")
	return nil
}

// caText is what a config needs to use the CA, to be put into conf.d.
func (p place) caText() string {
	return fmt.Sprintf(`# A test CA on this machine, for as long as it runs: put this into conf.d, and remove it afterwards.
# For this CA every name is at 127.0.0.1, and nobody else trusts what it issues.
#   http-01      it asks port %d; without a web server: listen: {http: "127.0.0.1:%[1]d"}
#   tls-alpn-01  it asks port %[2]d: listen: {tls: "127.0.0.1:%[2]d"}
#   dns-01       {dns-01: {via: testdns}}
# A certificate with "profile: brief" lives 30 seconds. To look at one as a client:
#   curl --cacert %[3]s --connect-to ::127.0.0.1: https://NAME/
issuers:
  testca: {directory: %[4]q, roots_file: %[5]q, profile: %[6]s}
dns:
%[7]sdefaults: {issuer: testca}
`, p.httpPort, p.tlsPort, p.file(fileRoot), p.directory, p.file(fileHTTPS), profileLong, p.dnsText())
}
