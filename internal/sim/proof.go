package sim

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// validate is how a CA looks at an answer to a challenge.
func (w *world) validate(ctx context.Context, typ, name, token, keyAuth string) error {
	p := w.owner([]string{name})
	if p == nil && !slices.Contains(keptNames(), name) || p != nil && (p.lost.Load() > 0 || p.away.has(name)) {
		return fmt.Errorf("no route to %s", name)
	}
	w.mu.Lock()
	wire := w.current
	w.mu.Unlock()
	sum := sha256.Sum256([]byte(keyAuth))
	switch typ {
	case "http-01":
		return wire.overHTTP(ctx, name, token, keyAuth)
	case "tls-alpn-01":
		return wire.overTLS(ctx, name, sum)
	}
	if value := base64.RawURLEncoding.EncodeToString(sum[:]); !w.zone.shows(challengeName(name), value) {
		return fmt.Errorf("no TXT record of %s is %q", name, value)
	}
	return nil
}

// overHTTP is RFC 8555 section 8.3.
func (w *wire) overHTTP(ctx context.Context, name, token, keyAuth string) error {
	client := &http.Client{Transport: &http.Transport{DialContext: w.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && string(text) != keyAuth {
		err = fmt.Errorf("http-01: the answer is %q", text)
	}
	return err
}

// overTLS is RFC 8737 section 3.
func (w *wire) overTLS(ctx context.Context, name string, sum [sha256.Size]byte) error {
	conn, err := w.DialContext(ctx, "tcp", name+":443")
	if err != nil {
		return err
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err := client.HandshakeContext(ctx); err != nil {
		return err
	}
	state := client.ConnectionState()
	want, err := asn1.Marshal(sum[:])
	if err != nil {
		return err
	}
	leaf := state.PeerCertificates[0]
	for _, extension := range leaf.Extensions {
		if extension.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) && state.NegotiatedProtocol == "acme-tls/1" &&
			slices.Equal(extension.Value, want) && slices.Equal(leaf.DNSNames, []string{name}) {
			return nil
		}
	}
	return fmt.Errorf("tls-alpn-01: %s shows another certificate", name)
}
