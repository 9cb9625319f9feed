package config

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// Attributes are whose a file is and who may do what with it.
type Attributes struct {
	Owner string // "" is the certificate's
	Group string // "" is the certificate's
	Mode  fs.FileMode
}

// OCSP says that responses of the CA that a certificate is not revoked are
// kept, for a server to staple.
type OCSP struct {
	On         bool
	File       string   // may hold {name}, {key_type} and {suffix}; "" keeps them in the state alone
	Responders []string // URLs, asked where the certificate names none
	Force      bool     // Responders are asked instead of those that it names
	// Before is how much of a response's life is left when a newer one is asked
	// for; zero: half.
	Before plan.Span
	Keep   time.Duration // how long one that has ended stays; 0: until there is a newer one
	Attributes
}

// SCT says that a certificate is handed to logs, and their receipts kept in
// files.
type SCT struct {
	Directory string   // may hold {name}, {key_type} and {suffix}; "" where there is a File
	File      string   // the same with {log}, for names of one's own; both "" turn it off
	Logs      []string // as CTLogs calls them
	Attributes
}

// HPKP says that headers are written that pin a site to its keys.
type HPKP struct {
	File       string            // may hold {name} and {server}; "" turns it off
	Headers    map[string]string // the text of the file by server
	MaxAge     time.Duration
	Subdomains bool
	ReportURI  string
	Attributes
}

// CTLogs says which logs of certificates there are.
type CTLogs struct {
	List   string // file in the form in which browsers publish it; "" is none
	SHA256 string // of its content when the configuration was read; "" where it could not be
	Own    []CTLog
}

// IsZero reports whether no log is known.
func (l CTLogs) IsZero() bool { return l.List == "" && len(l.Own) == 0 }

// CTLog is a log, or the part of one for certificates that end within some
// time. Several of one name are its parts.
type CTLog struct {
	Name       string
	URL        string // ct/v1/add-chain lies below it
	Key        []byte // SubjectPublicKeyInfo in DER; empty where only the id is known
	ID         []byte // SHA-256 of the key; may be empty where that is known
	Start, End time.Time
}

// logMark in a path stands for the log whose receipt the file holds.
const logMark = "{log}"

// serverMark in a path stands for the program that reads the file.
const serverMark = "{server}"

// OCSPFile is where the response of a certificate's key type is kept.
func (c *Config) OCSPFile(cert *Certificate, t keys.Type) string {
	return c.pattern(cert.OCSP.File, cert.Name, t)
}

// SCTFile is where the receipt of a log for a key type is kept.
func (c *Config) SCTFile(cert *Certificate, t keys.Type, log string) string {
	return strings.ReplaceAll(c.pattern(cert.SCT.place(), cert.Name, t), logMark, log)
}

// place is where receipts are kept, with {log} for the log.
func (s *SCT) place() string {
	if s.File != "" {
		return s.File
	}
	return s.Directory + "/" + logMark + ".sct"
}

// on reports whether there is a place.
func (s *SCT) on() bool { return s.Directory != "" || s.File != "" }

// HPKPFile is where the header for a server is written.
func (c *Config) HPKPFile(cert *Certificate, server string) string {
	return strings.ReplaceAll(withName(cert.HPKP.File, cert.Name), serverMark, server)
}

// Servers are those that a header is written for, by name.
func (h *HPKP) Servers() []string { return slices.Sorted(maps.Keys(h.Headers)) }

// staples reports whether OCSP responses are kept for the certificate.
func (c *Certificate) staples() bool { return c.OCSP != nil && c.OCSP.On }

// logged reports whether the certificate is handed to logs.
func (c *Certificate) logged() bool { return c.SCT != nil && c.SCT.on() }

// pinned reports whether headers are written for the certificate's keys.
func (c *Certificate) pinned() bool { return c.HPKP != nil && c.HPKP.File != "" }
