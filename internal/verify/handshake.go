package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/network"
)

// sight is what was seen of a service.
type sight struct {
	address string              // that took the connection; "" for none
	certs   []*x509.Certificate // presented, leaf first; also where the handshake failed later
	staple  []byte              // the OCSP response beside them
	err     error               // why there was no connection, or no complete handshake
}

// choose returns the chains that may be shown to a client asking for a key
// type, and the cipher suites by which TLS 1.2 asks for it: an RSA or an ECDSA
// key. Within one kind (rsa-2048 beside rsa-4096) the server decides alone, so
// any of them is right. Without a choice there are no suites, and every
// version of TLS will do.
func (w Want) choose(keyType string) (allowed []chain.Chain, suites []uint16) {
	for other, c := range w {
		if len(w) == 1 || keyType == "" || kind(other) == kind(keyType) {
			allowed = append(allowed, c)
		}
	}
	if len(w) > 1 && keyType != "" {
		suites = suitesOf(kind(keyType))
	}
	return allowed, suites
}

// chains are all that may be shown to a client that leaves the choice.
func (w Want) chains() []chain.Chain { return slices.Collect(maps.Values(w)) }

// kind is "rsa" or "ecdsa".
func kind(keyType string) string {
	k, _, _ := strings.Cut(keyType, "-")
	return k
}

// kindOf is the kind of a chain's key.
func kindOf(c chain.Chain) string {
	if c.Leaf().PublicKeyAlgorithm == x509.RSA {
		return "rsa"
	}
	return "ecdsa"
}

// suitesOf are the suites of TLS 1.2 in which the server signs with that kind
// of key. In TLS 1.3 the signature algorithms decide: look13.
func suitesOf(kind string) []uint16 {
	if kind == "rsa" {
		return []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		}
	}
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	}
}

func allSuites() []uint16 { return slices.Concat(suitesOf("ecdsa"), suitesOf("rsa")) }

// look makes one handshake. Suites limit it to TLS 1.2.
func (e Endpoint) look(ctx context.Context, suites []uint16) sight {
	return e.connect(ctx, func(conn net.Conn, seen *sight) error {
		config := e.client(func(certs []*x509.Certificate) error {
			seen.certs = certs
			return nil
		})
		if suites != nil {
			config.MinVersion, config.MaxVersion, config.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, suites
		}
		client := tls.Client(conn, config)
		if err := client.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		if len(seen.certs) == 0 {
			return errors.New("it presented no certificate")
		}
		seen.staple = client.OCSPResponse()
		goodbye(client, e.StartTLS)
		return nil
	})
}

// client is one that gives what is presented to a function, whose error ends
// the handshake.
func (e Endpoint) client(presented func(certs []*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		ServerName:         e.ServerName,
		InsecureSkipVerify: true,             // compared with what we hold, which is stricter
		MinVersion:         tls.VersionTLS10, // old services too have to show the right one
		VerifyConnection:   func(state tls.ConnectionState) error { return presented(state.PeerCertificates) },
	}
}

// look13 makes one handshake of TLS 1.3 in which only one kind of key will do.
func (e Endpoint) look13(ctx context.Context, kind string) sight {
	return e.connect(ctx, func(conn net.Conn, seen *sight) (err error) {
		seen.certs, err = shake13(conn, e, kind)
		if err != nil {
			return fmt.Errorf("TLS 1.3 handshake: %w", err)
		}
		return nil
	})
}

// connect connects, asks for TLS, and leaves the rest to shake.
func (e Endpoint) connect(ctx context.Context, shake func(conn net.Conn, seen *sight) error) sight {
	conn, address, err := e.dial(ctx)
	if err != nil {
		return sight{err: err}
	}
	defer conn.Close()
	seen := sight{address: address}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			seen.err = err
			return seen
		}
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })() // ends a read when ctx is canceled
	if err := startTLS(conn, e.StartTLS, e.ServerName); err != nil {
		seen.err = fmt.Errorf("ask for TLS: %w", err)
		return seen
	}
	seen.err = shake(conn, &seen)
	return seen
}

// dial connects to the first address that takes it.
func (e Endpoint) dial(ctx context.Context) (net.Conn, string, error) {
	var first error
	way := e.Network
	if way == nil {
		way = network.OS{}
	}
	for _, address := range e.Addresses {
		limited, cancel := context.WithTimeout(ctx, dialTime)
		conn, err := way.DialContext(limited, "tcp", address)
		cancel()
		if err == nil {
			return conn, address, nil
		}
		if first == nil || absent(first) && !absent(err) {
			first = err // that something hangs says more than that nobody is there
		}
	}
	if first == nil {
		first = errors.New("no address to connect to")
	}
	return nil, "", first
}
