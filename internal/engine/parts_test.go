package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/network"
)

// A config that is read again has a key file read again whose content changed,
// and keeps what stayed the same.
func TestMendedUpdateKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "update.key")
	cfg, _, err := config.LoadBytes("c.yaml", fmt.Appendf(nil, "dns: {main: {provider: rfc2136, tsig_file: %q}}\n", file))
	if err != nil {
		t.Fatal(err)
	}
	var last *parts
	read := func(key string) challenge.Solver {
		t.Helper()
		if key != "" {
			if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		last, err = newParts(cfg, last, Options{Disk: durable.NoSync{}, Network: network.OS{}, UserAgent: "certkeep/test"})
		if err != nil {
			t.Fatal(err)
		}
		return last.writers["main"].solver
	}
	const first, second = `key "a" { algorithm hmac-sha256; secret "c2VjcmV0"; };`, `key "a" { algorithm hmac-sha256; secret "c2Vjcm90"; };`
	missing := read("")
	if _, bad := missing.(unusable); !bad {
		t.Error("a key file that is missing makes no unusable writer")
	}
	if missing.CleanUp(t.Context(), challenge.Challenge{}) == nil {
		t.Error("an unusable writer took something away")
	}
	one := read(first)
	if _, bad := one.(unusable); bad || read(first) != one {
		t.Error("a writer whose key stayed the same was not kept")
	}
	if two := read(second); two == one {
		t.Error("a mended key is not used")
	}
}

// The same goes for the roots by which a CA's web server is trusted.
func TestMendedRoots(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "roots.pem")
	cfg, _, err := config.LoadBytes("c.yaml", fmt.Appendf(nil, "issuers: {own: {directory: 'https://ca.test/dir', roots_file: %q}}\n", file))
	if err != nil {
		t.Fatal(err)
	}
	var last *parts
	read := func(roots []byte) *issuer.CA {
		t.Helper()
		if err := os.WriteFile(file, roots, 0o600); err != nil {
			t.Fatal(err)
		}
		last, err = newParts(cfg, last, Options{Disk: durable.NoSync{}, Network: network.OS{}, UserAgent: "certkeep/test"})
		if err != nil {
			t.Fatal(err)
		}
		ca, err := last.issuers["own"].client()
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	first, second := root(t), root(t)
	one := read(first)
	if read(first) != one {
		t.Error("a client whose roots stayed the same was not kept")
	}
	if read(second) == one {
		t.Error("roots that were changed are not used")
	}
}

// root is a certificate that a CA's web server might be trusted by.
func root(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
