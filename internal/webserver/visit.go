package webserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

const (
	// visitTime is how long a local server may take for one answer; CAs wait
	// about as long.
	visitTime = 10 * time.Second
	// maxVisit is how much of an answer is looked at, in bytes.
	maxVisit = 4 << 10
	// maxFollowed is how many redirects are followed: what Let's Encrypt does.
	maxFollowed = 10
)

// ErrElsewhere says that a redirect leads to a name or port that no virtual
// host here has.
var ErrElsewhere = errors.New("it leads away from this machine")

// Visitor asks virtual hosts over loopback or their own addresses what a CA
// asks them from outside (RFC 8555 section 8.3). It connects to nothing else.
type Visitor struct {
	http, tls int // ports at which visitors of 80 and 443 arrive here
	network   network.Network
	named     map[string][]Host
	wild      []Host    // that have a name with an asterisk
	any       []Address // where HTTP is spoken, whatever the name
}

// NewVisitor returns a Visitor of hosts, to whom visitors of the ports 80 and
// 443 arrive at the ports http and tls.
func NewVisitor(hosts []Host, http, tls int, n network.Network) *Visitor {
	v := &Visitor{http: http, tls: tls, network: n, named: map[string][]Host{}, any: at(hosts, http, false)}
	for _, h := range hosts {
		for _, name := range h.Names {
			v.named[name] = append(v.named[name], h)
		}
		if slices.ContainsFunc(h.Names, func(name string) bool { return strings.HasPrefix(name, "*.") }) {
			v.wild = append(v.wild, h)
		}
	}
	return v
}

// having lists the hosts that answer for a name.
func (v *Visitor) having(name string) []Host {
	found := slices.Clone(v.named[name])
	for _, h := range v.wild {
		if h.Has(name) {
			found = append(found, h)
		}
	}
	return found
}

// Visit is what came of a question.
type Visit struct {
	Address string   // that was connected to first
	Status  int      // of the last answer
	Body    []byte   // its beginning
	Path    []string // URLs that it was sent on to
}

// Addresses lists where visitors of a name over HTTP arrive: at the hosts that
// have it, else at any that listen at the port. It is empty where none does.
func (v *Visitor) Addresses(name string) []Address {
	if own := at(v.having(name), v.http, false); len(own) > 0 {
		return own
	}
	return v.any
}

// at lists where hosts listen at a port.
func at(hosts []Host, port int, isTLS bool) []Address {
	var found []Address
	for _, h := range hosts {
		for _, a := range h.Addresses {
			if a.Port == 0 && !strings.HasPrefix(a.Host, "/") {
				a.Port = port // <VirtualHost 10.0.0.1>: every port
			}
			if a.Port == port && a.TLS == isTLS && !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	return found
}

// Ask asks for a path of a name at an address, and follows redirects as CAs
// do: to HTTP and HTTPS, whatever certificate is shown there. It fails where
// nobody answers, and with ErrElsewhere.
func (v *Visitor) Ask(ctx context.Context, address Address, name, path string) (Visit, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	visit := Visit{Address: dialled(address)}
	first := true
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   unverified(),
		DialContext: func(ctx context.Context, _, target string) (net.Conn, error) {
			if first {
				first = false
				return v.dial(ctx, address)
			}
			to, err := v.local(target)
			if err != nil {
				return nil, err
			}
			return v.dial(ctx, to)
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		visit.Path = append(visit.Path, r.URL.String())
		if len(via) > maxFollowed {
			return fmt.Errorf("it is sent on more than %d times", maxFollowed)
		}
		return nil
	}}
	where := url.URL{Scheme: "http", Host: bracketed(name), Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return visit, fmt.Errorf("ask for %s: %w", where.String(), err)
	}
	req.Header.Set("User-Agent", "certkeep webserver check")
	resp, err := client.Do(req)
	if err != nil {
		return visit, cause(err)
	}
	visit.Status = resp.StatusCode
	visit.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxVisit))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return visit, fmt.Errorf("read the answer: %w", err)
	}
	return visit, nil
}

// Shows reports whether the answer is the text; blanks at the end do not
// count (RFC 8555 section 8.3).
func (v Visit) Shows(text string) bool {
	return v.Status == http.StatusOK && string(bytes.TrimRight(v.Body, " \t\r\n")) == text
}

// cause is an error of a client without the URL, which the caller tells.
func cause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// local is where a "host:port" of a redirect arrives.
func (v *Visitor) local(target string) (Address, error) {
	name, text, err := net.SplitHostPort(target)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %s", ErrElsewhere, target)
	}
	port, isTLS := v.http, false
	if text == "443" {
		port, isTLS = v.tls, true
	} else if text != "80" {
		return Address{}, fmt.Errorf("%w: CAs follow to the ports 80 and 443, not to %s", ErrElsewhere, text)
	}
	found := at(v.having(name), port, isTLS)
	if len(found) == 0 {
		return Address{}, fmt.Errorf("%w: to %s, port %d", ErrElsewhere, name, port)
	}
	return found[0], nil
}

// dialled is what is connected to for an address: loopback for all of them.
func dialled(a Address) string {
	switch {
	case a.Host == "":
		a.Host = "127.0.0.1"
	case a.Host == "::":
		a.Host = "::1"
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// dial connects, and says first for whom where the server wants to hear that.
func (v *Visitor) dial(ctx context.Context, a Address) (net.Conn, error) {
	conn, err := v.network.DialContext(ctx, "tcp", dialled(a))
	if err != nil || !a.Proxy {
		return conn, err
	}
	if _, err := io.WriteString(conn, "PROXY UNKNOWN\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// unverified takes any certificate: a CA that follows a redirect to HTTPS does
// too, since the name has none yet.
func unverified() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
