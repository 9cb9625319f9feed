package serve

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"slices"
)

// usable says whether a client can use certificates of a kind of key, as far as
// that can be told from its lists alone, whatever version of TLS (1.2 or 1.3) comes of it.
// crypto/tls can always tell, and allocates for it at every handshake.
type usable struct {
	schemes []tls.SignatureScheme // by which a handshake of either version may be signed
	family  []tls.SignatureScheme // any at all of this kind
	curve   tls.CurveID           // of the key; 0 for RSA
	suites  []uint16              // of TLS 1.2 that sign by such a key
}

// usableFor is that of a key; it tells nothing of kinds that it does not know.
func usableFor(key crypto.PublicKey) usable {
	ecdsaFamily := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.ECDSAWithSHA1}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		u := usable{family: ecdsaFamily, suites: suitesNamed("ECDHE_ECDSA")}
		switch key.Curve {
		case elliptic.P256():
			u.curve, u.schemes = tls.CurveP256, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
		case elliptic.P384():
			u.curve, u.schemes = tls.CurveP384, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}
		case elliptic.P521():
			u.curve, u.schemes = tls.CurveP521, []tls.SignatureScheme{tls.ECDSAWithP521AndSHA512}
		}
		return u
	case *rsa.PublicKey:
		return usable{
			schemes: []tls.SignatureScheme{tls.PSSWithSHA256}, // keys of any size that is issued can
			family: []tls.SignatureScheme{
				tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
				tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512, tls.PKCS1WithSHA1,
			},
			suites: suitesNamed("ECDHE_RSA"),
		}
	}
	return usable{}
}

// suitesNamed are cipher suites of TLS 1.2 that are offered unasked.
func suitesNamed(exchange string) []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		if len(suite.Name) > 4+len(exchange) && suite.Name[4:4+len(exchange)] == exchange {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// by reports whether the client surely can, and whether it surely cannot. It is
// neither where it depends on more than its lists.
func (u usable) by(hello *tls.ClientHelloInfo) (can, cannot bool) {
	if len(hello.SignatureSchemes) > 0 && len(u.family) > 0 && !overlap(hello.SignatureSchemes, u.family) {
		return false, true
	}
	if !overlap(hello.SignatureSchemes, u.schemes) || !slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return false, false
	}
	if !slices.Contains(hello.SupportedVersions, tls.VersionTLS12) {
		return true, false
	}
	exchanges := []tls.CurveID{tls.X25519, tls.CurveP256}
	return overlap(hello.CipherSuites, u.suites) && overlap(hello.SupportedCurves, exchanges) &&
		slices.Contains(hello.SupportedPoints, 0) && (u.curve == 0 || slices.Contains(hello.SupportedCurves, u.curve)), false
}

func overlap[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}
