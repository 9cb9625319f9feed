package certkeep

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
)

// placeholderLife is how long a placeholder is valid.
const placeholderLife = 14 * 24 * time.Hour

// placeholders are certificates that sign themselves, for names whose first
// certificate is on its way: the handshake succeeds with whoever does not look
// closely, and HTTPHandler answers 503. There is one for each certificate, not
// for each name: strangers make up names under a wildcard without end.
type placeholders struct {
	mu   sync.Mutex // guards what follows
	key  *ecdsa.PrivateKey
	made map[string]placeholder // by the certificate, as the config names it
}

type placeholder struct {
	names []string
	tls   *tls.Certificate
}

// show returns the placeholder of a certificate with names.
func (p *placeholders) show(cert string, names []string) (*tls.Certificate, error) {
	if len(names) == 0 {
		return nil, errors.New("certkeep: the certificate is not there yet")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if is := p.made[cert]; is.tls != nil && now.Before(is.tls.Leaf.NotAfter) && slices.Equal(is.names, names) {
		return is.tls, nil
	}
	if p.key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("certkeep: make the key of placeholders: %w", err)
		}
		p.key, p.made = key, map[string]placeholder{}
	}
	text, err := chain.SelfSigned(p.key, names, now, placeholderLife)
	if err != nil {
		return nil, fmt.Errorf("certkeep: make a placeholder: %w", err)
	}
	parsed, err := chain.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("certkeep: make a placeholder: %w", err)
	}
	block, _ := pem.Decode(text)
	c := &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p.key, Leaf: parsed.Leaf()}
	p.made[cert] = placeholder{names: names, tls: c}
	return c, nil
}
