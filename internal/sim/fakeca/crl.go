package fakeca

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"time"
)

// list is the revocation list that was signed last.
type list struct {
	der     []byte
	number  int64
	begin   time.Time
	revoked int // certificates in it
}

// crlPath is where the CA's revocation list is.
const crlPath = "crl"

// answerCRL hands out the list of certificates that the CA revoked, RFC 5280
// section 5: signed with the CA's own key, anew for each revocation, and after a
// quarter of the time in which it is believed.
func (c *CA) answerCRL(w http.ResponseWriter, now time.Time) {
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	c.mu.Lock()
	l := c.revocations(now)
	c.mu.Unlock()
	if l == nil {
		http.Error(w, "the list cannot be signed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(l.der)
}

// revocations is the list as it is handed out now. The caller holds mu.
func (c *CA) revocations(now time.Time) *list {
	if c.list != nil && now.Before(c.frozen) {
		return c.list
	}
	var entries []x509.RevocationListEntry
	for _, one := range c.issued {
		if !one.RevokedAt.IsZero() && one.NotAfter.After(now) {
			entries = append(entries, x509.RevocationListEntry{SerialNumber: one.number, RevocationTime: one.RevokedAt, ReasonCode: one.Reason})
		}
	}
	fresh := &list{number: 1, begin: now.UTC().Truncate(time.Second), revoked: len(entries)}
	if c.list != nil {
		if c.list.revoked == fresh.revoked && now.Before(c.list.begin.Add(c.opt.CRLLife/4)) {
			return c.list
		}
		fresh.number = c.list.number + 1
	}
	var err error
	fresh.der, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(fresh.number), ThisUpdate: fresh.begin, NextUpdate: fresh.begin.Add(c.opt.CRLLife), RevokedCertificateEntries: entries,
	}, c.inter, c.interKey)
	if err != nil {
		return nil
	}
	c.list = fresh
	return fresh
}
