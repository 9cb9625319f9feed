package main

import (
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// hookCommand is how this program is called to write a DNS record.
const hookCommand = "dns-hook"

// dnsHook is what the config names as `dns: {provider: command}`. Certkeep
// tells it by environment variables what to do (see docs/configuration.md); its
// argument is the management address of the test DNS server.
func dnsHook(args []string, getenv func(string) string) error {
	if len(args) != 1 {
		return errors.New("usage: demo dns-hook URL, with the CERTKEEP_DNS_ variables set")
	}
	dns := acmetest.DNSAt(args[0])
	name := getenv("CERTKEEP_DNS_NAME")
	switch action := getenv("CERTKEEP_DNS_ACTION"); action {
	case "add":
		return dns.SetTXT(name, getenv("CERTKEEP_DNS_VALUE"))
	case "remove":
		// This DNS server cannot remove one value of several; the demo's
		// names never have more than one.
		return dns.ClearTXT(name)
	default:
		return fmt.Errorf("CERTKEEP_DNS_ACTION is %q, not add or remove", action)
	}
}
