package verify

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Extensions, RFC 8446 section 4.2.
const (
	extServerName     = 0
	extGroups         = 10
	extSignatures     = 13
	extVersions       = 43
	extSignaturesCert = 50
	extKeyShare       = 51
)

// offer is our first message and what is kept for the answer to it.
type offer struct {
	message   []byte // with its head
	sessionID []byte
	shares    map[tls.CurveID]*ecdh.PrivateKey
}

// groups are those for which a key goes out at once, so that a server need not
// ask again.
func groups() ([]tls.CurveID, map[tls.CurveID]ecdh.Curve) {
	return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		map[tls.CurveID]ecdh.Curve{tls.X25519: ecdh.X25519(), tls.CurveP256: ecdh.P256(), tls.CurveP384: ecdh.P384(), tls.CurveP521: ecdh.P521()}
}

// newOffer writes a ClientHello, RFC 8446 section 4.1.2, of a client that
// verifies the signatures of one kind of key.
func newOffer(name, kind string) (*offer, error) {
	o := &offer{sessionID: make([]byte, 32), shares: make(map[tls.CurveID]*ecdh.PrivateKey)}
	random := make([]byte, 32)
	_, _ = rand.Read(random)      // never fails (Go 1.24)
	_, _ = rand.Read(o.sessionID) // for what stands in between: RFC 8446 appendix D.4
	order, curves := groups()
	for _, group := range order {
		key, err := curves[group].GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		o.shares[group] = key
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(1)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(tls.VersionTLS12)
		b.AddBytes(random)
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(o.sessionID) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range suites13() {
				b.AddUint16(s.id)
			}
		})
		b.AddBytes([]byte{1, 0}) // no compression
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { o.extensions(b, name, kind) })
	})
	var err error
	o.message, err = b.Bytes()
	return o, err
}

func (o *offer) extensions(b *cryptobyte.Builder, name, kind string) {
	add := func(id uint16, contents func(b *cryptobyte.Builder)) {
		b.AddUint16(id)
		b.AddUint16LengthPrefixed(contents)
	}
	if _, err := netip.ParseAddr(name); err != nil && name != "" {
		add(extServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // a host name, RFC 6066 section 3
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.TrimSuffix(name, "."))) })
			})
		})
	}
	order, _ := groups()
	add(extGroups, list(order))
	add(extSignatures, list(schemesOf(kind)))
	// How the CA signed makes no difference.
	add(extSignaturesCert, list(slices.Concat(schemesOf("ecdsa"), schemesOf("rsa"), []tls.SignatureScheme{tls.Ed25519, tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512})))
	add(extVersions, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(tls.VersionTLS13) })
	})
	add(extKeyShare, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, group := range order {
				b.AddUint16(uint16(group))
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(o.shares[group].PublicKey().Bytes()) })
			}
		})
	})
}

// list is a list of two-byte numbers.
func list[T ~uint16](numbers []T) func(b *cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, n := range numbers {
				b.AddUint16(uint16(n))
			}
		})
	}
}

// answered reads a ServerHello, RFC 8446 section 4.1.3, and returns what both
// sides know then. A server that asks us to try again, for a group that we have
// not got, names none of ours: section 4.1.4.
func (o *offer) answered(body []byte) (suite13, []byte, error) {
	malformed := errors.New("its answer is malformed")
	var (
		version, id         uint16
		session, extensions cryptobyte.String
		compression         uint8
	)
	s := cryptobyte.String(body)
	if !s.ReadUint16(&version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&session) || !s.ReadUint16(&id) || !s.ReadUint8(&compression) {
		return suite13{}, nil, malformed
	}
	if s.Empty() {
		return suite13{}, nil, errNoTLS13
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() || compression != 0 {
		return suite13{}, nil, malformed
	}
	var chosen uint16
	var group tls.CurveID
	var share []byte
	for !extensions.Empty() {
		var ext uint16
		var contents, public cryptobyte.String
		if !extensions.ReadUint16(&ext) || !extensions.ReadUint16LengthPrefixed(&contents) {
			return suite13{}, nil, malformed
		}
		switch {
		case ext == extVersions && contents.ReadUint16(&chosen):
		case ext == extKeyShare && contents.ReadUint16((*uint16)(&group)) && contents.ReadUint16LengthPrefixed(&public):
			share = public
		}
	}
	if chosen != tls.VersionTLS13 || version != tls.VersionTLS12 {
		return suite13{}, nil, errNoTLS13
	}
	i := slices.IndexFunc(suites13(), func(s suite13) bool { return s.id == id })
	key := o.shares[group]
	if i < 0 || key == nil || len(share) == 0 || string(session) != string(o.sessionID) {
		return suite13{}, nil, fmt.Errorf("%w: it wants another group or suite", errNoTLS13)
	}
	public, err := key.Curve().NewPublicKey(share)
	if err != nil {
		return suite13{}, nil, malformed
	}
	secret, err := key.ECDH(public)
	return suites13()[i], secret, err
}

// parseCertificates reads a Certificate message, RFC 8446 section 4.4.2.
func parseCertificates(body []byte) ([]*x509.Certificate, error) {
	var context, list cryptobyte.String
	s := cryptobyte.String(body)
	if !s.ReadUint8LengthPrefixed(&context) || !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, errors.New("its certificates are malformed")
	}
	var certs []*x509.Certificate
	for !list.Empty() {
		var der, extensions cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || !list.ReadUint16LengthPrefixed(&extensions) {
			return nil, errors.New("its certificates are malformed")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read its certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("it presented no certificate")
	}
	return certs, nil
}
