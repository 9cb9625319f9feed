package ct_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

func newClient(t *testing.T, n network.Network) *ct.Client {
	c := ct.NewClient(n, "certkeep/test")
	t.Cleanup(c.Close)
	return c
}

func TestSubmit(t *testing.T) {
	ca := newCA(t, "ca")
	leaf := issue(t, &ca, ecKey(t), leafTemplate()).cert
	static := newLog(t, ecKey(t))
	static.static = true
	for name, l := range map[string]*testLog{"ECDSA": newLog(t, ecKey(t)), "RSA": newLog(t, rsaKey(t)), "static": static} {
		l.serve(t, ca.cert)
		s, err := newClient(t, nil).Submit(t.Context(), l.Log, []*x509.Certificate{leaf, ca.cert})
		if err != nil || s.Log != l.ID || time.Since(s.Time()).Abs() > time.Minute || (len(s.Extensions) > 0) != l.static {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		b, err := s.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ct.Parse(b)
		if err == nil {
			err = l.Verify(again, leaf, time.Now())
		}
		if err != nil {
			t.Errorf("%s: out of its file: %v", name, err)
		}
		l.URL = strings.TrimSuffix(l.URL, "/")
		l.Key = nil // as in acmebot's config, which knows the id alone
		if _, err = newClient(t, nil).Submit(t.Context(), l.Log, []*x509.Certificate{leaf, ca.cert}); err != nil {
			t.Errorf("%s: without its key: %v", name, err)
		}
	}
}

// TestSubmitRefused: a log that does not know the root says so in its words.
func TestSubmitRefused(t *testing.T) {
	ca, stranger := newCA(t, "ca"), newCA(t, "stranger")
	leaf := issue(t, &ca, ecKey(t), leafTemplate()).cert
	l := newLog(t, ecKey(t))
	l.serve(t, stranger.cert)
	_, err := newClient(t, nil).Submit(t.Context(), l.Log, []*x509.Certificate{leaf, ca.cert})
	failed, ok := errors.AsType[*ct.Error](err)
	if !ok || failed.Blame != plan.BlameAdmin || failed.Status != 400 || !strings.Contains(err.Error(), "unknown root") {
		t.Errorf("%v", err)
	}
	if _, err = newClient(t, nil).Submit(t.Context(), l.Log, nil); err == nil {
		t.Error("no certificate was handed in")
	}
}

func TestSubmitFaults(t *testing.T) {
	ca := newCA(t, "ca")
	chain := []*x509.Certificate{issue(t, &ca, ecKey(t), leafTemplate()).cert, ca.cert}
	l, other := newLog(t, ecKey(t)), newLog(t, ecKey(t))
	good := answer(t, l.receipt(t, chain[0], time.Now()))
	twice := l.receipt(t, chain[0], time.Now())
	twice.Timestamp++
	says := func(status int, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(status)
			w.Write(body)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		status int
		want   error // nil where any will do
	}{
		"another log's":     {says(200, answer(t, other.receipt(t, chain[0], time.Now()))), 200, ct.ErrOtherLog},
		"another's":         {says(200, answer(t, l.receipt(t, ca.cert, time.Now()))), 200, ct.ErrSignature},
		"changed":           {says(200, answer(t, twice)), 200, ct.ErrSignature},
		"of tomorrow":       {says(200, answer(t, l.receipt(t, chain[0], time.Now().Add(24*time.Hour)))), 200, ct.ErrFuture},
		"of the far future": {says(200, answer(t, l.receipt(t, chain[0], time.UnixMilli(1<<60)))), 200, ct.ErrFuture},
		"a page":            {says(200, []byte("<html>")), 200, nil},
		"nothing":           {says(200, nil), 200, nil},
		"an empty object":   {says(200, []byte("{}")), 200, nil},
		"version 2":         {says(200, bytes.Replace(good, []byte(`"sct_version":0`), []byte(`"sct_version":1`), 1)), 200, nil},
		"huge":              {says(200, bytes.Repeat([]byte(" "), 1<<20)), 0, network.ErrTooLong},
		"busy":              {says(503, []byte("\x1b[31mpool full\r\n")), 503, nil},
		"too much":          {says(429, good), 429, nil},
		"moved":             {http.RedirectHandler("/", http.StatusFound).ServeHTTP, 0, network.ErrRedirect},
	} {
		server := httptest.NewServer(test.answer)
		l.URL = server.URL
		_, err := newClient(t, nil).Submit(t.Context(), l.Log, chain)
		server.Close()
		failed, ok := errors.AsType[*ct.Error](err)
		if !ok || failed.Blame != plan.BlameCA || failed.Status != test.status || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.status >= 400 && failed.RetryAfter != time.Minute || strings.ContainsAny(err.Error(), "\x1b\r\n") {
			t.Errorf("%s: %+q, again in %s", name, err.Error(), failed.RetryAfter)
		}
	}
}

// mute is a network on which nobody says a word.
type mute struct{ network.OS }

func (mute) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	return ours, nil
}

func TestSubmitTooSlow(t *testing.T) {
	ca := newCA(t, "ca")
	chain := []*x509.Certificate{issue(t, &ca, ecKey(t), leafTemplate()).cert}
	l := newLog(t, ecKey(t))
	synctest.Test(t, func(t *testing.T) {
		_, err := newClient(t, mute{}).Submit(t.Context(), l.Log, chain)
		if failed, ok := errors.AsType[*ct.Error](err); !ok || failed.Blame != plan.BlameNetwork || !errors.Is(err, network.ErrTooSlow) {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = newClient(t, mute{}).Submit(ctx, l.Log, chain)
		if _, failed := errors.AsType[*ct.Error](err); failed || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
