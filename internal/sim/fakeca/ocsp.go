package fakeca

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

// statement is what the responder says of a certificate, until it signs
// another one.
type statement struct {
	der     []byte
	tag     string // ETag
	begin   time.Time
	revoked bool
}

// ocspPath is where the CA's responder is.
const ocspPath = "ocsp"

// answerOCSP is the CA's responder, RFC 6960 and RFC 5019: it signs with the
// CA's own key, and says the same for a quarter of the time in which that is
// believed.
func (c *CA) answerOCSP(w http.ResponseWriter, r *http.Request, now time.Time, id string) {
	header := w.Header()
	header.Set("Date", now.UTC().Format(http.TimeFormat))
	header.Set("Content-Type", "application/ocsp-response")
	question, err := base64.StdEncoding.DecodeString(id)
	if r.Method == http.MethodPost {
		question, err = io.ReadAll(io.LimitReader(r.Body, maxRequest))
	}
	if err != nil {
		_, _ = w.Write(ocsp.MalformedRequestErrorResponse)
		return
	}
	asked, err := ocsp.ParseRequest(question)
	if err != nil {
		_, _ = w.Write(ocsp.MalformedRequestErrorResponse)
		return
	}
	c.mu.Lock()
	said := c.statement(now, hex.EncodeToString(asked.SerialNumber.Bytes()))
	c.mu.Unlock()
	if said == nil {
		_, _ = w.Write(ocsp.UnauthorizedErrorResponse)
		return
	}
	header.Set("ETag", said.tag)
	header.Set("Last-Modified", said.begin.Format(http.TimeFormat))
	header.Set("Cache-Control", fmt.Sprintf("max-age=%d", max(0, said.begin.Add(c.opt.OCSPLife/4).Sub(now)/time.Second)))
	if r.Header.Get("If-None-Match") == said.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(said.der)
}

// statement is what the responder says of a certificate now, nil where it is
// not of this CA. The caller holds mu.
func (c *CA) statement(now time.Time, serial string) *statement {
	one := c.certs[serial]
	if one == nil {
		return nil
	}
	said, revoked := c.said[serial], !one.RevokedAt.IsZero()
	if said != nil && (now.Before(c.frozen) || said.revoked == revoked && now.Before(said.begin.Add(c.opt.OCSPLife/4))) {
		return said
	}
	begin := now.UTC().Truncate(time.Second)
	answer := ocsp.Response{SerialNumber: one.number, Status: ocsp.Good, ThisUpdate: begin, NextUpdate: begin.Add(c.opt.OCSPLife)}
	if revoked {
		answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, one.RevokedAt, one.Reason
	}
	der, err := ocsp.CreateResponse(c.inter, c.inter, answer, c.interKey)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(der)
	said = &statement{der: der, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, begin: begin, revoked: revoked}
	c.said[serial] = said
	return said
}
