package deploy

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// findings are the keys and certificates in the files of a target.
type findings struct {
	files int // that exist, and have to
	lacks int // that have to exist, and do not
	keys  []crypto.Signer
	certs []*x509.Certificate
	odd   []string // what could not be read, for people
	// closed are the paths of files that are no PEM. They are not opened: what
	// is in them, and how long that takes, is for others to say.
	closed []string
	blocks []string // of private keys, to read each once: a passphrase takes time
	taken  bool     // some of it is somebody's all the same: locked, closed, or not for our eyes
}

// gather reads all files of a target.
func gather(t Target) (findings, error) {
	s, err := t.shape(t.KeyTypes)
	if err != nil {
		return findings{}, err
	}
	var f findings
	for _, slot := range s.slots {
		path := slot.name
		data, _, err := read(path)
		switch {
		case missing(err) && !slot.optional():
			f.lacks++
			continue
		case missing(err):
			continue
		case !slot.optional():
			f.files++
		}
		if err != nil {
			f.odd, f.taken = append(f.odd, err.Error()), true
			continue
		}
		if slot.binary() {
			f.closed, f.taken = append(f.closed, path), true
			continue
		}
		f.add(path, data, []byte(t.Passphrase))
	}
	return f, nil
}

// add takes the keys and certificates out of a file. Text between PEM blocks
// is passed over: other tools comment their files.
func (f *findings) add(path string, data, passphrase []byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				f.odd = append(f.odd, fmt.Sprintf("read certificate in %s: %v", path, err))
				continue
			}
			if !slices.ContainsFunc(f.certs, cert.Equal) {
				f.certs = append(f.certs, cert)
			}
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			if slices.Contains(f.blocks, string(block.Bytes)) {
				continue
			}
			f.blocks = append(f.blocks, string(block.Bytes))
			key, err := keys.ParseWith(pem.EncodeToMemory(block), passphrase)
			if err != nil {
				_, locked := errors.AsType[*keys.EncryptedError](err)
				_, other := errors.AsType[*keys.PassphraseError](err)
				f.taken = f.taken || locked || other
				f.odd = append(f.odd, fmt.Sprintf("%s: %v", path, err))
				continue
			}
			f.keys = append(f.keys, key)
		}
	}
}

// Found reads what is at a target's paths, be it Certkeep's, another tool's
// folder of the same shape, or files of their own. It answers the pairs of the
// target's key types that may be taken over instead of ordering: valid at now,
// the key fitting, covering all names, and no placeholder. Where there is
// none, why says what was found instead; "" when no file is there at all. The
// content has no version yet.
func Found(t Target, names []string, now time.Time) (c Content, ok bool, why string) {
	f, err := gather(t)
	if err != nil {
		return Content{}, false, err.Error()
	}
	reasons := f.odd
	for _, keyType := range t.KeyTypes {
		pair, refused := f.pair(t, keyType, names, now)
		if pair.Leaf != nil {
			c.Pairs = append(c.Pairs, pair)
		} else {
			reasons = append(reasons, refused...)
		}
	}
	switch {
	case len(c.Pairs) > 0:
		return c, true, ""
	case f.files == 0:
		return Content{}, false, ""
	case len(reasons) == 0 && len(f.closed) > 0:
		reasons = []string{"only PEM files are taken over, not " + strings.Join(f.closed, ", ")}
	case len(reasons) == 0:
		reasons = []string{fmt.Sprintf("no certificate with a fitting key of type %s", strings.Join(t.KeyTypes, ", "))}
	}
	return Content{}, false, strings.Join(reasons, "; ")
}

// pair finds the best pair of a key type: the one that ends last.
func (f findings) pair(t Target, keyType string, names []string, now time.Time) (best Pair, refused []string) {
	var end time.Time
	for _, cert := range f.certs {
		kind, err := keys.TypeOf(cert.PublicKey)
		if err != nil || string(kind) != keyType {
			continue
		}
		key, ok := f.keyOf(t, cert)
		if !ok {
			continue // an intermediate, or a certificate without its key
		}
		whole := f.chainOf(cert)
		if err := adoptable(whole, names, now); err != nil {
			refused = append(refused, err.Error())
			continue
		}
		if cert.NotAfter.After(end) {
			end = cert.NotAfter
			best = Pair{KeyType: keyType, Key: key, Leaf: whole.LeafPEM(), Rest: whole.RestPEM()}
		}
	}
	return best, refused
}

// keyOf finds the private key of a certificate; nil and true where it is held
// elsewhere and the certificate is the CSR's.
func (f findings) keyOf(t Target, cert *x509.Certificate) (text []byte, ok bool) {
	if t.Public != nil {
		return nil, samePublic(t.Public, cert.PublicKey)
	}
	for _, key := range f.keys {
		if samePublic(key.Public(), cert.PublicKey) {
			text, err := keys.Marshal(key)
			return text, err == nil
		}
	}
	return nil, false
}

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// chainOf puts the found certificates behind a leaf, each signing the one
// before; roots stay away.
func (f findings) chainOf(leaf *x509.Certificate) chain.Chain {
	c := chain.Chain{Certs: []*x509.Certificate{leaf}}
	for len(c.Certs) < chain.MaxCertificates {
		last := c.Certs[len(c.Certs)-1]
		i := slices.IndexFunc(f.certs, func(next *x509.Certificate) bool {
			return !selfSigned(next) && !slices.ContainsFunc(c.Certs, next.Equal) && last.CheckSignatureFrom(next) == nil
		})
		if i < 0 {
			break
		}
		c.Certs = append(c.Certs, f.certs[i])
	}
	return c
}

// adoptable says why a certificate is not taken over, if it is not.
func adoptable(c chain.Chain, names []string, now time.Time) error {
	leaf := c.Leaf()
	switch {
	case isPlaceholder(leaf):
		return errors.New("the certificate is our placeholder")
	case selfSigned(leaf):
		return errors.New("the certificate signed itself")
	}
	return usable(c, names, now)
}

// usable says why a certificate cannot be served for names at now.
func usable(c chain.Chain, names []string, now time.Time) error {
	leaf := c.Leaf()
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate ended on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate begins only on %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	}
	return c.Check(leaf.PublicKey, names)
}

func selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer) &&
		cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}
