package certkeep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/serve"
)

// TLSConfig is for servers: it shows each client the certificate of the name
// that it asks for, of the first of its key types that the client can use, with
// the OCSP response that is kept for it. A renewal is shown to the next client;
// none is turned away meanwhile. It answers tls-alpn-01 (RFC 8737).
//
// The caller may change what it returns; GetCertificate, and in NextProtos
// "acme-tls/1", are to stay.
func (k *Keeper) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1", challenge.Protocol},
		GetCertificate: k.certificate,
	}
}

// certificate is asked at each handshake. What is in memory is given at once.
func (k *Keeper) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if challenge.Asks(hello) {
		return k.proof(hello)
	}
	if certificate := k.shelf.Held(hello); certificate != nil && !k.left(hello.ServerName, certificate) {
		return certificate, nil
	}
	ctx, cancel := context.WithTimeout(hello.Context(), orDefault(k.options.Wait, DefaultWait))
	defer cancel()
	certificate, err := k.shelf.Get(ctx, hello)
	switch {
	case err == nil && k.left(hello.ServerName, certificate):
		if anew, err := k.demand.get(ctx, hello); err == nil {
			certificate = anew
		} // else the one that has ended is better than none
	case k.onDemand(hello.ServerName, err):
		certificate, err = k.demand.get(ctx, hello)
	}
	if cert, known := k.shelf.Named(hello.ServerName); known && errors.Is(err, serve.ErrNotYet) {
		return k.placeholders.show(cert, k.namesOf(cert))
	}
	if err != nil {
		return nil, fmt.Errorf("certkeep: %q: %w", hello.ServerName, err)
	}
	return certificate, nil
}

// onDemand reports whether a certificate that is not there may be had because
// somebody asks for it.
func (k *Keeper) onDemand(name string, err error) bool {
	if k.options.OnDemand == nil || name == "" {
		return false
	}
	return errors.Is(err, serve.ErrUnknown) || errors.Is(err, serve.ErrNotYet) && k.demand.has(name)
}

// left reports whether a certificate has ended that nobody wants any more,
// and another one may be had because somebody asks for it.
func (k *Keeper) left(name string, certificate *tls.Certificate) bool {
	if k.options.OnDemand == nil || name == "" || !ended(certificate) || k.demand.has(name) {
		return false
	}
	cert, _ := k.shelf.Named(name)
	return k.config.Load().Certificate(cert) == nil
}

// ended reports whether a certificate is valid no more.
func ended(c *tls.Certificate) bool { return time.Now().After(c.Leaf.NotAfter) }

// proof answers a CA that looks for a challenge of tls-alpn-01.
func (k *Keeper) proof(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if e := k.engine.Load(); e != nil {
		if certificate := e.AnswerTLS(hello); certificate != nil {
			return certificate, nil
		}
	}
	return nil, fmt.Errorf("certkeep: no challenge is pending for %q", hello.ServerName)
}
