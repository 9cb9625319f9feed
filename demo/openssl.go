package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// errNothingServed says that no certificate came back.
var errNothingServed = errors.New("no certificate is presented")

// client looks at a server as any client does: with openssl, which verifies
// the chain, the dates and the name.
type client struct {
	openssl string // the program
	address string // of the server
	roots   string // PEM file of the roots to trust
}

// look connects, asks for a name, and returns the certificate that came back.
// An error with a certificate means that it was not to be trusted.
func (c client) look(ctx context.Context, name string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// Without standard input it says goodbye after the handshake.
	cmd := exec.CommandContext(ctx, c.openssl, "s_client", "-connect", c.address, "-servername", name,
		"-verify_hostname", name, "-CAfile", c.roots, "-verify_return_error", "-showcerts")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	leaf, parseErr := firstCertificate(out)
	if err != nil && leaf != nil {
		return leaf, fmt.Errorf("openssl s_client: %w\n%s", err, complaints.String())
	}
	return leaf, parseErr
}

// firstCertificate finds the leaf in what openssl printed.
func firstCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errNothingServed
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read what openssl printed: %w", err)
	}
	return leaf, nil
}
