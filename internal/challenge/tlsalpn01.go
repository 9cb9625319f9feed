package challenge

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

const (
	alpnProtocol  = "acme-tls/1" // RFC 8737 section 6.2
	handshakeTime = 10 * time.Second
)

// TLSALPN01 answers tls-alpn-01 by a listener of its own. Make one per address.
type TLSALPN01 struct {
	door door

	mu   sync.Mutex
	shop map[string][]*proof // by server name; the newest is shown
}

// proof is the certificate that answers one challenge.
type proof struct {
	keyAuthorization string
	certificate      tls.Certificate
	users            int
	asked            chan struct{}
	once             sync.Once // closes asked
}

// NewTLSALPN01 answers on what listen opens; nothing is opened yet.
func NewTLSALPN01(listen Listen) *TLSALPN01 {
	s := &TLSALPN01{shop: make(map[string][]*proof)}
	s.door = door{listen: listen, serve: s.serve}
	return s
}

// Type implements Solver.
func (s *TLSALPN01) Type() string { return TypeTLSALPN01 }

// Present implements Solver. The first one opens the listener.
func (s *TLSALPN01) Present(ctx context.Context, c Challenge) error {
	if err := checkHost(c); err != nil {
		return err
	}
	op := fmt.Sprintf("answer tls-alpn-01 for %s", c.Identifier.Value)
	name, err := serverName(c.Identifier)
	if err != nil {
		return failed(op, plan.CodeChallenge, err, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(name, c.KeyAuthorization); p != nil {
		p.users++
		return nil
	}
	certificate, err := proofCertificate(c, time.Now())
	if err != nil {
		return failed(op, plan.CodeUnexpected, err, "")
	}
	if err := s.door.enter(ctx); err != nil {
		return err
	}
	s.shop[name] = append(s.shop[name], &proof{
		keyAuthorization: c.KeyAuthorization, certificate: certificate, users: 1, asked: make(chan struct{}),
	})
	return nil
}

// CleanUp implements Solver. The last one closes the listener.
func (s *TLSALPN01) CleanUp(_ context.Context, c Challenge) error {
	name, err := serverName(c.Identifier)
	if err != nil {
		return failed("clean up tls-alpn-01", plan.CodeChallenge, err, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(name, c.KeyAuthorization)
	if p == nil {
		return nil
	}
	if p.users--; p.users > 0 {
		return nil
	}
	s.shop[name] = slices.DeleteFunc(s.shop[name], func(other *proof) bool { return other == p })
	if len(s.shop[name]) == 0 {
		delete(s.shop, name)
	}
	if err := s.door.leave(); err != nil {
		return failed("close the listener of tls-alpn-01", plan.CodeChallenge, err, "")
	}
	return nil
}

// Asked implements Asker. It is nil, which never is ready, for what is not
// presented.
func (s *TLSALPN01) Asked(c Challenge) <-chan struct{} {
	name, err := serverName(c.Identifier)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(name, c.KeyAuthorization); p != nil {
		return p.asked
	}
	return nil
}

// find returns the proof of a challenge; s.mu is held.
func (s *TLSALPN01) find(name, keyAuthorization string) *proof {
	for _, p := range s.shop[name] {
		if p.keyAuthorization == keyAuthorization {
			return p
		}
	}
	return nil
}

// serve answers connections until the listener is closed.
func (s *TLSALPN01) serve(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			go s.handle(conn)
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(50 * time.Millisecond) // it passes; until then accepting fails at once
		default:
			listener.Close()
			return err
		}
	}
}

// handle makes one handshake. No application data follows, RFC 8737 section 3.
func (s *TLSALPN01) handle(conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	var shown *proof
	server := tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, // RFC 8737 section 3
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			shown = s.choose(hello)
			if shown == nil {
				return nil, errNotForUs
			}
			return &tls.Config{
				MinVersion:             tls.VersionTLS12,
				NextProtos:             []string{alpnProtocol},
				Certificates:           []tls.Certificate{shown.certificate},
				SessionTicketsDisabled: true,
			}, nil
		},
	})
	if err := server.HandshakeContext(ctx); err != nil {
		return // a stranger, or a CA that will tell its reasons in the challenge's error
	}
	shown.once.Do(func() { close(shown.asked) })
	_ = server.CloseWrite() // a goodbye; who does not wait for it loses nothing
}

var errNotForUs = errors.New("no tls-alpn-01 challenge is pending for this name")

// choose returns the proof that a hello asks for, or nil.
func (s *TLSALPN01) choose(hello *tls.ClientHelloInfo) *proof {
	if !slices.Contains(hello.SupportedProtos, alpnProtocol) {
		return nil // an ordinary visitor: must never see such a certificate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	proofs := s.shop[strings.ToLower(hello.ServerName)]
	if len(proofs) == 0 {
		return nil
	}
	return proofs[len(proofs)-1]
}

// idPeACMEIdentifier is the extension of RFC 8737 section 6.1.
func idPeACMEIdentifier() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}
}

// proofCertificate makes the certificate of RFC 8737 section 3: self-signed,
// for exactly one name, the digest of the key authorization in an extension.
func proofCertificate(c Challenge, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	digest := sha256.Sum256([]byte(c.KeyAuthorization))
	value, err := asn1.Marshal(digest[:])
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:    serial,
		Subject:         pkix.Name{CommonName: "ACME challenge"},
		NotBefore:       now.Add(-24 * time.Hour),
		NotAfter:        now.Add(7 * 24 * time.Hour),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		ExtraExtensions: []pkix.Extension{{Id: idPeACMEIdentifier(), Critical: true, Value: value}},
	}
	if c.Identifier.IP {
		ip, err := netip.ParseAddr(c.Identifier.Value)
		if err != nil {
			return tls.Certificate{}, err
		}
		template.IPAddresses = []net.IP{ip.AsSlice()}
	} else {
		template.DNSNames = []string{c.Identifier.Value}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the challenge's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// serverName is the name by which a CA asks: for an IP address, its name in
// the reverse zone (RFC 8738 section 6).
func serverName(id Identifier) (string, error) {
	if !id.IP {
		return strings.ToLower(id.Value), nil
	}
	ip, err := netip.ParseAddr(id.Value)
	if err != nil {
		return "", err
	}
	raw := ip.Unmap().AsSlice()
	slices.Reverse(raw)
	var labels []string
	if len(raw) == net.IPv4len {
		for _, b := range raw {
			labels = append(labels, strconv.Itoa(int(b)))
		}
		return strings.Join(labels, ".") + ".in-addr.arpa", nil
	}
	for _, b := range raw {
		labels = append(labels, fmt.Sprintf("%x.%x", b&0xf, b>>4))
	}
	return strings.Join(labels, ".") + ".ip6.arpa", nil
}
