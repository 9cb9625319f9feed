// Package hpkp writes the header that pins a site to its keys (RFC 7469), as
// acmebot wrote it into files for web servers. Browsers dropped it by 2020; it
// is here for those who still have clients that look at it, and for checking
// what they serve.
//
// Pin names a key as the header does, Policy.Header writes the header, and
// Policy.Check says beforehand whether it can be written. Parse reads the
// format of a server's file, and Format.File fills it in. PinsIn reads what a
// site answers with.
package hpkp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Policy is what a header says.
type Policy struct {
	// Pins are those of the keys in use, then of their backups, then of the
	// keys used before: that is the order of acmebot's files.
	Pins       []string
	Days       int    // for how long a browser remembers the pins
	Subdomains bool   // whether they hold for subdomains too
	ReportURI  string // where browsers report violations; "" for nowhere
}

// ErrOnePin says that a header would name fewer than two keys. Browsers ignore
// such a header, since losing the one key would lose the site (RFC 7469 section
// 2.5).
var ErrOnePin = errors.New("public key pins need a second key: a backup key, or one of another type")

// Pin is the name of a key in the header, made of its fingerprint: the SHA-256
// of its SubjectPublicKeyInfo, which is hex elsewhere and base64 here (RFC 7469
// section 2.4).
func Pin(fingerprint string) (string, error) {
	sum, err := hex.DecodeString(fingerprint)
	if err != nil || len(sum) != 32 {
		return "", fmt.Errorf("pin: %q is not the fingerprint of a key", fingerprint)
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// Check says why the header of a policy cannot be written.
func (p Policy) Check() error {
	for _, pin := range p.Pins {
		if sum, err := base64.StdEncoding.DecodeString(pin); err != nil || len(sum) != 32 {
			return fmt.Errorf("pin: %q is not the base64 of a SHA-256", pin)
		}
	}
	if p.Days <= 0 {
		return fmt.Errorf("public key pins for %d days pin nothing", p.Days)
	}
	if err := checkReportURI(p.ReportURI); err != nil {
		return err
	}
	if len(p.pins()) < 2 {
		return ErrOnePin
	}
	return nil
}

// pins are the pins, each once.
func (p Policy) pins() []string {
	var once []string
	for _, pin := range p.Pins {
		if !slices.Contains(once, pin) {
			once = append(once, pin)
		}
	}
	return once
}

// Header is the value of Public-Key-Pins as it stands between double quotes in
// the configuration of Apache and nginx: the quotes within it have a backslash
// before them. Its bytes are those of acmebot, down to the last semicolon.
func (p Policy) Header() (string, error) {
	if err := p.Check(); err != nil {
		return "", fmt.Errorf("write public key pins: %w", err)
	}
	var parts []string
	for _, pin := range p.pins() {
		parts = append(parts, `pin-sha256=\"`+pin+`\"`)
	}
	const day = 24 * 60 * 60
	parts = append(parts, "max-age="+strconv.Itoa(p.Days*day))
	if p.Subdomains {
		parts = append(parts, "includeSubdomains")
	}
	if p.ReportURI != "" {
		parts = append(parts, `report-uri=\"`+p.ReportURI+`\"`)
	}
	return strings.Join(parts, "; ") + ";", nil
}

// checkReportURI refuses what is no address, and what would end the quotes in
// which it stands.
func checkReportURI(uri string) error {
	if uri == "" {
		return nil
	}
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("the address for reports, %q, does not begin with http:// or https://", uri)
	}
	// A dollar begins a variable in nginx, a per cent sign a format in Apache.
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\$%`, r) }) {
		return fmt.Errorf("the address for reports, %q, has a character that must not stand in a header", uri)
	}
	return nil
}
