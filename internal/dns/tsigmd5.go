package dns

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// hmacMD5 is an algorithm that RFC 8945 section 6 says must not be used. BIND
// still takes it, and acmebot's users were told to make such keys.
const hmacMD5 = "hmac-md5.sig-alg.reg.int."

// Weak says what speaks against the key, and what to do; "" where nothing does.
func (k TSIG) Weak() (words, hint string) {
	if k.algorithm != hmacMD5 {
		return "", ""
	}
	return "the TSIG key " + k.String() + " is of an algorithm that must not be used any more (RFC 8945 section 6)",
		"make another with tsig-keygen -a hmac-sha256, and give it to the name server too"
}

// md5Signer signs with HMAC-MD5, which the DNS library has dropped.
type md5Signer struct{ key TSIG }

// Generate implements dns.TsigProvider.
func (s md5Signer) Generate(msg []byte, t *dns.TSIG) ([]byte, error) {
	if dns.CanonicalName(t.Hdr.Name) != s.key.name {
		return nil, dns.ErrSecret
	}
	if dns.CanonicalName(t.Algorithm) != hmacMD5 {
		return nil, dns.ErrKeyAlg
	}
	secret, err := base64.StdEncoding.DecodeString(s.key.secret)
	if err != nil {
		return nil, err
	}
	h := hmac.New(md5.New, secret)
	h.Write(msg)
	return h.Sum(nil), nil
}

// Verify implements dns.TsigProvider.
func (s md5Signer) Verify(msg []byte, t *dns.TSIG) error {
	want, err := s.Generate(msg, t)
	if err != nil {
		return err
	}
	if !hmac.Equal(fmt.Appendf(nil, "%x", want), []byte(strings.ToLower(t.MAC))) {
		return dns.ErrSig
	}
	return nil
}
