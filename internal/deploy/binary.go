package deploy

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/keystore"
)

// The parts that are no PEM. Each is a file by itself.
const (
	PartPKCS12         Part = Part(keystore.FormatPKCS12)
	PartPKCS12Legacy   Part = Part(keystore.FormatPKCS12Legacy)
	PartJKS            Part = Part(keystore.FormatJKS)
	PartDERKey         Part = "der-key"
	PartDERCertificate Part = "der-certificate"
)

// Password opens a key store or a private key. It is not printed.
type Password string

// String hides it.
func (Password) String() string { return "(password)" }

// GoString hides it.
func (Password) GoString() string { return "(password)" }

// secret reports whether a part holds a private key.
func (p Part) secret() bool { return p == PartKey || p.otherKey() || p == PartDERKey || p.keystore() }

// keystore reports whether a part is a file under a password.
func (p Part) keystore() bool { return slices.Contains(keystore.Formats(), keystore.Format(p)) }

// binary reports whether the file is no PEM: what lies there cannot be adopted.
func (s slot) binary() bool {
	return len(s.parts) == 1 && (s.parts[0].keystore() || s.parts[0] == PartDERKey || s.parts[0] == PartDERCertificate)
}

// content makes the file of a slot.
func (s slot) content(p Pair, t Target) ([]byte, error) {
	if p.Params != nil {
		t.Params = *p.Params
	}
	if !s.binary() {
		return p.render(s.parts, t.Params)
	}
	part := s.parts[0]
	switch {
	case part == PartDERCertificate:
		return keystore.DER(p.Leaf)
	case p.Key == nil:
		return nil, errNoKey
	case part == PartDERKey:
		return keystore.DER(p.key())
	}
	entry, err := p.entry(cmp.Or(p.Cert, t.Cert))
	if err != nil {
		return nil, err
	}
	return entry.Encode(keystore.Format(part), string(s.password))
}

// entry is the pair as key stores take it.
func (p Pair) entry(alias string) (keystore.Entry, error) {
	key, err := keys.Parse(p.Key)
	if err != nil {
		return keystore.Entry{}, err
	}
	whole, err := chain.Parse(slices.Concat(bytes.TrimSpace(p.Leaf), []byte("\n"), p.Rest))
	if err != nil {
		return keystore.Entry{}, err
	}
	return keystore.Entry{Key: key, Chain: whole.Certs, Alias: alias}, nil
}

// checkParts refuses what cannot be one file.
func (f File) checkParts() error {
	for _, part := range f.Content {
		one := slot{parts: []Part{part}}
		switch {
		case one.binary() && len(f.Content) > 1:
			return fmt.Errorf("%s: %s is a file by itself", f.Path, part)
		case part.keystore() && f.Password == "":
			return fmt.Errorf("%s: %s wants a password", f.Path, part)
		}
	}
	return nil
}
