package certkeep

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
)

// placeholderLife is how long a placeholder is valid.
const placeholderLife = 14 * 24 * time.Hour

// placeholders are certificates that sign themselves, for names whose first
// certificate is on its way: the handshake succeeds with whoever does not look
// closely, and HTTPHandler answers 503.
type placeholders struct {
	mu    sync.Mutex // guards what follows
	key   *ecdsa.PrivateKey
	named map[string]*tls.Certificate // names are those that the config declares
}

// show returns the placeholder of a name.
func (p *placeholders) show(name string) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	if name == "" {
		return nil, errors.New("certkeep: the certificate is not there yet")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if c := p.named[name]; c != nil && now.Before(c.Leaf.NotAfter) {
		return c, nil
	}
	if p.key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("certkeep: make the key of placeholders: %w", err)
		}
		p.key, p.named = key, map[string]*tls.Certificate{}
	}
	text, err := chain.SelfSigned(p.key, []string{name}, now, placeholderLife)
	if err != nil {
		return nil, fmt.Errorf("certkeep: make a placeholder: %w", err)
	}
	parsed, err := chain.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("certkeep: make a placeholder: %w", err)
	}
	block, _ := pem.Decode(text)
	c := &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p.key, Leaf: parsed.Leaf()}
	p.named[name] = c
	return c, nil
}
