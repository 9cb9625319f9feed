package ocsp_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/servertest"
)

// write writes a PEM file and returns its path.
func write(t *testing.T, folder, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenSSL: what OpenSSL says as a responder is believed, with its certificate in every
// answer, and OpenSSL as a client believes what we store.
func TestOpenSSL(t *testing.T) {
	openssl := servertest.Find(t, "openssl")
	dir := t.TempDir()
	root := newCA(t, nil, "root")
	ca := newCA(t, &root, "ca")
	good, revoked := newLeaf(t, ca, 0x5a), newLeaf(t, ca, 0x5b)
	rootFile, caFile := write(t, dir, "root.pem", "CERTIFICATE", root.cert.Raw), write(t, dir, "ca.pem", "CERTIFICATE", ca.cert.Raw)
	// The database of `openssl ca`: status, expiry, revocation and reason, serial, file, subject.
	end, ended := good.NotAfter.UTC().Format("060102150405Z"), time.Now().Add(-time.Hour).UTC().Format("060102150405Z")
	database := fmt.Sprintf("V\t%s\t\t5A\tunknown\t/CN=a\nR\t%s\t%s,keyCompromise\t5B\tunknown\t/CN=b\n", end, end, ended)
	index := filepath.Join(dir, "index.txt")
	if err := os.WriteFile(index, []byte(database), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, signer := range map[string]pair{"the CA": ca, "a responder": newSigner(t, ca, nil)} {
		der, err := x509.MarshalECPrivateKey(signer.key)
		if err != nil {
			t.Fatal(err)
		}
		signerFile, keyFile := write(t, dir, "signer.pem", "CERTIFICATE", signer.cert.Raw), write(t, dir, "signer.key", "EC PRIVATE KEY", der)
		r := newResponder(t, func(w http.ResponseWriter, req *http.Request) {
			question, err := question(req)
			if err != nil {
				t.Error(err)
			}
			asked, answer := filepath.Join(dir, "asked"), filepath.Join(dir, "answer")
			if err := os.WriteFile(asked, question, 0o600); err != nil {
				t.Error(err)
			}
			out, err := exec.Command(openssl, "ocsp", "-index", index, "-CA", caFile, "-ndays", "7",
				"-rsigner", signerFile, "-rkey", keyFile, "-reqin", asked, "-respout", answer).CombinedOutput()
			if err != nil {
				t.Errorf("openssl: %v\n%s", err, out)
			}
			http.ServeFile(w, req, answer)
		})
		ask := func(leaf *x509.Certificate) ocsp.Answer {
			got, err := newClient(t, nil).Fetch(t.Context(), ocsp.Question{Leaf: leaf, Issuer: ca.cert, URLs: []string{r.URL}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return got
		}
		if got := ask(revoked); got.Status != ocsp.Revoked || got.Reason != "keyCompromise" {
			t.Errorf("%s: revoked: %+v", name, got.Response)
		}
		got := ask(good)
		if got.Status != ocsp.Good || got.NextUpdate.Sub(got.ThisUpdate) != 7*24*time.Hour {
			t.Errorf("%s: good: %+v", name, got.Response)
		}
		believes(t, openssl, "-respin", writeDER(t, dir, got.DER), "-issuer", caFile, "-cert", write(t, dir, "leaf.pem", "CERTIFICATE", good.Raw), "-CAfile", rootFile)
	}
}

func writeDER(t *testing.T, dir string, der []byte) string {
	path := filepath.Join(dir, "leaf.ocsp")
	if err := os.WriteFile(path, der, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// believes has OpenSSL read a stored statement.
func believes(t *testing.T, openssl string, args ...string) {
	t.Helper()
	out, err := exec.Command(openssl, append([]string{"ocsp", "-no_nonce"}, args...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Response verify OK") || !strings.Contains(string(out), "leaf.pem: good") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}
