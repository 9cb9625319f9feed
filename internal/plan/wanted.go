package plan

import "time"

// Wanted is what the config asks for, defaults filled in.
type Wanted struct {
	Node  string // whose targets these are
	Certs []WantedCert
	Keys  []WantedKeys // those that outlive certificates
	// Limits are those that CAs publish, by issuer; of the others none are known.
	Limits   map[string]Limits
	Channels []WantedChannel // by which people are told
	Sealed   bool            // the secrets of the store are to be under a store key
}

// WantedCert is one certificate the config asks for.
type WantedCert struct {
	Name  string   // its name in the config, and in every record
	Names []string // DNS names in ASCII and IP addresses, as declared; their order never matters
	// Domains are the registered domains that the names lie below, where some
	// issuer counts by them.
	Domains    []string
	CommonName string // "" where the certificate carries none
	// CommonNameGiven is set where the config says CommonName. One that is
	// only the default follows the names, and its change re-issues nothing.
	CommonNameGiven bool
	Issuers         []string // in order of preference; a certificate is kept while its issuer is listed
	KeyTypes        []string // one pair each; the first is the plain one
	Keys            string   // name of the WantedKeys that it is issued on; "": a new key at every issue
	Profile         string   // ACME profile; "" leaves the choice to the CA
	MustStaple      bool
	Quarantine      bool     // names that keep failing their proof are set aside
	Protected       []string // but for these
	FreshKey        bool     // its Keys change at each renewal, to the next one that is kept ready
	CSR             string   // SHA-256 of the CSR's DER; "" where Certkeep makes the request itself
	Proof           string   // digest of how its names are proven; "": not known
	Renew           RenewPolicy
	Warn            Span // how much life left is worth a warning
	Mode            Mode
	Maintenance     Maintenance // times in which services may be disturbed; none: at any time
	Keep            int         // versions kept, the published one included
	Targets         []WantedTarget
	TLSA            []WantedTLSA // by name, each once
	DH              WantedDH     // where some target's files hold it

	// Authorize is set where the names are only to be kept proven at the first
	// issuer, without a certificate: at most PerOrder of them in an order.
	Authorize  bool
	PerOrder   int
	NoIssue    bool            // this node may not order
	NoSolve    bool            // it orders only where nothing is left to prove, and answers no challenge
	Companions []WantedTarget  // files beside those of the targets, see companion.go
	OCSP       *WantedOCSP     // nil: nobody is asked
	Contacts   []WantedContact // of issuers that no other certificate looks after
	SCT        *WantedSCT      // nil: receipts of logs are nobody's concern
}

// RenewPolicy says when to renew where the CA gives no advice.
type RenewPolicy struct {
	Before Span // before the end; the zero Span is the default: 33 %, half below ten days
	ARI    bool // follow the CA's renewal information
	CRL    bool // look in the CA's revocation lists
}

// Span is a length of time, given as such or as a part of a lifetime.
type Span struct {
	Fixed   time.Duration
	Percent float64
}

// Of returns the span within a certificate's lifetime.
func (s Span) Of(lifetime time.Duration) time.Duration {
	if s.Fixed > 0 {
		return s.Fixed
	}
	return time.Duration(float64(lifetime) * s.Percent / 100)
}

// IsZero reports whether nothing was given.
func (s Span) IsZero() bool { return s.Fixed == 0 && s.Percent == 0 }

// WantedTarget is a set of files on this node that is switched together.
type WantedTarget struct {
	Name     string   // unique within its certificate; "default" where there is one
	Config   string   // digest of all that shapes the files and how they are activated
	Services []string // told after a write
	Hooks    []string // names of hooks to run after an installation
	Verify   bool     // some endpoint can be asked
	Staged   bool     // its services read the files when somebody restarts them
	Pins     bool     // some endpoint's answers are to name the keys
	DH       bool     // its files hold Diffie-Hellman parameters of its own
	// Shared is set where the keys' own files are switched with these: then the
	// keys' steps install them.
	Shared bool
	// HoldsKeys is set where files hold keys that are kept ready, or were the
	// primary ones before: those files follow what is known of the keys.
	HoldsKeys bool
}
