package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// environmentKeys say where the variables of a way to write records are.
func environmentKeys() []key[DNS] {
	keys := secretKeys("environment", "variables, a line each, as `NAME=VALUE`. rfc2136: those of lego, `RFC2136_NAMESERVER`, `RFC2136_TSIG_KEY`, `RFC2136_TSIG_SECRET`, `RFC2136_TSIG_ALGORITHM`, `RFC2136_TSIG_FILE`, `RFC2136_TTL`, `RFC2136_PROPAGATION_TIMEOUT` and `RFC2136_DNS_TIMEOUT`; with `_FILE` after the name the value is the path of a file that holds it, or the name of a systemd credential. Keys that are set here come first. command: what the program gets in its environment", "/etc/certkeep/dns.env",
		func(d *DNS) *SecretRef { return &d.Environment })
	keys[0].off = true // the example names no file that has to be there
	return keys
}

// The defaults of keys that variables can stand for.
const (
	standardDNSTTL      = time.Minute
	standardDNSTimeout  = 30 * time.Second
	standardPropagation = 5 * time.Minute
)

// variableName is what a variable may be called.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Variables reads what `environment_file` and its like name. It takes what
// systemd's EnvironmentFile= takes on single lines: blank lines and comments
// (# and ;), values in quotes, "export" before the name.
func (d DNS) Variables() (map[string]string, error) {
	if d.Environment.IsZero() {
		return nil, nil
	}
	text, err := d.Environment.Read()
	if err != nil {
		return nil, err
	}
	variables := make(map[string]string)
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		if !ok || !variableName.MatchString(name) { // not quoted: it may be a secret
			return nil, fmt.Errorf("%s: line %d is not NAME=VALUE", d.Environment, i+1)
		}
		if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		variables[name] = value
	}
	return variables, nil
}

// RFC2136Key is a key to sign updates with, as lego's variables say it.
type RFC2136Key struct {
	Name, Algorithm, Secret string
}

// String names it without its secret.
func (k RFC2136Key) String() string { return k.Name }

// GoString is what %#v prints: the same.
func (k RFC2136Key) GoString() string { return k.Name }

// WithRFC2136 fills in what lego's variables say and the configuration does
// not. The key is nil where none is given, or TSIGFile names it.
func (d DNS) WithRFC2136(variables map[string]string) (DNS, *RFC2136Key, error) {
	r := legoReader{variables: variables, from: d.Environment}
	server := r.text("NAMESERVER")
	if d.Server == "" {
		d.Server = server
	}
	r.span("TTL", &d.TTL, standardDNSTTL)
	r.span("PROPAGATION_TIMEOUT", &d.Propagation.Timeout, standardPropagation)
	r.span("DNS_TIMEOUT", &d.Timeout, standardDNSTimeout)
	_, _ = r.text("POLLING_INTERVAL"), r.text("SEQUENCE_INTERVAL") // known, and of no use: servers are asked more and more seldom
	file := r.text("TSIG_FILE")
	key := RFC2136Key{Name: r.text("TSIG_KEY"), Algorithm: r.text("TSIG_ALGORITHM"), Secret: r.text("TSIG_SECRET")}
	if key.Algorithm == "" {
		key.Algorithm = "hmac-sha1" // lego's
	}
	r.others()
	switch {
	case r.err != nil:
		return d, nil, r.err
	case d.TSIGFile != "":
	case file != "":
		d.TSIGFile = credentialPath(file)
	case key.Name != "" && key.Secret != "":
		return d, &key, nil
	case key.Name != "" || key.Secret != "":
		return d, nil, fmt.Errorf("%s: RFC2136_TSIG_KEY and RFC2136_TSIG_SECRET belong together, and one is missing", d.Environment)
	}
	return d, nil, nil
}

// legoReader reads lego's variables for RFC 2136 until the first error.
type legoReader struct {
	variables map[string]string
	from      SecretRef
	known     []string
	err       error
}

// text is the value of RFC2136_NAME, or of the file that RFC2136_NAME_FILE names.
func (r *legoReader) text(name string) string {
	name = "RFC2136_" + name
	r.known = append(r.known, name, name+"_FILE")
	file, given := r.variables[name+"_FILE"]
	if value, ok := r.variables[name]; ok || !given || r.err != nil {
		return value
	}
	ref := SecretRef{File: file}
	if !strings.Contains(file, "/") {
		ref = SecretRef{Credential: file}
	}
	value, err := ref.Read()
	if err != nil {
		r.err = fmt.Errorf("%s: %s_FILE: %w", r.from, name, err)
	}
	return string(value)
}

// span sets a duration that the configuration leaves at its default.
func (r *legoReader) span(name string, at *time.Duration, standard time.Duration) {
	if given := r.seconds(name); given > 0 && *at == standard {
		*at = given
	}
}

// seconds is a whole number of seconds, as lego has it, or a duration.
func (r *legoReader) seconds(name string) time.Duration {
	text := r.text(name)
	if text == "" || r.err != nil {
		return 0
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		r.err = fmt.Errorf("%s: RFC2136_%s is no number of seconds", r.from, name)
	}
	return d
}

// others refuses variables of that kind that nobody knows: a slip of the pen
// there would be a puzzle later.
func (r *legoReader) others() {
	for name := range r.variables {
		if strings.HasPrefix(name, "RFC2136_") && !slices.Contains(r.known, name) && r.err == nil {
			r.err = fmt.Errorf("%s: unknown variable %s; %s", r.from, name, hintAmong(name, r.known))
		}
	}
}

// credentialPath is the path of a file that is named by a path, or as a
// systemd credential.
func credentialPath(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), name)
}

// variables reports variables that cannot be read or mean nothing, and those
// that everybody can read.
func (k *checker) variables(what string, d DNS) {
	variables, err := d.Variables()
	if err == nil && d.Provider == ProviderRFC2136 {
		_, _, err = d.WithRFC2136(variables)
	}
	if err != nil {
		k.add(what, err.Error())
	}
	k.exposed(what, d.Environment)
}
