package keystore_test

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"

	"github.com/certkeep/certkeep/internal/keystore"
	"github.com/certkeep/certkeep/internal/servertest"
)

// run runs a program and returns what it prints to stdout and to stderr.
func run(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(servertest.Find(t, args[0]), args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// opensslReads opens a PKCS#12 file with openssl, in its default set-up, and
// compares what is in it. It returns what openssl says of the algorithms.
func opensslReads(t *testing.T, file string, want keystore.Entry) string {
	t.Helper()
	out, info := run(t, "openssl", "pkcs12", "-in", file, "-passin", "file:"+write(t, []byte(password)), "-nodes", "-info")
	var key []byte
	var certs [][]byte
	for block, rest := pem.Decode([]byte(out)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "PRIVATE KEY" {
			key = block.Bytes
		} else {
			certs = append(certs, block.Bytes)
		}
	}
	if wanted, err := x509.MarshalPKCS8PrivateKey(want.Key); err != nil || !bytes.Equal(key, wanted) {
		t.Errorf("openssl reads another key (%v)", err)
	}
	if !slices.EqualFunc(certs, want.Chain, func(der []byte, c *x509.Certificate) bool { return bytes.Equal(der, c.Raw) }) {
		t.Errorf("openssl reads %d certificates, and not ours in their order", len(certs))
	}
	return info
}

func TestOpenSSLReadsPKCS12(t *testing.T) {
	for f, algorithms := range map[keystore.Format][]string{
		keystore.FormatPKCS12:       {"MAC: sha256, Iteration 100000", "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256"},
		keystore.FormatPKCS12Legacy: {"MAC: sha1, Iteration 100000", "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 100000"},
	} {
		e := entry(t, rsaKey(t))
		info := opensslReads(t, write(t, encode(t, e, f, password)), e)
		for _, want := range algorithms {
			if !strings.Contains(info, want) {
				t.Errorf("%s: no %q in\n%s", f, want, info)
			}
		}
		if strings.Contains(info, "RC2") {
			t.Errorf("%s: RC2 in\n%s", f, info)
		}
	}
}

// Java reads both kinds of file, key and all: it converts them to PKCS#12,
// and openssl compares.
func TestJavaReads(t *testing.T) {
	for _, f := range []keystore.Format{keystore.FormatJKS, keystore.FormatPKCS12} {
		t.Run(string(f), func(t *testing.T) {
			e := entry(t, ecKey(t))
			file, secret, converted := write(t, encode(t, e, f, password)), write(t, []byte(password)), filepath.Join(t.TempDir(), "converted")
			kind := map[keystore.Format]string{keystore.FormatJKS: "JKS", keystore.FormatPKCS12: "PKCS12"}[f]
			run(t, "keytool", "-J-XX:TieredStopAtLevel=1", "-importkeystore", "-noprompt", "-srckeystore", file, "-srcstoretype", kind, "-srcstorepass:file", secret,
				"-destkeystore", converted, "-deststoretype", "PKCS12", "-deststorepass:file", secret)
			opensslReads(t, converted, e)
		})
	}
}

// The file is what Java's documentation says a JKS file is, and holds what was
// put in.
func TestJKS(t *testing.T) {
	e := entry(t, rsaKey(t))
	file := encode(t, e, keystore.FormatJKS, password)
	for i, want := range []uint32{0xfeedfeed, 2, 1, 1} { // magic, version, entries, a private key
		if got := binary.BigEndian.Uint32(file[4*i:]); got != want {
			t.Errorf("word %d is %x, want %x", i, got, want)
		}
	}
	store := jks.New()
	if err := store.Load(bytes.NewReader(file), []byte("another")); err == nil {
		t.Error("opened with another password")
	}
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		t.Fatal(err)
	}
	got, err := store.GetPrivateKeyEntry("leaf.test", []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := x509.MarshalPKCS8PrivateKey(e.Key); err != nil || !bytes.Equal(got.PrivateKey, key) {
		t.Errorf("another key came back (%v)", err)
	}
	same := func(a jks.Certificate, b *x509.Certificate) bool { return bytes.Equal(a.Content, b.Raw) }
	if !slices.EqualFunc(got.CertificateChain, e.Chain, same) || !got.CreationTime.Equal(e.Chain[0].NotBefore) {
		t.Errorf("%d certificates of %v came back", len(got.CertificateChain), got.CreationTime)
	}
}
