package keys_test

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
)

func TestParseKDF(t *testing.T) {
	for _, way := range keys.KDFs() {
		if got, err := keys.ParseKDF(string(way)); got != way || err != nil {
			t.Errorf("ParseKDF(%s) = %q, %v", way, got, err)
		}
	}
	if _, err := keys.ParseKDF("argon2"); err == nil || !strings.Contains(err.Error(), "scrypt") {
		t.Errorf("%v, want an error that names the allowed ones", err)
	}
}

// An empty passphrase never makes a key that anybody can read.
func TestMarshalEncryptedRefuses(t *testing.T) {
	key := generate(t, keys.ECDSAP256)
	if text, err := keys.MarshalEncrypted(key, nil, keys.PBKDF2); text != nil || err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("without a passphrase: %s, %v", text, err)
	}
	if text, err := keys.MarshalEncrypted(key, []byte("secret"), "md5"); text != nil || err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("with an unknown way: %s, %v", text, err)
	}
}

// info builds an EncryptedPrivateKeyInfo from parts that may be wrong.
func info(t testing.TB, scheme, kdf asn1.ObjectIdentifier, kdfParams any, with asn1.ObjectIdentifier, iv, data []byte) []byte {
	t.Helper()
	named := func(oid asn1.ObjectIdentifier, params any) pkix.AlgorithmIdentifier {
		der, err := asn1.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}
	}
	both := struct{ KDF, Cipher pkix.AlgorithmIdentifier }{named(kdf, kdfParams), named(with, iv)}
	der, err := asn1.Marshal(struct {
		Scheme pkix.AlgorithmIdentifier
		Data   []byte
	}{named(scheme, both), data})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

type scryptParams struct {
	Salt    []byte
	N, R, P int
}

// Damaged, unknown and costly encryptions are told from a wrong passphrase,
// take no time, and never end the program.
func TestParseWithRefuses(t *testing.T) {
	pbes2, pbkdf2, scrypt := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	aes, gcm := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 46}
	iv, data, salt := make([]byte, 16), make([]byte, 32), []byte("salt")
	cheap := pbkdf2Params{Salt: salt, Iterations: 1}
	for want, der := range map[string][]byte{
		"its encoding is damaged":              []byte("x"),
		"encryption (OID 1.2.3)":               info(t, asn1.ObjectIdentifier{1, 2, 3}, pbkdf2, cheap, aes, iv, data),
		"cipher (OID 2.16.840.1.101.3.4.1.46)": info(t, pbes2, pbkdf2, cheap, gcm, iv, data),
		"key derivation (OID 1.2.3.4)":         info(t, pbes2, asn1.ObjectIdentifier{1, 2, 3, 4}, cheap, aes, iv, data),
		"hash (OID 1.2.3.5)":                   info(t, pbes2, pbkdf2, pbkdf2Params{salt, 1, 0, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3, 5}}}, aes, iv, data),
		"its cipher are damaged":               info(t, pbes2, pbkdf2, cheap, aes, iv[1:], data),
		"cut off":                              info(t, pbes2, pbkdf2, cheap, aes, iv, data[1:]),
		"its key derivation are damaged":       info(t, pbes2, pbkdf2, "salt", aes, iv, data),
		"names 16":                             info(t, pbes2, pbkdf2, pbkdf2Params{Salt: salt, Iterations: 1, KeyLength: 16}, aes, iv, data),
		"0 rounds":                             info(t, pbes2, pbkdf2, pbkdf2Params{Salt: salt}, aes, iv, data),
		"2000000000 rounds":                    info(t, pbes2, pbkdf2, pbkdf2Params{Salt: salt, Iterations: 2_000_000_000}, aes, iv, data),
		"N=16777216, r=8":                      info(t, pbes2, scrypt, scryptParams{salt, 1 << 24, 8, 1}, aes, iv, data),
		"p=16777216":                           info(t, pbes2, scrypt, scryptParams{salt, 1 << 14, 8, 1 << 24}, aes, iv, data),
		"N=1000":                               info(t, pbes2, scrypt, scryptParams{salt, 1000, 8, 1}, aes, iv, data),
		"r=-8":                                 info(t, pbes2, scrypt, scryptParams{salt, 1024, -8, -1}, aes, iv, data),
	} {
		begun := time.Now()
		key, err := keys.ParseWith(block("ENCRYPTED PRIVATE KEY", der), []byte(passphrase))
		if key != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: refused after %v", want, took)
		}
		if _, ok := errors.AsType[*keys.PassphraseError](err); ok {
			t.Errorf("%s: called a wrong passphrase", want)
		}
	}
	_, err := keys.ParseWith(block("ENCRYPTED PRIVATE KEY", info(t, pbes2, pbkdf2, cheap, aes, iv, data)), []byte(passphrase))
	if _, ok := errors.AsType[*keys.PassphraseError](err); !ok || strings.Contains(err.Error(), passphrase) {
		t.Errorf("err = %v, want a PassphraseError", err)
	}
}

// Under the right passphrase, a key of a kind that we do not read is called
// just that.
func TestParseWithStrangeKey(t *testing.T) {
	strange := openssl(t, nil, "genpkey", "-algorithm", "X448")
	text := openssl(t, strange, "pkcs8", "-topk8", "-passout", "PASSPHRASE")
	_, err := keys.ParseWith(text, []byte(passphrase))
	if _, wrong := errors.AsType[*keys.PassphraseError](err); err == nil || wrong {
		t.Errorf("err = %v", err)
	}
}

// One passphrase in 256 leaves a padding that looks right.
func TestWrongPassphraseThatPads(t *testing.T) {
	text := openssl(t, mustMarshal(t, generate(t, keys.ECDSAP256)), "pkcs8", "-topk8", "-iter", "1", "-passout", "PASSPHRASE")
	old := openssl(t, mustMarshal(t, generate(t, keys.ECDSAP256)), "pkey", "-traditional", "-aes128", "-passout", "PASSPHRASE")
	for i := range 4000 {
		for _, text := range [][]byte{text, old} {
			_, err := keys.ParseWith(text, []byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676)})
			if _, ok := errors.AsType[*keys.PassphraseError](err); !ok {
				t.Fatalf("passphrase %d: %v", i, err)
			}
		}
	}
}

// The seeds were made by openssl with one round, under "x".
func FuzzParseWith(f *testing.F) {
	key := mustMarshal(f, generate(f, keys.ECDSAP256))
	for _, args := range [][]string{
		{"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-iter", "1"},
		{"-v2", "des3", "-v2prf", "hmacWithSHA1", "-iter", "1"},
		{"-scrypt", "-scrypt_N", "2", "-scrypt_r", "1", "-scrypt_p", "1"},
	} {
		block, _ := pem.Decode(openssl(f, key, append([]string{"pkcs8", "-topk8", "-passout", "pass:x"}, args...)...))
		f.Add(block.Bytes)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := keys.ParseWith(block("ENCRYPTED PRIVATE KEY", der), []byte("x"))
		if err != nil {
			return
		}
		again, err := keys.Parse(mustMarshal(t, key))
		if err != nil || !again.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
			t.Fatalf("another key came back: %v", err)
		}
	})
}
