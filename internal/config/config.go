// Package config reads what the administrator wants. Load is the function to
// call first: it reads one YAML or JSON file and the conf.d beside it, checks
// everything that can be checked without asking anybody, and returns a Config
// with all defaults filled in. Config.Wanted turns it into what package plan
// decides upon.
//
// It promises to be strict and to be kind about it: an unknown key, a wrong
// type or a name that no CA would accept is an error with file, line and
// column, the nearest thing that exists, and what to write instead; all
// findings are reported, not only the first. Nothing is asked of any network,
// and no secret is read: a Config carries references to secrets, never the
// secrets. Config.Check looks at the files a configuration speaks of.
//
// One description of all keys (see schema.go) drives reading, Show, the
// reference Markdown, the JSON Schema and Example; there is no second list.
package config

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// Config is a checked configuration with all defaults filled in. It is not
// changed after Load and may be read by many goroutines.
type Config struct {
	Path        string    // the file it was read from; "" when it was read from bytes
	State       string    // folder of records, archive, journal and control socket
	StoreKey    SecretRef // where the keys are that seal the secrets in State; zero leaves them in the clear
	PIDFile     string    // with the number of the process that holds the state; "" is none
	Helper      Helper    // installs files as root; zero leaves that to Certkeep itself
	Node        string    // "" means: made once and kept in State
	Email       string    // contact for new accounts; "" gives none
	Terms       Terms
	Concurrency int  // orders under way at once
	Issue       bool // may order
	Solve       bool // may answer challenges
	WaitRandom  Wait // of `apply --wait-random`
	// WarningExitCode has commands fail where only warnings are left.
	WarningExitCode bool
	Revoke          string // RevokeReplace or RevokeWithdraw
	Listen          Listen
	Log             Log
	Issuers         map[string]Issuer // the built-in ones included
	DNS             map[string]DNS
	CTLogs          CTLogs
	Challenges      []Rule                     // in order; the first that matches a name counts
	Services        map[string]service.Service // the built-in ones included
	Hooks           map[string]Hook            // by event
	Notify          Notify
	Keep            Keep
	Keys            map[string]Keys // that certificates share
	KeyOrder        []string        // these as acmebot's files have them, whose passphrases come in that order; nil for files of our own
	Suffixes        Suffixes        // of {suffix} in paths
	Defaults        Settings
	Certificates    []Certificate // by name

	Metrics string // file that commands leave numbers in for Prometheus; "" is none

	Authorizations []string // names that are kept proven without a certificate

	marks map[string]Finding // where issuers, dns, services, hooks and signing requests stand, for Check
}

// Terms says whose terms of service the administrator agrees to.
type Terms struct {
	All     bool
	Issuers []string
}

// Agreed reports whether the terms of an issuer are agreed to.
func (t Terms) Agreed(issuer string) bool { return t.All || slices.Contains(t.Issuers, issuer) }

// Listen names the addresses of the own listeners, as net.Listen takes them.
// "" means that there is none.
type Listen struct {
	HTTP HTTPListener // http-01, bound only while a challenge is pending, or kept to redirect
	TLS  string       // tls-alpn-01, bound only while a challenge is pending

	Outside Outside
	Status  StatusListener
}

// HTTPListener is an address with what is done there beside http-01.
type HTTPListener struct {
	Address  string   // "" where nothing listens
	Redirect Redirect // of visitors, to HTTPS; "" sends nobody on
	HSTS     time.Duration
}

// Redirect is a way to send visitors on.
type Redirect string

// The ways.
const (
	Temporary Redirect = "temporary"
	Permanent Redirect = "permanent"
)

// The levels and formats of the log.
const (
	LogAuto   = "auto" // human on a terminal, logfmt elsewhere
	LogHuman  = "human"
	LogLogfmt = "logfmt"
	LogJSON   = "json"
)

// Log says what is logged, how and where to.
type Log struct {
	Level  string // error, warn, info or debug
	Format string // one of the constants above
	File   string // "" is stderr
	Owner  string // of a file that has to be made; "" is the running user
	Group  string
	Mode   fs.FileMode
	Color  string // where commands print in colour
}

// When commands print in colour.
const (
	ColorAuto   = "auto"
	ColorAlways = "always"
	ColorNever  = "never"
)

// Colors lists what log.color and --color may be.
func Colors() []string { return []string{ColorAuto, ColorAlways, ColorNever} }

// Issuer is a certification authority that speaks ACME.
type Issuer struct {
	Name           string
	Directory      string      // URL of its directory
	RootsFile      string      // PEM, instead of the system's roots, to trust its web server by; "" is the system's
	Unverified     bool        // whoever answers in its place is believed
	Proxy          string      // URL of an HTTP proxy; "" leaves it to the environment
	Email          string      // that it is told of; "" is that of all
	Profile        string      // for certificates that name none
	PreferredChain string      // common name of the root to prefer among alternate chains
	EAB            *EAB        // nil without external account binding
	AccountKeyFile string      // key of an account of another client, taken over where none was ever stored; "" is none
	NamesPerOrder  int         // of names that are kept proven without a certificate
	Limits         plan.Limits // that it publishes
	Staging        string      // name of the issuer to rehearse with; "" where there is none
}

// EAB is an external account binding, RFC 8555 section 7.3.4.
type EAB struct {
	KID  string
	HMAC SecretRef // base64url, as the CA gives it
}

// The ways to write DNS records.
const (
	ProviderRFC2136  = "rfc2136"
	ProviderCommand  = "command"
	ProviderZoneFile = "zonefile"
)

// DNS is one way to write records.
type DNS struct {
	Name        string
	Provider    string
	Zones       []string // lower-case, without a trailing dot; empty means any
	Server      string   // rfc2136: host:port; "" is the zone's primary
	TSIGFile    string   // rfc2136: key file in BIND's syntax; "" signs nothing
	Environment SecretRef
	Directory   string  // zonefile: folder of the zones' files
	FileName    string  // zonefile: of a zone, in which {zone} stands for its name
	Command     Command // command; zonefile: what makes a zone anew
	Arguments   Manner  // command: what follows the command's own
	TTL         time.Duration
	Timeout     time.Duration // command: of one run
	Resolver    string        // host:port asked for zones and CNAMEs; "" is the system's
	Propagation Propagation
}

// Covers reports whether records of name may be written this way.
func (d DNS) Covers(name string) bool {
	return len(d.Zones) == 0 || slices.ContainsFunc(d.Zones, func(zone string) bool { return within(name, zone) })
}

// ZoneOf is the longest of the zones that a name is in; "" where none is.
func (d DNS) ZoneOf(name string) string {
	longest := ""
	for _, zone := range d.Zones {
		if within(name, zone) && len(zone) > len(longest) {
			longest = zone
		}
	}
	return longest
}

// within reports whether name is zone or lies below it.
func within(name, zone string) bool {
	return name == zone || strings.HasSuffix(name, "."+zone)
}

// Propagation says how long and where a new record is looked for before the
// CA is told of it.
type Propagation struct {
	Off     bool
	Servers []string // host:port; empty means every authoritative server of the zone
	Timeout time.Duration
}

// Command is a program with exact arguments, or text for a shell.
type Command struct {
	Args  []string
	Shell string // for /bin/sh -c; only where the configuration says shell
}

// IsZero reports whether there is no command.
func (c Command) IsZero() bool { return len(c.Args) == 0 && c.Shell == "" }

// Argv is what to execute.
func (c Command) Argv() []string {
	if c.Shell != "" {
		return []string{shell, "-c", c.Shell}
	}
	return c.Args
}

// shell runs what is given as {shell: …}.
const shell = "/bin/sh"

// Hook is a program run at an event.
type Hook struct {
	Event     string
	Command   Command
	Directory string // whose programs are run first; "" is none
	User      string // "" is the running user
	Timeout   time.Duration

	Arguments bool // as mod_md: REASON and the certificate follow the command's own
}

// Keep says how much of the past is kept.
type Keep struct {
	Versions int           // of each certificate, the published one included
	Archive  time.Duration // replaced files; 0: for ever
	Events   int           // of each certificate
	// ArchiveDirectory is where replaced files are kept, by keys and time; "":
	// in the state.
	ArchiveDirectory string
}

// Certificate returns the certificate of that name, or nil.
func (c *Config) Certificate(name string) *Certificate {
	i, ok := slices.BinarySearchFunc(c.Certificates, name, func(cert Certificate, name string) int {
		return strings.Compare(cert.Name, name)
	})
	if !ok {
		return nil
	}
	return &c.Certificates[i]
}

// Directories are the CAs' addresses, by the names that the config gives them.
func (c *Config) Directories() map[string]string {
	all := make(map[string]string, len(c.Issuers))
	for id, issuer := range c.Issuers {
		all[id] = issuer.Directory
	}
	return all
}

// ProfileAt is the profile to ask of an issuer for a certificate: its own,
// else the issuer's, else "" which leaves the choice to the CA.
func (c *Config) ProfileAt(cert *Certificate, issuer string) string {
	if cert.Profile != "" {
		return cert.Profile
	}
	return c.Issuers[issuer].Profile
}
