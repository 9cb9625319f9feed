package deploy

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// FromFiles finds the pair in what somebody else's files hold, by their paths:
// certificates and private keys in PEM, in any order. It is the certificate
// whose key is there too, of several the one that ends last. It has to be valid
// at now and to cover the names; one that signed itself is as good as any. The
// error says what does not fit, for people.
func FromFiles(files map[string][]byte, passphrase Password, names []string, now time.Time) (Pair, error) {
	var f findings
	for path, data := range files {
		f.add(path, data, []byte(passphrase))
	}
	leaf, key, err := f.leaf()
	if err != nil {
		return Pair{}, err
	}
	whole := f.chainOf(leaf)
	if isPlaceholder(leaf) {
		return Pair{}, errors.New("the certificate is our placeholder")
	}
	if err := usable(whole, names, now); err != nil {
		return Pair{}, err
	}
	kind, err := keys.TypeOf(leaf.PublicKey)
	if err != nil {
		return Pair{}, err
	}
	text, err := keys.Marshal(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{KeyType: string(kind), Key: text, Leaf: whole.LeafPEM(), Rest: whole.RestPEM()}, nil
}

// leaf is the certificate whose key was found.
func (f findings) leaf() (leaf *x509.Certificate, own crypto.Signer, err error) {
	for _, cert := range f.certs {
		for _, key := range f.keys {
			if samePublic(key.Public(), cert.PublicKey) && (leaf == nil || cert.NotAfter.After(leaf.NotAfter)) {
				leaf, own = cert, key
			}
		}
	}
	switch {
	case leaf != nil:
		return leaf, own, nil
	case len(f.odd) > 0:
		return nil, nil, errors.New(strings.Join(f.odd, "; "))
	case len(f.certs) == 0:
		return nil, nil, errors.New("no certificate is in it (PEM)")
	case len(f.keys) == 0:
		return nil, nil, errors.New("no private key is in it (PEM)")
	}
	fits := chain.Chain{Certs: f.certs}.Fits(f.keys[0].Public())
	return nil, nil, fmt.Errorf("the key does not fit: %w", fits)
}
