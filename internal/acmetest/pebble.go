package acmetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// DefaultProfile is the profile there is where Options name none.
const DefaultProfile = "default"

// defaultValidity is the lifetime under DefaultProfile.
const defaultValidity = 90 * 24 * time.Hour

// pebbleConfig is Pebble's configuration file.
type pebbleConfig struct {
	Pebble struct {
		ListenAddress                  string                   `json:"listenAddress"`
		ManagementListenAddress        string                   `json:"managementListenAddress"`
		Certificate                    string                   `json:"certificate"`
		PrivateKey                     string                   `json:"privateKey"`
		HTTPPort                       int                      `json:"httpPort"`
		TLSPort                        int                      `json:"tlsPort"`
		ExternalAccountBindingRequired bool                     `json:"externalAccountBindingRequired"`
		ExternalAccountMACKeys         map[string]string        `json:"externalAccountMACKeys,omitempty"`
		DomainBlocklist                []string                 `json:"domainBlocklist,omitempty"`
		KeyAlgorithm                   string                   `json:"keyAlgorithm"`
		OCSPResponderURL               string                   `json:"ocspResponderURL,omitempty"`
		Profiles                       map[string]pebbleProfile `json:"profiles"`
		RetryAfter                     struct {
			Authz int `json:"authz"`
			Order int `json:"order"`
		} `json:"retryAfter"`
	} `json:"pebble"`
}

type pebbleProfile struct {
	Description    string `json:"description"`
	ValidityPeriod uint64 `json:"validityPeriod"` // seconds
}

// configFile is where Pebble's configuration lies.
func (ca *CA) configFile() string { return filepath.Join(ca.dir, "pebble.json") }

// writeConfig writes Pebble's configuration.
func (ca *CA) writeConfig() error {
	var c pebbleConfig
	p, o := &c.Pebble, ca.opts
	p.ListenAddress, p.ManagementListenAddress = loopback(ca.port), loopback(ca.manage)
	p.Certificate, p.PrivateKey = ca.tls.certFile, ca.tls.keyFile
	p.HTTPPort, p.TLSPort = o.HTTPPort, o.TLSPort
	p.ExternalAccountBindingRequired, p.ExternalAccountMACKeys = len(o.EAB) > 0, o.EAB
	p.DomainBlocklist = o.Blocked
	if ca.OCSP != nil {
		p.OCSPResponderURL = ca.OCSP.URL()
	}
	p.KeyAlgorithm = o.KeyAlgorithm
	switch {
	case ca.OCSP != nil:
		p.KeyAlgorithm = "rsa" // Pebble hands out no other key to sign with
	case p.KeyAlgorithm == "":
		p.KeyAlgorithm = "ecdsa"
	}
	p.RetryAfter.Authz = int(o.RetryAfterAuthz / time.Second)
	p.RetryAfter.Order = int(o.RetryAfterOrder / time.Second)
	p.Profiles = make(map[string]pebbleProfile)
	for name, profile := range o.profiles() {
		p.Profiles[name] = pebbleProfile{profile.Description, uint64(profile.Validity / time.Second)}
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the CA's configuration: %w", err)
	}
	if err := os.WriteFile(ca.configFile(), text, 0o600); err != nil {
		return fmt.Errorf("write the CA's configuration: %w", err)
	}
	return nil
}

// profiles returns the profiles, or the one that is there without any.
func (o Options) profiles() map[string]Profile {
	if len(o.Profiles) > 0 {
		return maps.Clone(o.Profiles)
	}
	validity := o.Validity
	if validity == 0 {
		validity = defaultValidity
	}
	return map[string]Profile{DefaultProfile: {Description: "what the tests get", Validity: validity}}
}

// environment holds the knobs that Pebble takes from its environment.
func (o Options) environment() []string {
	length := max(o.ChainLength, 1)
	env := []string{
		"PEBBLE_WFE_NONCEREJECT=" + strconv.Itoa(o.NonceReject),
		"PEBBLE_AUTHZREUSE=" + strconv.Itoa(o.AuthzReuse),
		"PEBBLE_CHAIN_LENGTH=" + strconv.Itoa(length),
		"PEBBLE_ALTERNATE_ROOTS=" + strconv.Itoa(o.AlternateRoots),
	}
	if !o.ValidationPause {
		env = append(env, "PEBBLE_VA_NOSLEEP=1")
	}
	return env
}

// startPebble runs Pebble and returns when both of its ports answer.
func (ca *CA) startPebble(ctx context.Context) error {
	args := []string{"-config", ca.configFile(), "-dnsserver", ca.dnsAddr}
	if ca.opts.Strict {
		args = append(args, "-strict")
	}
	p, err := startProcess(ca.tools.pebble, args, ca.opts.environment(), ca.log)
	if err != nil {
		return err
	}
	ca.mu.Lock()
	ca.pebble = p
	ca.mu.Unlock()
	return p.ready(ctx, func(ctx context.Context) error {
		if _, err := ca.get(ctx, ca.backend()+pathDirectory); err != nil {
			return err
		}
		_, err := ca.get(ctx, ca.managementURL(pathRoots+"0"))
		return err
	})
}

// startDNS runs challtestsrv as the DNS server, unless there is one.
func (ca *CA) startDNS(ctx context.Context) error {
	if ca.opts.DNS != "" {
		ca.dnsAddr = ca.opts.DNS
		return nil
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	manage, err := FreePort()
	if err != nil {
		return err
	}
	ca.dnsAddr = loopback(port)
	// An address of IPv6 would be preferred by Pebble, and nothing listens
	// there: the default is IPv4 alone.
	args := []string{
		"-dnsserver", ca.dnsAddr, "-management", loopback(manage),
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
	}
	if ca.dns, err = startProcess(ca.tools.dns, args, nil, ca.log); err != nil {
		return err
	}
	ca.DNS = newDNS(loopback(manage))
	return ca.dns.ready(ctx, func(ctx context.Context) error {
		for _, network := range []string{"udp", "tcp"} {
			if err := askDNS(ctx, network, ca.dnsAddr); err != nil {
				return err
			}
		}
		return ca.DNS.SetDefaultIPv4("127.0.0.1")
	})
}

// askDNS asks a DNS server for any name.
func askDNS(ctx context.Context, network, addr string) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	_, err := r.LookupNetIP(ctx, "ip4", "ready.certkeep.test.")
	return err
}

// get fetches a page of one of the CA's ports.
func (ca *CA) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return ca.do(req)
}

// do asks one of the CA's ports and returns what it answers.
func (ca *CA) do(req *http.Request) ([]byte, error) {
	req.Header.Set("User-Agent", "certkeep-acmetest")
	resp, err := ca.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Method: req.Method, URL: req.URL.String(), Code: resp.StatusCode}
	}
	return body, nil
}

// StatusError says that a management request was refused.
type StatusError struct {
	Method, URL string
	Code        int // HTTP status
}

// Error names the request and the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: HTTP status %d", e.Method, e.URL, e.Code)
}
