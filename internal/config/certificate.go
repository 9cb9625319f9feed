package config

import (
	"io/fs"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// Settings are what `defaults` says for every certificate, and what a
// certificate may say for itself.
type Settings struct {
	Issuers  []string    // in order of preference
	KeyTypes []keys.Type // a pair each; the first is the plain one
	Profile  string
	// ProfileMandatory is set where no CA is asked that does not offer it.
	ProfileMandatory bool
	MustStaple       bool
	StapleWait       time.Duration    // for a service that does not staple what it has to
	Quarantine       bool             // names that keep failing their proof are set aside
	KeyReuse         bool             // the key stays the same until it is rolled over
	BackupKey        bool             // the next key is kept ready
	Renew            plan.RenewPolicy // a zero Before is plan's default
	Warn             plan.Span
	Mode             string   // one of the modes
	Activate         string   // one of the activations
	Maintenance      []Window // in which services may be disturbed; none: at any time
	Services         []string
	Verify           []Endpoint // nil leaves it to the services, empty verifies nothing
	Path             string     // where layouts put their folders
	Layout           string
	Owner            string // of installed files; "" is the running user
	Group            string // of installed files; with a group, keys are 0640
	Files            []File // instead of a layout; nil where the layout counts
	Root             Root
	DHParams         DHParams
	ECParams         []string // names of curves, for the part ec-params
	Passphrase       Passphrase

	ReloadZones []string // made anew after an installation, by an entry of `dns` that is a zonefile
	OCSP        *OCSP    // nil, or turned off, where no responses are kept; likewise:
	SCT         *SCT
	HPKP        *HPKP
}

// Certificate is one certificate that is wanted.
type Certificate struct {
	Name       string
	Names      []string // in ASCII and lower case; IP addresses in their canonical form
	CommonName string   // "" where no name is short enough
	// CommonNameGiven is set where the configuration says CommonName; else it
	// follows the names.
	CommonNameGiven bool
	Key             string   // name of the Config.Keys that it is on; "" where it has keys of its own
	Protected       []string // names that are never set aside; nil: the common name, or the first one
	CSR             *CSR     // nil where Certkeep makes keys and requests itself
	Static          []Static // empty where Certkeep obtains it; else a pair for each key type
	Challenges      []Rule   // looked at before Config.Challenges
	TLSA            []TLSA
	Hooks           map[string]Hook // by event, instead of those of Config.Hooks
	Settings

	spread []File // of a layout that puts its files into several folders
}

// CSR is a signing request that the administrator made. The files are read by
// Load, so that a later look at the certificate needs none.
type CSR struct {
	File    string
	KeyFile string // "" where the private key is held elsewhere
	DER     []byte
	SHA256  string // of DER, hex
	Problem string // why it cannot be used; "" when it can
}

// The modes: who decides that a certificate is renewed.
const (
	ModeAuto   = "auto"
	ModeManual = "manual"
	ModeStatic = "static" // nobody here: somebody else makes it
)

// The activations: when services read new files.
const (
	ActivateReload    = "reload"
	ActivateOnRestart = "on-restart"
)

// The layouts.
const (
	LayoutStandard = "standard" // PATH/NAME/{privkey,cert,chain,fullchain}.pem
	LayoutCertbot  = "certbot"  // PATH/live/NAME/ with the same four
	LayoutNixOS    = "nixos"    // PATH/NAME/{key,cert,chain,fullchain,full}.pem
	LayoutHAProxy  = "haproxy"  // PATH/NAME.pem, everything in one
	LayoutNone     = "none"     // nothing; of a target whose services read the administrator's own files
	LayoutAcmebot  = "acmebot"  // PATH/private/NAME.rsa.key, PATH/certs/NAME.rsa.pem, …; see acmebotFiles
)

// Part is what a file is made of.
type Part string

// The parts.
const (
	PartKey         Part = "key"         // private key, PKCS#8
	PartCertificate Part = "certificate" // the leaf alone
	PartChain       Part = "chain"       // all but the leaf
	PartFullchain   Part = "fullchain"   // the leaf, then the chain
	PartRoot        Part = "root"        // what the chain leads to
	PartDHParams    Part = "dh-params"   // Settings.DHParams
	PartECParams    Part = "ec-params"   // Settings.ECParams

	PartPKCS12         Part = "pkcs12"          // key and fullchain under a password
	PartPKCS12Legacy   Part = "pkcs12-legacy"   // the same for old programs
	PartJKS            Part = "jks"             // the same for old Java
	PartDERKey         Part = "der-key"         // private key
	PartDERCertificate Part = "der-certificate" // the leaf alone

	PartBackupKey   Part = "backup-key"   // the key that is kept ready, PKCS#8
	PartPreviousKey Part = "previous-key" // the key before the last change, PKCS#8
)

// File is one file that is written for a certificate.
type File struct {
	Path    string // absolute; {key_type} is replaced already
	Content []Part // in this order
	Owner   string
	Group   string
	Mode    fs.FileMode
	Target  string    // files of one target are switched together
	KeyType keys.Type // whose pair it holds
	Plain   bool      // KeyType was left out and is the certificate's first
	Pattern string    // Path with its {key_type} and {suffix}, where one file stands for each key type, else ""

	Password SecretRef // of a key store
}

// DefaultTarget is the name of a target that was given none.
const DefaultTarget = "default"

// Endpoint is a port where the certificate has to be seen.
type Endpoint struct {
	Port     int
	StartTLS string   // "" when TLS begins at once, else the protocol in which it is asked for
	Hosts    []string // asked for by SNI; empty means the certificate's names
	Address  string   // "" is this node, "dns" what DNS says, else an IP address or host

	KeyTypes []keys.Type // that are asked for; empty means the certificate's
	Pins     bool        // the site's answer over HTTP has to name the certificate's keys
}

// AddressDNS is the Endpoint.Address that leaves the address to DNS.
const AddressDNS = "dns"

// Target is a set of files of a certificate that is switched together.
type Target struct {
	Name   string
	Layout string // "" where Files count
	Path   string // of the layout
	Owner  string // of what the layout writes
	Group  string
	Files  []File
}

// Targets lists what is to be written for the certificate, the targets in the
// order in which the configuration names them first. A certificate with an
// empty list of files has none: it is only kept in the store.
func (c *Certificate) Targets() []Target {
	files := c.Files
	if files == nil && c.Layout == LayoutAcmebot {
		files = c.spread
	}
	if files != nil && len(files) == 0 && len(c.Static) > 0 {
		// The services read the administrator's own files: they are told, and looked at.
		return []Target{{Name: DefaultTarget, Layout: LayoutNone, Files: []File{}}}
	}
	if files == nil {
		return []Target{{Name: DefaultTarget, Layout: c.Layout, Path: c.Path, Owner: c.Owner, Group: c.Group}}
	}
	var targets []Target
	for _, f := range files {
		i := slices.IndexFunc(targets, func(t Target) bool { return t.Name == f.Target })
		if i < 0 {
			i = len(targets)
			targets = append(targets, Target{Name: f.Target})
		}
		targets[i].Files = append(targets[i].Files, f)
	}
	return targets
}
