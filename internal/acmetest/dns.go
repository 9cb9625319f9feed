package acmetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// DNS steers challtestsrv, which answers every A query with 127.0.0.1 and
// knows no other record until it is told. Hosts may be given with or without
// the last dot. Its methods may run at the same time.
type DNS struct {
	base   string
	client *http.Client
}

// DNSAt steers a challtestsrv that another process started, by its URL.
func DNSAt(url string) *DNS {
	return &DNS{base: url, client: &http.Client{Timeout: 10 * time.Second}}
}

// newDNS returns a client of the management port at addr.
func newDNS(addr string) *DNS { return DNSAt("http://" + addr) }

// URL is where this DNS server is steered; see DNSAt.
func (d *DNS) URL() string { return d.base }

// SetDefaultIPv4 answers A queries for all other names; "" with nothing.
func (d *DNS) SetDefaultIPv4(ip string) error {
	return d.post("set-default-ipv4", map[string]any{"ip": ip})
}

// AddA answers A queries for host.
func (d *DNS) AddA(host string, addresses ...string) error {
	return d.post("add-a", map[string]any{"host": absolute(host), "addresses": addresses})
}

// ClearA forgets what AddA said of host.
func (d *DNS) ClearA(host string) error { return d.clear("clear-a", host) }

// AddAAAA answers AAAA queries for host.
func (d *DNS) AddAAAA(host string, addresses ...string) error {
	return d.post("add-aaaa", map[string]any{"host": absolute(host), "addresses": addresses})
}

// ClearAAAA forgets what AddAAAA said of host.
func (d *DNS) ClearAAAA(host string) error { return d.clear("clear-aaaa", host) }

// SetTXT adds a value to the TXT records of host.
func (d *DNS) SetTXT(host, value string) error {
	return d.post("set-txt", map[string]any{"host": absolute(host), "value": value})
}

// ClearTXT drops all TXT records of host.
func (d *DNS) ClearTXT(host string) error { return d.clear("clear-txt", host) }

// SetCNAME makes host an alias of target.
func (d *DNS) SetCNAME(host, target string) error {
	return d.post("set-cname", map[string]any{"host": absolute(host), "target": absolute(target)})
}

// ClearCNAME forgets what SetCNAME said of host.
func (d *DNS) ClearCNAME(host string) error { return d.clear("clear-cname", host) }

// ServFail answers every query for host with SERVFAIL.
func (d *DNS) ServFail(host string) error { return d.clear("set-servfail", host) }

// ClearServFail forgets what ServFail said of host.
func (d *DNS) ClearServFail(host string) error { return d.clear("clear-servfail", host) }

// clear posts a request that needs a host and nothing else.
func (d *DNS) clear(what, host string) error {
	return d.post(what, map[string]any{"host": absolute(host)})
}

// absolute ends a name with a dot, as challtestsrv wants it.
func absolute(host string) string { return strings.TrimSuffix(host, ".") + "." }

// post sends a request to the management port.
func (d *DNS) post(what string, request map[string]any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("test DNS, %s: %w", what, err)
	}
	resp, err := d.client.Post(d.base+"/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("test DNS, %s: %w", what, err)
	}
	defer resp.Body.Close()
	words, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("test DNS, %s: %w", what, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("test DNS, %s %v: HTTP status %d: %s", what, request, resp.StatusCode, words)
	}
	return nil
}
