package nix

import (
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
)

// wrong are configurations that cannot work, by what is said of them.
func wrong() map[string]string {
	return map[string]string{
		"acceptTerms: agree to the terms":                                `acceptTerms = false; certs.a.domain = "a.example.com"; certs.a.webroot = "/w";`,
		"nothing says how its names are proven":                          `certs."a.example.com" = { };`,
		"webroot and dnsProvider are set, and exactly one":               `certs."a.example.com" = { webroot = "/w"; dnsProvider = "rfc2136"; };`,
		"listenHTTP and listenTLS are set":                               `certs."a.example.com" = { listenHTTP = ":80"; listenTLS = ":443"; };`,
		`no provider "cloudflare"`:                                       `certs."a.example.com".dnsProvider = "cloudflare";`,
		"set both or neither":                                            `certs."a.example.com".dnsProvider = "command";`,
		"only rfc2136 and dnsCommand read it":                            `certs."a.example.com" = { dnsProvider = "main"; environmentFile = "/run/e"; }; settings.dns.main.provider = "rfc2136";`,
		"only dnsCommand reads TOKEN_FILE":                               `certs."a.example.com" = { dnsProvider = "rfc2136"; credentialFiles.TOKEN_FILE = "/run/e"; };`,
		"does not end in _FILE or _PATH":                                 `certs."a.example.com" = { dnsProvider = "command"; dnsCommand = "/x"; credentialFiles.TOKEN = "/run/e"; };`,
		"credentialFiles.A_FILE: relative is not an abs":                 `certs."a.example.com" = { dnsProvider = "command"; dnsCommand = "/x"; credentialFiles.A_FILE = "relative"; };`,
		"lies in the Nix store":                                          `certs."a.example.com" = { dnsProvider = "command"; dnsCommand = "/x"; credentialFiles.A_FILE = builtins.toFile "secret" "s"; };`,
		"certs.\"a.example.com\".csrKey: ":                               `certs."a.example.com" = { webroot = "/w"; csr = "/c"; csrKey = builtins.toFile "key" "k"; };`,
		"services.certkeep.environmentFile: ":                            `environmentFile = builtins.toFile "env" "s";`,
		"services.certkeep.credentials.eab: ":                            `credentials.eab = builtins.toFile "eab" "s";`,
		"A wildcard is given by domain":                                  `certs."*.example.com".dnsProvider = "rfc2136";`,
		"*.example.com is a wildcard":                                    `certs.a = { domain = "*.example.com"; webroot = "/w"; };`,
		"is an IP address, which DNS cannot prove":                       `certs."a.example.com" = { dnsProvider = "rfc2136"; extraDomainNames = [ "2001:db8::1" ]; };`,
		`"*.corp" is neither a domain`:                                   `certs.corp = { dnsProvider = "rfc2136"; extraDomainNames = [ "*.corp" ]; };`,
		`"123" is neither a domain`:                                      `certs.a = { webroot = "/w"; extraDomainNames = [ "123" ]; };`,
		`"a_b.example.com" is neither`:                                   `certs."a_b.example.com".webroot = "/w";`,
		`"a b.example.com" is neither a domain`:                          `certs.a = { domain = "a b.example.com"; webroot = "/w"; };`,
		`"https://a.example.com" is neither a domain`:                    `certs.a = { domain = "a.example.com"; extraDomainNames = [ "https://a.example.com" ]; webroot = "/w"; };`,
		"csrKey is the key of a csr":                                     `certs."a.example.com" = { webroot = "/w"; csrKey = "/k"; };`,
		"extraDomainNames must be empty":                                 `certs."a.example.com" = { webroot = "/w"; csr = "/c"; extraDomainNames = [ "b.example.com" ]; };`,
		"name a@example.com, b@example.com as their email":               `certs."a.example.com" = { webroot = "/w"; email = "a@example.com"; }; certs."b.example.com" = { webroot = "/w"; email = "b@example.com"; };`,
		"name :80, :81 as listenHTTP":                                    `certs."a.example.com".listenHTTP = ":80"; certs."b.example.com".listenHTTP = ":81";`,
		"name :443, :444 as listenTLS":                                   `certs."a.example.com".listenTLS = ":443"; certs."b.example.com".listenTLS = ":444";`,
		"settings.hooks.installed: postRun":                              `certs."a.example.com" = { webroot = "/w"; postRun = "true"; }; settings.hooks.installed.command = [ "/x" ];`,
		`environmentFile: only dnsProvider reads it`:                     `certs."a.example.com" = { webroot = "/w"; environmentFile = "/run/e"; };`,
		"are in settings.issuers.NAME.eab":                               `certs."a.example.com" = { listenHTTP = ":80"; credentialFiles.LEGO_EAB_HMAC_FILE = "/run/e"; };`,
		`dnsResolver: only dnsProvider reads it`:                         `defaults.dnsResolver = "192.0.2.1"; certs."a.example.com" = { webroot = "/w"; dnsResolver = "192.0.2.2"; };`,
		`dnsServer: only rfc2136 and dnsCommand`:                         `certs."a.example.com" = { dnsProvider = "main"; dnsServer = "192.0.2.1"; }; settings.dns.main.provider = "rfc2136";`,
		`a key for it: resolver.`:                                        `certs."a.example.com" = { dnsProvider = "main"; dnsResolver = "192.0.2.1"; }; settings.dns.main.provider = "rfc2136";`,
		`a key for it: propagation.`:                                     `certs."a.example.com" = { dnsProvider = "main"; dnsPropagationCheck = false; }; settings.dns.main.provider = "rfc2136";`,
		`proven by settings.dns.main, which has a key for it: tsig_file`: `certs."a.example.com" = { dnsProvider = "main"; credentialFiles.RFC2136_TSIG_FILE = "/run/k"; }; settings.dns.main.provider = "rfc2136";`,
		`dnsCommand: it is the program of`:                               `certs."a.example.com" = { dnsProvider = "rfc2136"; dnsCommand = "/x"; };`,
		`dnsServer: only rfc2136 reads it`:                               `certs."a.example.com" = { dnsProvider = "command"; dnsCommand = "/x"; dnsServer = "192.0.2.1"; };`,
		`"http://ca.example.com/dir" is neither a URL`:                   `certs."a.example.com" = { webroot = "/w"; server = "http://ca.example.com/dir"; };`,
		`"https:///dir" is neither a URL`:                                `certs."a.example.com" = { webroot = "/w"; server = "https:///dir"; };`,
		`"letsencrpyt" is neither a URL`:                                 `certs."a.example.com" = { webroot = "/w"; server = [ "letsencrypt" "letsencrpyt" ]; };`,
		`acceptTerms: "https://ca.example.com/dir" is no`:                `acceptTerms = [ "letsencrypt" "https://ca.example.com/dir" ]; certs."a.example.com".webroot = "/w";`,
		"addSSL, onlySSL and forceSSL exclude each other":                `nginx."a.example.com" = { addSSL = true; forceSSL = true; };`,
		"httpd.\"a.example.com\": addSSL, onlySSL and":                   `httpd."a.example.com" = { addSSL = true; onlySSL = true; };`,
		`there is no certificate "gone"`:                                 `nginx."a.example.com".useACMEHost = "gone";`,
		"there is no port 80 to send visitors on from":                   `nginx."listens.example.com".forceSSL = true;`,
		"enableACME and useACMEHost ask security.acme":                   `nginx."acme.example.com" = { };`,
		"its key can be read by the group mail, and nginx ":              `nginx."a.example.com" = { }; certs."a.example.com".group = "mail";`,
	}
}

// right are configurations at the edge of what is refused.
func right() []string {
	return []string{
		`certs.a_b = { domain = "a-b.example.com"; webroot = "/w"; extraDomainNames = [ "192.0.2.1" "2001:db8::1" "xn--bcher-kva.example" ]; };`,
		`certs.a = { domain = "*.example.com"; dnsProvider = "main"; }; settings.dns.main.provider = "rfc2136";`,
		`certs."a.example.com" = { }; settings.certificates."a.example.com".challenges = [ { http-01.webroot = "/w"; } ];`,
		`nginx."a.example.com" = { }; certs."a.example.com".group = "web";`,
		`httpd."a.example.com" = { }; certs."a.example.com".group = "mail";`,
		`certs."a.example.com" = { webroot = "/w"; postRun = "true"; }; settings.hooks.installed.timeout = "1h";`,
		`defaults = { dnsServer = "192.0.2.1"; dnsResolver = "192.0.2.1"; dnsPropagationCheck = false; environmentFile = "/run/e"; credentialFiles.RFC2136_TSIG_FILE = "/run/k"; };
			certs."a.example.com".webroot = "/w"; certs."b.example.com".dnsProvider = "main"; settings.dns.main.provider = "rfc2136";
			certs."c.example.com" = { dnsProvider = "command"; dnsCommand = "/x"; };`,
		`defaults = { dnsProvider = "command"; dnsCommand = "/x"; environmentFile = "/run/e"; }; certs."a.example.com".dnsProvider = "rfc2136";`,
		`certs."a.example.com" = { webroot = "/w"; server = [ "corp" "google" "https://ca.example.com:14000/dir" "https://ca.example.com" ]; }; settings.issuers.corp.directory = "https://ca.corp/dir";`,
		`certs.intranet = { webroot = "/w"; extraDomainNames = [ "wiki" "git-1" "3cx" ]; };`,
		`acceptTerms = false;`,
		`acceptTerms = [ "https://ca.example.com/dir" "https://acme.zerossl.com/v2/DV90" ]; certs."a.example.com" = { webroot = "/w"; server = "https://ca.example.com/dir"; };`,
		`certs."A.example.com" = { webroot = "/w"; extraDomainNames = [ "a.example.com" "a.EXAMPLE.com" ]; };`,
	}
}

// surroundings are what the configurations above speak of.
const surroundings = `
	services.nginx.virtualHosts."listens.example.com".listen = [ { addr = "192.0.2.1"; port = 8443; ssl = true; } ];
	services.nginx.virtualHosts."acme.example.com".enableACME = true;
	users.users.nginx.extraGroups = [ "web" ];`

func (m machine) broken(t *testing.T, configurations []string) [][]string {
	t.Helper()
	var list strings.Builder
	for _, c := range configurations {
		list.WriteString(`(` + m.call(`{ services.certkeep = lib.mkMerge [ { enable = true; acceptTerms = lib.mkDefault true; } { `+c+` } ]; `+surroundings+` }`, "broken") + ")\n")
	}
	var answers []struct{ Broken []string }
	if err := m.try(t, "let lib = import "+absolute("testdata/lib.nix")+"; in [\n"+list.String()+"]", &answers); err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, a := range answers {
		all = append(all, a.Broken)
	}
	return all
}

// TestAssertions has each wrong configuration refused, for one reason.
func TestAssertions(t *testing.T) {
	t.Parallel()
	var words, configurations []string
	for w, c := range wrong() {
		words, configurations = append(words, w), append(configurations, c)
	}
	for i, said := range newMachine(t).broken(t, configurations) {
		if len(said) != 1 || !strings.Contains(said[0], words[i]) {
			t.Errorf("%s\n\tsays %q,\n\twant one message with %q", configurations[i], said, words[i])
		}
	}
}

// TestNoAssertions has nothing right refused, neither by the module nor, which
// would end the daemon, by Certkeep.
func TestNoAssertions(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, configuration := range right() {
		s := m.evaluate(t, `({ lib, ... }: { services.certkeep = lib.mkMerge [ { enable = true; acceptTerms = lib.mkDefault true; } { `+configuration+` } ]; `+surroundings+` })`)
		if _, _, err := config.Load(m.made(s.File)); err != nil || len(s.Broken) > 0 {
			t.Errorf("%s\n\tis refused: %q\n%v", configuration, s.Broken, err)
		}
	}
}

// TestIssuers has every CA that Certkeep knows be named.
func TestIssuers(t *testing.T) {
	t.Parallel()
	cfg, _, err := config.LoadBytes("empty", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var configurations []string
	for name := range cfg.Issuers {
		configurations = append(configurations, `certs."a.example.com" = { webroot = "/w"; server = "`+name+`"; };`)
	}
	for i, said := range newMachine(t).broken(t, configurations) {
		if len(said) > 0 {
			t.Errorf("%s: %q", configurations[i], said)
		}
	}
}

// TestRootReads has nginx read the key of any group where it is root.
func TestRootReads(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for words, refused := range map[string]int{`services.nginx.user = "root";`: 0, `systemd.services.nginx.serviceConfig.User = "root";`: 0, `services.nginx.user = "web";`: 1} {
		s := m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; nginx."a.example.com" = { }; certs."a.example.com".group = "mail"; }; `+words+` }`)
		want(t, words, len(s.Broken), refused)
	}
}

// TestTypes has what nix itself refuses: the types of the options say no.
func TestTypes(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for configuration, words := range map[string]string{
		`certs."a.example.com".keyTyp = "ec256";`:                                                    "The option `services.certkeep.certs.a.example.com.keyTyp' does not exist",
		`certs."a.example.com".keyType = "rsa8192";`:                                                 "A definition for option `services.certkeep.certs.a.example.com.keyType' is not of type",
		`certs."a.example.com".directory = "/x";`:                                                    "is read-only",
		`certs."a.example.com" = { webroot = "/w"; credentialFiles.A_FILE = ./testdata/eval.nix; };`: "is not of type `string'",
		`certs."a.example.com".listenHTTP = "80";`:                                                   "listenHTTP' is not of type",
		`certs."a.example.com".listenTLS = ":https";`:                                                "listenTLS' is not of type",
		`certs."a.example.com".webroot = "www";`:                                                     "webroot' is not of type",
		`certs."a.example.com".email = "admin";`:                                                     "email' is not of type",
		`certs."a.example.com".group = "";`:                                                          "group' is not of type",
		`certs."a.example.com".profile = "";`:                                                        "profile' is not of type",
		`certs."a.example.com".csr = "a.csr";`:                                                       "csr' is not of type",
		`certs."a.example.com".webroot = "/w"; certsDirectory = "certs";`:                            "certsDirectory' is not of type",
		`environmentFile = ./testdata/eval.nix;`:                                                     "environmentFile' is not of type `string'",
		`maxConcurrentRenewals = 1001;`:                                                              "is not of type `integer between 0 and 1000'",
	} {
		var s system
		err := m.try(t, m.call(`{ services.certkeep = { enable = true; acceptTerms = true; `+configuration+` }; }`, "broken certs units"), &s)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s\n\tsays %v,\n\twant %q", configuration, err, words)
		}
	}
}
