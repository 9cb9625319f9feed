package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	//lint:ignore SA1019 acmebot's keys are in it; it is only read
	"golang.org/x/crypto/blowfish"
	"golang.org/x/crypto/scrypt"
)

// What keys are written with. OWASP's cheat sheet on the storage of passwords
// asks for 600,000 rounds of PBKDF2 with HMAC-SHA-256, or for scrypt with one
// of five equal pairs of memory and repetition. Of these we take the one with
// 16 MiB: OpenSSL reads no key that needs 32 MiB or more.
const (
	saltSize   = 16
	iterations = 600_000
	scryptN    = 1 << 14
	scryptR    = 8
	scryptP    = 5
)

// What a key that we read may cost: some seconds, or 256 MiB. Whoever writes a
// key file could otherwise keep us busy for years.
const (
	maxIterations   = 10_000_000
	maxScryptMemory = 256 << 20
	maxScryptWork   = 1 << 23 // N * r * p
)

// Ciphers, key derivations and their hashes by object identifier: RFC 8018
// appendix B, RFC 7914 section 7, NIST's register of AES, Blowfish in its
// author's arc.
var (
	oidAES128CBC   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192CBC   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256CBC   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oidTripleDES   = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
	oidBlowfishCBC = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3029, 1, 2}

	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}

	oidHMACWithSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}
	oidHMACWithSHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
)

// cbc is a block cipher in CBC mode.
type cbc struct {
	block int // bytes of a block, and of the IV
	key   int // bytes of its key
	open  func(key []byte) (cipher.Block, error)
}

// cipherOf finds a cipher. Two are only read: 3DES, which OpenSSL wrote for
// long, and Blowfish, which is acmebot's default.
func cipherOf(oid asn1.ObjectIdentifier) (cbc, error) {
	switch {
	case oid.Equal(oidAES128CBC):
		return cbc{aes.BlockSize, 16, aes.NewCipher}, nil
	case oid.Equal(oidAES192CBC):
		return cbc{aes.BlockSize, 24, aes.NewCipher}, nil
	case oid.Equal(oidAES256CBC):
		return cbc{aes.BlockSize, 32, aes.NewCipher}, nil
	case oid.Equal(oidTripleDES):
		return cbc{des.BlockSize, 24, des.NewTripleDESCipher}, nil
	case oid.Equal(oidBlowfishCBC):
		return cbc{blowfish.BlockSize, 16, func(key []byte) (cipher.Block, error) { return blowfish.NewCipher(key) }}, nil
	}
	return cbc{}, unsupported("cipher", oid)
}

// pbkdf2Params is PBKDF2-params, RFC 8018 appendix A.2.
type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

// scryptParams is scrypt-params, RFC 7914 section 7.1.
type scryptParams struct {
	Salt      []byte
	N, R, P   int
	KeyLength int `asn1:"optional"`
}

// kdfParams describes a derivation as we write it.
func kdfParams(way KDF, salt []byte) (pkix.AlgorithmIdentifier, error) {
	switch way {
	case PBKDF2:
		hash := pkix.AlgorithmIdentifier{Algorithm: oidHMACWithSHA256, Parameters: asn1.NullRawValue}
		return algorithm(oidPBKDF2, pbkdf2Params{Salt: salt, Iterations: iterations, Hash: hash})
	case Scrypt:
		return algorithm(oidScrypt, scryptParams{Salt: salt, N: scryptN, R: scryptR, P: scryptP})
	}
	_, err := ParseKDF(string(way))
	return pkix.AlgorithmIdentifier{}, err
}

// derive makes the key of a cipher from a passphrase.
func derive(kdf pkix.AlgorithmIdentifier, passphrase []byte, with cbc) ([]byte, error) {
	damaged := errors.New("the parameters of its key derivation are damaged")
	switch {
	case kdf.Algorithm.Equal(oidPBKDF2):
		var params pbkdf2Params
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &params); err != nil {
			return nil, damaged
		}
		return params.derive(passphrase, with.key)
	case kdf.Algorithm.Equal(oidScrypt):
		var params scryptParams
		if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &params); err != nil {
			return nil, damaged
		}
		return params.derive(passphrase, with.key)
	}
	return nil, unsupported("key derivation", kdf.Algorithm)
}

func (p pbkdf2Params) derive(passphrase []byte, size int) ([]byte, error) {
	newHash, err := hashOf(p.Hash.Algorithm)
	if err != nil {
		return nil, err
	}
	if err := fits(p.KeyLength, size); err != nil {
		return nil, err
	}
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, fmt.Errorf("%d rounds of PBKDF2 are not between 1 and %d", p.Iterations, maxIterations)
	}
	return pbkdf2.Key(newHash, string(passphrase), p.Salt, p.Iterations, size)
}

func (p scryptParams) derive(passphrase []byte, size int) ([]byte, error) {
	if err := fits(p.KeyLength, size); err != nil {
		return nil, err
	}
	const most = 1 << 24 // of each alone, so that no product overflows
	if p.N < 2 || p.R < 1 || p.P < 1 || p.N > most || p.R > most || p.P > most ||
		128*p.N*p.R > maxScryptMemory || p.N*p.R > maxScryptWork/p.P {
		return nil, fmt.Errorf("scrypt with N=%d, r=%d, p=%d is damaged or costs too much", p.N, p.R, p.P)
	}
	secret, err := scrypt.Key(passphrase, p.Salt, p.N, p.R, p.P, size)
	if err != nil {
		return nil, fmt.Errorf("scrypt with N=%d, r=%d, p=%d: %w", p.N, p.R, p.P, err)
	}
	return secret, nil
}

// fits compares the length that a derivation names, which it need not, with
// what the cipher takes.
func fits(named, size int) error {
	if named != 0 && named != size {
		return fmt.Errorf("its cipher takes a key of %d bytes, its key derivation names %d", size, named)
	}
	return nil
}

// hashOf finds the hash of PBKDF2's HMAC. Where none is named it is SHA-1.
func hashOf(oid asn1.ObjectIdentifier) (func() hash.Hash, error) {
	switch {
	case len(oid) == 0, oid.Equal(oidHMACWithSHA1):
		return sha1.New, nil
	case oid.Equal(oidHMACWithSHA256):
		return sha256.New, nil
	case oid.Equal(oidHMACWithSHA384):
		return sha512.New384, nil
	case oid.Equal(oidHMACWithSHA512):
		return sha512.New, nil
	}
	return nil, unsupported("key derivation's hash", oid)
}
