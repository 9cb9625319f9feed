package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// The headers of a webhook, those of the Standard Webhooks specification, so
// that any of its libraries checks them. The signature is over id, timestamp
// and body; a receiver refuses a timestamp that is not of the last minutes,
// and an id that it has seen.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp" // seconds since 1970 of this attempt
	HeaderSignature = "webhook-signature" // v1,BASE64
)

// keyPrefix stands before a key that is given in base64.
const keyPrefix = "whsec_"

// maxAnswer bounds what is read of a receiver's answer.
const maxAnswer = 4 << 10

// Webhook posts messages as JSON.
type Webhook struct {
	URL       func() ([]byte, error) // a secret: whoever has it can post
	Key       func() ([]byte, error) // nil signs nothing
	Roots     *x509.CertPool         // nil: the system's
	Timeout   time.Duration
	Network   network.Network
	UserAgent string
}

// Send implements [Sender].
func (s Webhook) Send(ctx context.Context, m plan.Message) error {
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	req, err := s.request(ctx, m, time.Now())
	if err != nil {
		return refused("post to the webhook", err)
	}
	var written atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}))
	client := http.Client{Transport: s.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	doing := "post to the webhook at " + req.URL.Host
	resp, err := client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // the client's own words hold the URL
		}
		return &Error{Words: fmt.Sprintf("%s: %v", doing, err), Unknown: written.Load(), Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	failed := &Error{Words: fmt.Sprintf("%s: it answered %s", doing, resp.Status)}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		failed.RetryAfter = network.RetryAfter(resp.Header, time.Now())
	}
	if said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err == nil && !echoes(said, req.URL) {
		failed.Detail = command.Tail(said, 3, 300)
	}
	return failed
}

// echoes reports whether an answer repeats the secret part of the URL.
func echoes(said []byte, u *url.URL) bool {
	return len(u.Path) > 1 && bytes.Contains(said, []byte(u.Path)) || u.RawQuery != "" && bytes.Contains(said, []byte(u.RawQuery))
}

// request is the message as a signed POST.
func (s Webhook) request(ctx context.Context, m plan.Message, now time.Time) (*http.Request, error) {
	where, err := s.URL()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(string(where))
	if err != nil || u.Host == "" {
		return nil, errors.New("what is given as its URL is none") // and is not repeated
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())) {
		return nil, errors.New("its URL does not begin with https://; http:// is for this machine's own address alone")
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("what is given as its URL is none")
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.UserAgent)
	req.Header.Set(HeaderID, m.ID)
	req.Header.Set(HeaderTimestamp, timestamp)
	if s.Key != nil {
		key, err := s.Key()
		if err == nil {
			key, err = signingKey(key)
		}
		if err != nil {
			return nil, err
		}
		req.Header.Set(HeaderSignature, Sign(key, m.ID, timestamp, body))
	}
	return req, nil
}

// signingKey is the key as bytes: of one that begins with whsec_, what the
// base64 after it stands for.
func signingKey(text []byte) ([]byte, error) {
	encoded, ok := strings.CutPrefix(string(text), keyPrefix)
	if !ok {
		return text, nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the key of the webhook begins with whsec_, and what follows is no base64")
	}
	return key, nil
}

// Sign is the signature of a webhook's body.
func Sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	// A hash takes everything.
	_, _ = io.WriteString(mac, id+"."+timestamp+".")
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// transport is a connection for one message.
func (s Webhook) transport() *http.Transport {
	through := s.Network
	if through == nil {
		through = network.OS{}
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
			return through.DialContext(ctx, kind, address)
		},
		TLSClientConfig:        &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true,
	}
}

// Loopback reports whether a host is this machine itself, by its name or
// address alone.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
