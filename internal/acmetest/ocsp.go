package acmetest

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Responder answers questions about the certificates of a CA by OCSP (RFC
// 6960), with the CA's own key.
type Responder struct {
	ca     *CA
	server *http.Server
	url    string

	mu      sync.Mutex // guards what follows
	status  int        // of HTTP, instead of an answer; 0 answers
	silent  bool       // waits until whoever asks gives up
	revoked bool       // says so of every certificate that was asked about before it was set
	reason  int
	life    time.Duration
	said    map[string]statement // by serial
	asked   []Asked
	made    int // statements so far
}

// Asked is a question that a Responder was asked.
type Asked struct {
	Serial      string
	Conditional bool // answered only where something changed
	Same        bool // nothing had
}

// statement is what was said of a certificate.
type statement struct {
	der  []byte
	etag string
}

// newResponder starts a responder. It can answer once the CA runs.
func newResponder(ca *CA) (*Responder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the OCSP responder: %w", err)
	}
	r := &Responder{ca: ca, url: "http://" + listener.Addr().String(), life: 7 * 24 * time.Hour, said: map[string]statement{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// URL is where the responder answers.
func (r *Responder) URL() string { return r.url }

// Fail has it answer with a status of HTTP instead; 0 ends that. With 429 it
// asks to be left alone for an hour.
func (r *Responder) Fail(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// Hang has it answer nobody, or again.
func (r *Responder) Hang(silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = silent
}

// Revoke has it say of all certificates that it was asked about so far that
// they are revoked, for a reason of RFC 5280 section 5.3.1.
func (r *Responder) Revoke(reason int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked, r.reason = true, reason
	for serial := range r.said {
		r.said[serial] = statement{}
	}
}

// Renew has it make new statements, that live for so long. The first moment of
// each is now, to the second.
func (r *Responder) Renew(life time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life = life
	clear(r.said)
}

// Asked is what it was asked so far.
func (r *Responder) Asked() []Asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Asked(nil), r.asked...)
}

// ServeHTTP answers a question.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	question, err := readQuestion(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent {
		r.mu.Unlock()
		<-req.Context().Done()
		r.mu.Lock()
		return
	}
	if r.status != 0 {
		if r.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "3600")
		}
		http.Error(w, "no", r.status)
		return
	}
	said, err := r.say(req.Context(), question)
	if err != nil {
		fmt.Fprintln(r.ca.log, "OCSP responder:", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	given := req.Header.Get("If-None-Match")
	asked := Asked{Serial: question.SerialNumber.Text(16), Conditional: given != "", Same: given == said.etag}
	r.asked = append(r.asked, asked)
	w.Header().Set("ETag", said.etag)
	if asked.Same {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(said.der)
}

// readQuestion reads a request as RFC 6960 appendix A.1 has it.
func readQuestion(req *http.Request) (*ocsp.Request, error) {
	var der []byte
	var err error
	if req.Method == http.MethodGet {
		var text string
		text, err = url.PathUnescape(strings.TrimPrefix(req.URL.EscapedPath(), "/"))
		if err == nil {
			der, err = base64.StdEncoding.DecodeString(text)
		}
	} else {
		der, err = io.ReadAll(io.LimitReader(req.Body, 64<<10))
	}
	if err != nil {
		return nil, err
	}
	return ocsp.ParseRequest(der)
}

// say is what is said of a certificate, the same until it is renewed.
func (r *Responder) say(ctx context.Context, question *ocsp.Request) (statement, error) {
	serial := question.SerialNumber.Text(16)
	known, asked := r.said[serial]
	if known.der != nil {
		return known, nil
	}
	issuer, key, err := r.ca.intermediate(ctx)
	if err != nil {
		return statement{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(r.life)}
	if r.revoked && asked {
		template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, now, r.reason
	}
	der, err := ocsp.CreateResponse(issuer, issuer, template, key)
	if err != nil {
		return statement{}, err
	}
	r.made++
	r.said[serial] = statement{der: der, etag: fmt.Sprintf(`"%s-%d"`, serial, r.made)}
	return r.said[serial], nil
}

// intermediate is the certificate that signs those of subscribers, and its key.
func (ca *CA) intermediate(ctx context.Context) (*x509.Certificate, crypto.Signer, error) {
	var ders [2][]byte
	for i, path := range []string{pathIntermediates, pathIntermediateKeys} {
		text, err := ca.get(ctx, ca.managementURL(path+"0"))
		if err != nil {
			return nil, nil, fmt.Errorf("fetch what the CA signs with: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, nil, fmt.Errorf("fetch what the CA signs with: %s is no PEM", path)
		}
		ders[i] = block.Bytes
	}
	cert, err := x509.ParseCertificate(ders[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read what the CA signs with: %w", err)
	}
	key, err := x509.ParsePKCS1PrivateKey(ders[1])
	if err != nil {
		return nil, nil, fmt.Errorf("read what the CA signs with: %w", err)
	}
	return cert, key, nil
}
