package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// errNotOpened says that what was decrypted is no private key.
var errNotOpened = errors.New("the passphrase does not fit")

// The scheme with two parts, a derivation and a cipher: RFC 8018 appendix A.4.
var oidPBES2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}

// encryptedKeyInfo is EncryptedPrivateKeyInfo, RFC 5958 section 3.
type encryptedKeyInfo struct {
	Scheme pkix.AlgorithmIdentifier
	Data   []byte
}

// pbes2Params is PBES2-params, RFC 8018 appendix A.4.
type pbes2Params struct {
	KDF    pkix.AlgorithmIdentifier
	Cipher pkix.AlgorithmIdentifier
}

// keyInfo is PrivateKeyInfo, RFC 5958 section 2, as far as every key has it.
type keyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

// decrypt opens an EncryptedPrivateKeyInfo. Where the passphrase does not fit
// its error is errNotOpened.
func decrypt(der, passphrase []byte) ([]byte, error) {
	var info encryptedKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errors.New("its encoding is damaged")
	}
	if !info.Scheme.Algorithm.Equal(oidPBES2) {
		return nil, unsupported("encryption", info.Scheme.Algorithm)
	}
	var params pbes2Params
	if _, err := asn1.Unmarshal(info.Scheme.Parameters.FullBytes, &params); err != nil {
		return nil, errors.New("the parameters of its encryption are damaged")
	}
	with, err := cipherOf(params.Cipher.Algorithm)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != with.block {
		return nil, errors.New("the parameters of its cipher are damaged")
	}
	if len(info.Data) == 0 || len(info.Data)%with.block != 0 {
		return nil, errors.New("its encrypted part is cut off")
	}
	secret, err := derive(params.KDF, passphrase, with)
	if err != nil {
		return nil, err
	}
	block, err := with.open(secret)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	return unpad(plain, with.block)
}

// unpad takes the padding off (RFC 8018 section 6.1.1) and sees whether a
// private key is left: any key, also of a kind that we do not read, so that a
// right passphrase is never called wrong.
func unpad(plain []byte, block int) ([]byte, error) {
	n := int(plain[len(plain)-1])
	if n < 1 || n > block || !bytes.Equal(plain[len(plain)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errNotOpened
	}
	plain = plain[:len(plain)-n]
	var info keyInfo
	if _, err := asn1.Unmarshal(plain, &info); err != nil {
		return nil, errNotOpened
	}
	return plain, nil
}

// isSequence reports whether der is one whole ASN.1 sequence.
func isSequence(der []byte) bool {
	var value asn1.RawValue
	rest, err := asn1.Unmarshal(der, &value)
	return err == nil && len(rest) == 0 && value.Tag == asn1.TagSequence && value.IsCompound
}

// encrypt is decrypt's counterpart, with AES-256 in CBC mode.
func encrypt(plain, passphrase []byte, way KDF) ([]byte, error) {
	with, err := cipherOf(oidAES256CBC)
	if err != nil {
		return nil, err
	}
	drawn, err := hkdf.Key(sha256.New, plain, nil, "certkeep encrypted private key "+string(way), saltSize+with.block)
	if err != nil {
		return nil, err
	}
	salt, iv := drawn[:saltSize], drawn[saltSize:]
	kdf, err := kdfParams(way, salt)
	if err != nil {
		return nil, err
	}
	secret, err := derive(kdf, passphrase, with)
	if err != nil {
		return nil, err
	}
	block, err := with.open(secret)
	if err != nil {
		return nil, err
	}
	n := with.block - len(plain)%with.block
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)

	withIV, err := algorithm(oidAES256CBC, iv)
	if err != nil {
		return nil, err
	}
	scheme, err := algorithm(oidPBES2, pbes2Params{KDF: kdf, Cipher: withIV})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedKeyInfo{Scheme: scheme, Data: data})
}

// algorithm names an algorithm with its parameters.
func algorithm(oid asn1.ObjectIdentifier, params any) (pkix.AlgorithmIdentifier, error) {
	der, err := asn1.Marshal(params)
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}, err
}

// unsupported says which algorithm we do not read, and how to change it.
func unsupported(what string, oid asn1.ObjectIdentifier) error {
	return fmt.Errorf("its %s (OID %s) is not supported; convert it, for example with: "+
		"openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW_KEY", what, oid)
}
