package fakeca

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"time"
)

// revokeCert ends a certificate, for the account that ordered it or for
// whoever has its key (RFC 8555 section 7.6).
func (c *CA) revokeCert(rq *request) reply {
	var want struct {
		Certificate string `json:"certificate"`
		Reason      int    `json:"reason"`
	}
	if p := rq.read(&want); p != nil {
		return p.reply()
	}
	der, err := base64.RawURLEncoding.DecodeString(want.Certificate)
	if err != nil {
		return malformed("the certificate is no base64url: %v", err).reply()
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return malformed("the certificate cannot be read: %v", err).reply()
	}
	one := c.certs[hex.EncodeToString(parsed.SerialNumber.Bytes())]
	if one == nil || one.digestDER != sha256.Sum256(der) {
		return notFound("the certificate is not of this CA").reply()
	}
	if rq.account != nil && rq.account != one.account {
		return unauthorized("the certificate is another account's").reply()
	}
	if key, ok := parsed.PublicKey.(equaler); rq.account == nil && (!ok || !key.Equal(rq.key.key)) {
		return unauthorized("the request is not signed by the certificate's key").reply()
	}
	if !slices.Contains([]int{0, 1, 3, 4, 5}, want.Reason) {
		return (&problem{Type: "badRevocationReason", Status: http.StatusBadRequest, Detail: "the reason is not accepted"}).reply()
	}
	if !one.RevokedAt.IsZero() {
		return (&problem{Type: "alreadyRevoked", Status: http.StatusBadRequest, Detail: "the certificate is revoked already"}).reply()
	}
	one.revoke(rq.now, want.Reason)
	return reply{status: http.StatusOK}
}

// revoke ends a certificate and moves its window into the past: it should be
// replaced at once.
func (one *cert) revoke(now time.Time, reason int) {
	one.RevokedAt, one.Reason = now, reason
	one.window.start, one.window.end = now.Add(-2*time.Hour), now.Add(-time.Hour)
}
