package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// cert is a certificate of the demo.
type cert struct {
	name     string // in the config
	host     string // in the certificate
	asked    string // what a client asks for
	by       string // how the name is proven
	rule     string // the same, in the config
	profile  string
	lifetime time.Duration
	least    int // versions that have to be seen
}

// The profiles of the test CA.
const (
	profileLong  = "long"
	profileBrief = "brief"
	lifeLong     = 90 * 24 * time.Hour
	lifeBrief    = 30 * time.Second
)

// profiles are what the test CA offers.
func profiles() map[string]acmetest.Profile {
	return map[string]acmetest.Profile{
		profileLong:  {Description: "as public CAs have it", Validity: lifeLong},
		profileBrief: {Description: "to see renewals without waiting for weeks", Validity: lifeBrief},
	}
}

// certs are the certificates of the demo.
func certs() []cert {
	return []cert{
		{
			name: "shop", host: "shop.demo.test", asked: "shop.demo.test",
			by: "http-01", rule: "{}", profile: profileLong, lifetime: lifeLong, least: 1,
		},
		{
			name: "api", host: "api.demo.test", asked: "api.demo.test",
			by: "tls-alpn-01", rule: "{}", profile: profileBrief, lifetime: lifeBrief, least: 3,
		},
		{
			name: "branches", host: "*.branches.demo.test", asked: "berlin.branches.demo.test",
			by: "dns-01", rule: "{via: testdns}", profile: profileLong, lifetime: lifeLong, least: 1,
		},
	}
}

// place is all that a config of the demo has to name.
type place struct {
	dir       string // of everything
	directory string // of the CA
	self      string // this program
	dns       string // URL at which the DNS server is steered
	resolver  string // the DNS server itself
	httpPort  int    // where the CA asks
	tlsPort   int
	web       string // address of the HTTPS server
	webPort   int
}

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

// The roots: those by which the CA's own web server is trusted, and those that
// its certificates lead to.
const (
	fileHTTPS = "ca-https.pem"
	fileRoot  = "ca-root.pem"
)

// configText is the config that `certkeep run` gets. Text in double quotes is
// the same in YAML as in Go, as far as paths and URLs go.
func (p place) configText(certs []cert) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("state: %q", p.file("state"))
	line("accept_terms: true")
	line("log: {format: human}")
	line("issuers:")
	line("  testca: {directory: %q, roots_file: %q}", p.directory, p.file(fileHTTPS))
	line(`listen: {http: "127.0.0.1:%d", tls: "127.0.0.1:%d", status: false}`, p.httpPort, p.tlsPort)
	line("dns:")
	b.WriteString(p.dnsText())
	line("challenges:")
	for _, c := range certs {
		line("  - {names: [%q], %s: %s}", c.host, c.by, c.rule)
	}
	line("services:")
	line("  site: {reload: {signal: HUP, pid_file: %q}, verify: [%d]}", p.file("site.pid"), p.webPort)
	line("defaults: {issuer: testca, path: %q, services: [site]}", p.file("ssl"))
	line("certificates:")
	for _, c := range certs {
		line("  %s: {names: [%q], profile: %s}", c.name, c.host, c.profile)
	}
	return b.String()
}

// dnsText is the entry of `dns` by which records get into the test DNS server.
func (p place) dnsText() string {
	return fmt.Sprintf(`  testdns:
    provider: command
    command: [%q, %s, %q]
    zones: [test]
    resolver: %q
    propagation: false    # this DNS server never says that it is authoritative
`, p.self, hookCommand, p.dns, p.resolver)
}
