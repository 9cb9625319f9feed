package webserver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
)

// maxPEM bounds a file with certificates, in bytes.
const maxPEM = 1 << 20

// Shown is what is wrong with a certificate as a virtual host names it.
type Shown struct {
	Files KeyFiles
	Wrong string // "" where nothing is
	// Placeholder is set where Certkeep made it for the time until a CA has
	// answered.
	Placeholder bool
	NotAfter    time.Time
	Leaf        *x509.Certificate // nil where none could be read
}

// Look reads the certificates of a host that speaks TLS. Files whose names hold
// variables are left out: the server makes them up for each visitor.
func (h Host) Look(now time.Time) []Shown {
	var found []Shown
	for _, files := range h.Pairs {
		if strings.ContainsRune(files.Certificate, '$') || strings.HasPrefix(files.Certificate, "data:") {
			continue
		}
		found = append(found, h.look(files, now))
	}
	return found
}

func (h Host) look(files KeyFiles, now time.Time) Shown {
	s := Shown{Files: files}
	text, err := readBounded(files.Certificate)
	if err != nil {
		s.Wrong = fmt.Sprintf("it cannot be read: %v", err)
		return s
	}
	certs, err := chain.Parse(text)
	if err != nil {
		s.Wrong = fmt.Sprintf("%s holds no certificate: %v", files.Certificate, err)
		return s
	}
	leaf := certs.Leaf()
	s.NotAfter, s.Leaf = leaf.NotAfter, leaf
	s.Placeholder = slices.Contains(leaf.Subject.Organization, chain.PlaceholderOrganization)
	missing := h.missing(leaf)
	switch {
	case now.After(leaf.NotAfter):
		s.Wrong = fmt.Sprintf("%s ended on %s", files.Certificate, leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		s.Wrong = fmt.Sprintf("%s begins on %s", files.Certificate, leaf.NotBefore.UTC().Format(time.DateOnly))
	case len(missing) > 0:
		s.Wrong = fmt.Sprintf("%s does not name %s", files.Certificate, strings.Join(missing, ", "))
	default:
		s.Wrong = mismatch(files, text)
	}
	return s
}

// missing lists the names of the host that a certificate does not name, but for
// those that it hardly could.
func (h Host) missing(leaf *x509.Certificate) []string {
	return slices.DeleteFunc(h.Fit(), func(name string) bool {
		if tail, ok := strings.CutPrefix(name, "*."); ok {
			name = "x." + tail // any name of the asterisk: it has to be one there too
		}
		return leaf.VerifyHostname(name) == nil
	})
}

// mismatch says that a key does not belong to its certificate. Keys that
// cannot be read, and those under a passphrase, are left to the server.
func mismatch(files KeyFiles, cert []byte) string {
	key := cert
	if files.Key != "" {
		text, err := readBounded(files.Key)
		if err != nil || strings.ContainsAny(files.Key, "$:") {
			return ""
		}
		key = text
	}
	if bytes.Contains(key, []byte("ENCRYPTED")) || !bytes.Contains(key, []byte("PRIVATE KEY")) {
		return ""
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return fmt.Sprintf("its key does not belong to %s", files.Certificate)
	}
	return ""
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && len(text) > maxPEM {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxPEM)
	}
	return text, err
}
