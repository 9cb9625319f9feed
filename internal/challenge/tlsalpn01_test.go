package challenge

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

func mustAddr(t *testing.T, text string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tlsChallenge(id Identifier, keyAuthorization string) Challenge {
	return Challenge{Type: TypeTLSALPN01, Identifier: id, Token: "token", KeyAuthorization: keyAuthorization}
}

// shake makes a handshake as a CA would.
func shake(address, name string, protocols ...string) (tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{
		ServerName: name, NextProtos: protocols, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// check is RFC 8737 section 3: what a CA has to find.
func check(t *testing.T, state tls.ConnectionState, c Challenge) {
	t.Helper()
	if state.NegotiatedProtocol != "acme-tls/1" || len(state.PeerCertificates) != 1 {
		t.Fatalf("protocol %q, %d certificates", state.NegotiatedProtocol, len(state.PeerCertificates))
	}
	cert := state.PeerCertificates[0]
	if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		t.Errorf("it is not self-signed: %v", err)
	}
	if c.Identifier.IP {
		if len(cert.IPAddresses) != 1 || !cert.IPAddresses[0].Equal(net.ParseIP(c.Identifier.Value)) || len(cert.DNSNames) != 0 {
			t.Errorf("it is for %v and %v", cert.IPAddresses, cert.DNSNames)
		}
	} else if len(cert.DNSNames) != 1 || cert.DNSNames[0] != c.Identifier.Value || len(cert.IPAddresses) != 0 {
		t.Errorf("it is for %v and %v", cert.DNSNames, cert.IPAddresses)
	}
	digest := sha256.Sum256([]byte(c.KeyAuthorization))
	want := append([]byte{asn1.TagOctetString, sha256.Size}, digest[:]...)
	for _, extension := range cert.Extensions {
		if extension.Id.String() == "1.3.6.1.5.5.7.1.31" {
			if !extension.Critical || !bytes.Equal(extension.Value, want) {
				t.Errorf("critical %v, value %x, want %x", extension.Critical, extension.Value, want)
			}
			return
		}
	}
	t.Error("the acmeIdentifier extension is missing")
}

func TestTLSALPN01(t *testing.T) {
	address := servertest.FreeAddress(t)
	s := NewTLSALPN01(ListenOn(network.OS{}, address))
	for name, id := range map[string]Identifier{
		"www.example.test":       {Value: "www.example.test"},
		"1.2.0.192.in-addr.arpa": {Value: "192.0.2.1", IP: true},
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {Value: "2001:db8::1", IP: true},
	} {
		c := tlsChallenge(id, "one."+name)
		if err := s.Present(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		state, err := shake(address, name, "acme-tls/1")
		if err != nil {
			t.Fatal(err)
		}
		check(t, state, c)
		<-s.Asked(c)

		for what, err := range map[string]error{
			"no protocol":      second(shake(address, name)),
			"another protocol": second(shake(address, name, "h2", "http/1.1")),
			"another name":     second(shake(address, "other.example.test", "acme-tls/1")),
			"no name":          second(shake(address, "", "acme-tls/1")),
		} {
			if err == nil {
				t.Errorf("%s: %s was served", name, what)
			}
		}
		if err := s.CleanUp(t.Context(), c); err != nil {
			t.Error(err)
		}
		if accepts(t, address) {
			t.Error("the port is still bound")
		}
	}
}

func second(_ tls.ConnectionState, err error) error { return err }

// Two CAs ask for the same name at the same time: the newest is shown, and
// taking one away leaves the other.
func TestTLSALPN01SameName(t *testing.T) {
	address := servertest.FreeAddress(t)
	s := NewTLSALPN01(ListenOn(network.OS{}, address))
	id := Identifier{Value: "www.example.test"}
	one, two := tlsChallenge(id, "one"), tlsChallenge(id, "two")
	if err := errors.Join(s.Present(t.Context(), one), s.Present(t.Context(), two), s.Present(t.Context(), one)); err != nil {
		t.Fatal(err)
	}
	shown := func(want Challenge) {
		t.Helper()
		state, err := shake(address, "WWW.example.test", "acme-tls/1")
		if err != nil {
			t.Fatal(err)
		}
		check(t, state, want)
	}
	shown(two)
	if err := s.CleanUp(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	shown(one)
	if err := errors.Join(s.CleanUp(t.Context(), one), s.CleanUp(t.Context(), two)); err != nil {
		t.Fatal(err)
	}
	shown(one) // presented twice
	if err := s.CleanUp(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if accepts(t, address) {
		t.Error("the port is still bound")
	}
}

func TestTLSALPN01PortTaken(t *testing.T) {
	address := servertest.FreeAddress(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := NewTLSALPN01(ListenOn(network.OS{}, address))
	c := tlsChallenge(Identifier{Value: "www.example.test"}, "one")
	err = s.Present(t.Context(), c)
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodePortTaken {
		t.Errorf("got %v", err)
	}
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
	l.Close()
	if err := s.Present(t.Context(), c); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestProofCertificateParses(t *testing.T) {
	c := tlsChallenge(Identifier{Value: "www.example.test"}, "one")
	now := time.Now()
	certificate, err := proofCertificate(c, now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if !cert.NotBefore.Before(now) || !cert.NotAfter.After(now) || len(cert.UnhandledCriticalExtensions) != 1 {
		t.Errorf("valid from %v to %v, critical %v", cert.NotBefore, cert.NotAfter, cert.UnhandledCriticalExtensions)
	}
}
