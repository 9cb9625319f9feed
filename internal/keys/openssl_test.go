package keys_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/servertest"
)

const passphrase = "correct horse \u00e4 battery"

// openssl runs openssl with input and returns what it prints. The passphrase
// is in a file that the arguments name as PASSPHRASE.
func openssl(t testing.TB, input []byte, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte(passphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "PASSPHRASE", "file:"+file)
	}
	cmd := exec.Command(servertest.Find(t, "openssl"), args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

func sameKey(t *testing.T, got, want crypto.Signer) {
	t.Helper()
	if !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(want.Public()) {
		t.Error("another key came back")
	}
}

func mustMarshal(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	text, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every type is read by openssl as we encrypted it, and by us as openssl does.
func TestEncryptedTypes(t *testing.T) {
	for _, kind := range keys.Types() {
		t.Run(string(kind), func(t *testing.T) {
			if kind == keys.RSA4096 && testing.Short() {
				t.Skip("takes seconds; run without -short")
			}
			key := generate(t, kind)
			ours, err := keys.MarshalEncrypted(key, []byte(passphrase), keys.PBKDF2)
			if err != nil {
				t.Fatal(err)
			}
			want, err := x509.MarshalPKIXPublicKey(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			if got := openssl(t, ours, "pkey", "-passin", "PASSPHRASE", "-pubout", "-outform", "DER"); !bytes.Equal(got, want) {
				t.Error("openssl reads another key")
			}
			theirs := openssl(t, mustMarshal(t, key), "pkcs8", "-topk8", "-passout", "PASSPHRASE") // its default
			again, err := keys.ParseWith(theirs, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			sameKey(t, again, key)
		})
	}
}

// Both ways in which we write are read by openssl and by us, and come out the
// same each time.
func TestMarshalEncrypted(t *testing.T) {
	key := generate(t, keys.ECDSAP256)
	written, byWay := map[string]bool{}, map[keys.KDF][]byte{}
	for _, way := range keys.KDFs() {
		one, err := keys.MarshalEncrypted(key, []byte(passphrase), way)
		if err != nil {
			t.Fatal(err)
		}
		written[string(one)], byWay[way] = true, one
		if plain := openssl(t, one, "pkcs8", "-passin", "PASSPHRASE"); !bytes.Equal(plain, mustMarshal(t, key)) {
			t.Errorf("%s: openssl reads another key", way)
		}
		if again, err := keys.MarshalEncrypted(key, []byte(passphrase), way); err != nil || !bytes.Equal(one, again) {
			t.Errorf("%s: not the same bytes again, %v", way, err)
		}
		again, err := keys.ParseWith(one, []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		sameKey(t, again, key)
	}
	other, err := keys.MarshalEncrypted(key, []byte("another"), keys.PBKDF2)
	if err != nil {
		t.Fatal(err)
	}
	if written[string(other)] = true; len(written) != 3 {
		t.Errorf("%d texts where each way and passphrase has its own", len(written))
	}
	text := string(openssl(t, byWay[keys.PBKDF2], "asn1parse"))
	for _, want := range []string{"aes-256-cbc", "PBKDF2", "hmacWithSHA256", ":0927C0"} { // 600,000
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestParseWithReadsOpenSSL(t *testing.T) {
	rsaKey, ecKey := generate(t, keys.RSA2048), generate(t, keys.ECDSAP256)
	legacy := []string{"-provider", "legacy", "-provider", "default"}
	for _, test := range []struct {
		key  crypto.Signer
		args []string
	}{
		{ecKey, []string{"pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"}},
		{ecKey, []string{"pkcs8", "-topk8", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA384"}},
		{ecKey, []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "1"}},
		{ecKey, []string{"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "100000"}},
		{ecKey, []string{"pkcs8", "-topk8", "-scrypt"}},
		{rsaKey, []string{"pkcs8", "-topk8", "-scrypt", "-scrypt_N", "1024", "-scrypt_r", "4", "-scrypt_p", "3"}},
		{ecKey, []string{"pkcs8", "-topk8", "-v2", "des3"}},
		{rsaKey, append([]string{"pkcs8", "-topk8", "-v2", "bf-cbc"}, legacy...)}, // acmebot's default
		{rsaKey, []string{"pkey", "-aes256"}},
		{rsaKey, []string{"pkey", "-traditional", "-aes256"}},
		{ecKey, []string{"pkey", "-traditional", "-des3"}},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			text := openssl(t, mustMarshal(t, test.key), append(test.args, "-passout", "PASSPHRASE")...)
			key, err := keys.ParseWith(text, []byte(passphrase))
			if err != nil {
				t.Fatal(err)
			}
			sameKey(t, key, test.key)

			for _, none := range [][]byte{nil, {}} {
				_, err := keys.ParseWith(text, none)
				if _, ok := errors.AsType[*keys.EncryptedError](err); !ok {
					t.Errorf("without a passphrase: %v", err)
				}
			}
			for _, wrong := range []string{"x", passphrase + "\n", strings.ToUpper(passphrase)} {
				_, err := keys.ParseWith(text, []byte(wrong))
				if _, ok := errors.AsType[*keys.PassphraseError](err); !ok {
					t.Errorf("with another passphrase: %v", err)
				}
			}
		})
	}
}

// A key that is not under a passphrase is read whatever was given.
func TestParseWithInTheClear(t *testing.T) {
	key := generate(t, keys.RSA2048)
	for _, args := range [][]string{{"rsa"}, {"rsa", "-traditional"}, {"pkey", "-traditional"}} {
		again, err := keys.ParseWith(openssl(t, mustMarshal(t, key), args...), []byte(passphrase))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		sameKey(t, again, key)
	}
	ec := generate(t, keys.ECDSAP521)
	again, err := keys.ParseWith(openssl(t, mustMarshal(t, ec), "ec", "-param_enc", "named_curve"), nil)
	if err != nil {
		t.Fatal(err)
	}
	sameKey(t, again, ec)
}
