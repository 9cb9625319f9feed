package serve

import (
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// What is told from a client's lists alone is what crypto/tls says, which is
// asked wherever nothing is told. Servers allow TLS 1.2 and 1.3, or one of them.
func TestUsableAsCryptoTLSSays(t *testing.T) {
	t.Parallel()
	const seed = 1
	dice := rand.New(rand.NewPCG(seed, 0))
	schemes := []tls.SignatureScheme{
		tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.PSSWithSHA256, tls.PSSWithSHA512,
		tls.PKCS1WithSHA256, tls.PKCS1WithSHA1, tls.ECDSAWithSHA1, tls.Ed25519,
	}
	suites := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	}
	curves := []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519MLKEM768}
	told := map[[2]bool]int{}
	for _, kind := range []keys.Type{keys.ECDSAP256, keys.ECDSAP384, keys.RSA2048} {
		certificate := selfSigned(t, kind)
		u := usableFor(certificate.Leaf.PublicKey)
		for range 20_000 {
			hello := &tls.ClientHelloInfo{
				ServerName: "a.example", SignatureSchemes: some(dice, schemes), CipherSuites: some(dice, suites), SupportedCurves: some(dice, curves),
				SupportedPoints: some(dice, []uint8{0}), SupportedVersions: some(dice, []uint16{tls.VersionTLS13, tls.VersionTLS12}),
			}
			can, cannot := u.by(hello)
			told[[2]bool{can, cannot}]++
			for _, versions := range [][]uint16{hello.SupportedVersions, only(hello.SupportedVersions, tls.VersionTLS13), only(hello.SupportedVersions, tls.VersionTLS12)} {
				if len(versions) == 0 {
					continue
				}
				as := *hello
				as.SupportedVersions = versions
				if err := as.SupportsCertificate(certificate); can && err != nil || cannot && err == nil {
					t.Fatalf("%s: can %t, cannot %t, but %v: %+v", kind, can, cannot, err, as)
				}
			}
		}
	}
	if told[[2]bool{true, false}] < 100 || told[[2]bool{false, true}] < 100 {
		t.Errorf("told is %v", told)
	}
}

// some are a few of all, in any order.
func some[T any](dice *rand.Rand, all []T) []T {
	var few []T
	for _, i := range dice.Perm(len(all)) {
		if dice.IntN(2) == 0 {
			few = append(few, all[i])
		}
	}
	return few
}

func only(versions []uint16, version uint16) []uint16 {
	if slices.Contains(versions, version) {
		return []uint16{version}
	}
	return nil
}

func selfSigned(t *testing.T, kind keys.Type) *tls.Certificate {
	t.Helper()
	key, err := keys.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	text, err := chain.SelfSigned(key, []string{"a.example"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := chain.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{c.Leaf().Raw}, PrivateKey: key, Leaf: c.Leaf()}
}
