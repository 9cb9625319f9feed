package nix

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
)

// reference lists the options of security.acme and of virtual hosts, of all
// releases since 24.05, that the page must answer.
func reference() []string {
	return strings.Fields(`acceptTerms useRoot maxConcurrentRenewals defaults certs production directory preDelay activationDelay
		preliminarySelfsigned user allowKeysForGroup extraDomains validMinDays renewInterval renewJitter enableDebugLogs webroot
		listenHTTP dnsProvider dnsResolver dnsPropagationCheck environmentFile credentialsFile credentialFiles server email group
		reloadServices postRun keyType ocspMustStaple profile extraLegoFlags extraLegoRunFlags extraLegoRenewFlags domain
		extraDomainNames csr csrKey s3Bucket inheritDefaults enableACME useACMEHost acmeRoot acmeFallbackHost addSSL onlySSL forceSSL
		rejectSSL serverName serverAliases redirectCode validMin rsa8192 BindReadOnlyPaths`)
}

// TestDocAnswersEveryOption holds docs/from-nixos.md complete: what is asked
// there stands in the first column of a table, and every option that there is
// here is named.
func TestDocAnswersEveryOption(t *testing.T) {
	t.Parallel()
	page := read(t, "../docs/from-nixos.md")
	quoted := regexp.MustCompile("`([^`]+)`")
	asked, answered := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(page) {
		first, rest := "", line
		if strings.HasPrefix(line, "| ") {
			first, rest, _ = strings.Cut(strings.TrimPrefix(line, "| "), " | ")
			if strings.TrimSpace(strings.Trim(rest, " |\n")) == "" {
				t.Errorf("no answer: %s", line)
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(first, -1) {
			asked[m[1]] = true
		}
		for _, m := range quoted.FindAllStringSubmatch(rest, -1) {
			answered[m[1]] = true
		}
	}
	for _, option := range reference() {
		if !asked[option] {
			t.Errorf("the page does not answer %s", option)
		}
	}
	var last []string
	for _, option := range newMachine(t).options(t) {
		name := option[strings.LastIndex(option, ".")+1:]
		last = append(last, name)
		if name != "<name>" && !answered[name] {
			t.Errorf("the page does not name %s", option)
		}
	}
	// A setting that the page promises of a certificate or of all must be one.
	for _, m := range regexp.MustCompile("`(?:defaults|certs\\.NAME|services\\.certkeep)\\.([A-Za-z]+)").FindAllStringSubmatch(page, -1) {
		if m[1] != "X" && !slices.Contains(last, m[1]) {
			t.Errorf("the page speaks of %s, which is no option", m[0])
		}
	}
}

// TestDocSettings has every key of Certkeep's configuration that the page
// promises read by Certkeep.
func TestDocSettings(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`settings((?:\.[A-Za-z_]+)+)`).FindAllStringSubmatch(read(t, "../docs/from-nixos.md"), -1)
	if len(found) < 8 {
		t.Fatalf("only %d are there", len(found))
	}
	for _, m := range found {
		keys := strings.Split(strings.TrimPrefix(m[1], "."), ".")
		text := strings.Join(keys, ": {") + ": null" + strings.Repeat("}", len(keys)-1)
		if _, _, err := config.LoadBytes(m[0], []byte("{"+text+"}")); err != nil && strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s: %v", m[0], err)
		}
	}
}

// TestDocExample evaluates the example of the page.
func TestDocExample(t *testing.T) {
	t.Parallel()
	_, example, _ := strings.Cut(read(t, "../docs/from-nixos.md"), "```nix\n")
	example, _, _ = strings.Cut(example, "```")
	s := newMachine(t).evaluate(t, example)
	want(t, "broken assertions", s.Broken, []string{})
	want(t, "certificates", len(s.Certs), 2)
}
