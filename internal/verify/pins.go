package verify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/hpkp"
	"github.com/certkeep/certkeep/internal/plan"
)

// pinsHeader names the keys that clients are to remember (RFC 7469).
const pinsHeader = "Public-Key-Pins"

// maxAnswer bounds what is read of a site's answer: its head only.
const maxAnswer = 32 << 10

// byPins judges a site that presents what is right by the pins in its answer:
// each of the Pins has to be there. Others do no harm. The question goes to the
// address that was just seen, over a connection that presents the same.
func (e Endpoint) byPins(ctx context.Context, seen sight, allowed []chain.Chain) (plan.Verdict, string) {
	e.Addresses = []string{seen.address}
	var answer *http.Response
	again := e.connect(ctx, func(conn net.Conn, seen *sight) (err error) {
		answer, err = e.ask(ctx, conn, seen, allowed)
		return err
	})
	if again.err != nil {
		return plan.VerdictUnknown, command.Escape(fmt.Sprintf("presents the right certificate, but cannot be asked for its %s: %v", pinsHeader, again.err))
	}
	fields := answer.Header.Values(pinsHeader)
	if len(fields) == 0 {
		return plan.VerdictWrong, fmt.Sprintf("presents the right certificate, and answers without %s (HTTP status %d)", pinsHeader, answer.StatusCode)
	}
	there := hpkp.PinsIn(fields[0]) // clients look at the first alone: RFC 7469 section 2.3.1
	lacking := slices.DeleteFunc(slices.Clone(e.Pins), func(pin string) bool { return slices.Contains(there, pin) })
	if len(lacking) > 0 {
		return plan.VerdictWrong, fmt.Sprintf("presents the right certificate, and its %s lacks %d of %d keys: %s",
			pinsHeader, len(lacking), len(e.Pins), strings.Join(lacking, ", "))
	}
	return plan.VerdictRight, ""
}

// errOther says that another connection to the same address presents another
// certificate, as behind a load balancer.
var errOther = errors.New("a further connection presents another certificate")

// ask asks a site for its root, and reads the head of its answer.
func (e Endpoint) ask(ctx context.Context, conn net.Conn, seen *sight, allowed []chain.Chain) (*http.Response, error) {
	client := tls.Client(conn, e.client(func(certs []*x509.Certificate) error {
		seen.certs = certs
		if !slices.ContainsFunc(allowed, func(want chain.Chain) bool { return len(certs) > 0 && sameLeaf(certs, want) }) {
			return errOther
		}
		return nil
	}))
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+e.host()+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Certkeep")
	request.Close = true
	if err := request.Write(client); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(client, maxAnswer)), request)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return answer, answer.Body.Close()
}

// host is the site as a client names it.
func (e Endpoint) host() string {
	name, port, err := net.SplitHostPort(e.Addresses[0])
	if err != nil {
		return e.ServerName
	}
	if e.ServerName != "" {
		name = e.ServerName
	}
	if port == "443" {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return net.JoinHostPort(name, port)
}
