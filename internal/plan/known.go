package plan

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Known is all that the store holds, as facts: no X.509 is parsed to decide.
type Known struct {
	Certs   map[string]*KnownCert
	Issuers map[string]KnownIssuer
	Banned  map[string]Ban        // keys that are never used again, by fingerprint
	Keys    map[string]*KnownKeys // by name

	Channels map[string]KnownChannel // by name; of this node

	Seal *KnownSeal // of the store's secrets; nil where nothing was ever sealed
}

// Cert returns what is known of a certificate; of one that is not known, an
// empty KnownCert of its own.
func (k Known) Cert(name string) *KnownCert {
	if known := k.Certs[name]; known != nil {
		return known
	}
	return &KnownCert{Name: name}
}

// KnownIssuer is what is remembered of a CA.
type KnownIssuer struct {
	NotBefore time.Time `json:"not_before,omitzero"` // its Retry-After: nothing is asked of it earlier
	At        time.Time `json:"at,omitzero"`         // when it asked to be left alone
	Fault     *Fault    `json:"fault,omitempty"`
	Breaker   Breaker   `json:"breaker,omitzero"`
	// Ledger is what is spent of its limits, by LimitKey. It is never changed, only replaced.
	Ledger map[string]Meter `json:"ledger,omitempty"`
	// Contact is what it was told of how to reach us; nil without an account. Likewise replaced.
	Contact *Contact `json:"contact,omitempty"`
	Serial  int64    `json:"serial,omitempty"` // counts the changes, so that the latest of two is known
}

// KnownCert is all that is known of one certificate. It is the certificate's
// part of its key group's record, and so written as one.
type KnownCert struct {
	Name        string                `json:"name"`
	Published   string                `json:"published,omitempty"` // id of the version that targets are to serve
	Ready       string                `json:"ready,omitempty"`     // id of a version that waits for its other key types; see gather
	Rolled      string                `json:"rolled,omitempty"`    // id of a version on keys that are not the primary ones yet; see Rollover
	Withdrawn   string                `json:"withdrawn,omitempty"` // id of the version that was withdrawn last; see Withdraw
	Held        bool                  `json:"held,omitempty"`      // restored by a person: kept until due or released
	HeldAt      time.Time             `json:"held_at,omitzero"`    // when it was restored
	Versions    []Version             `json:"versions,omitempty"`  // newest last
	Orders      map[string]Order      `json:"orders,omitempty"`    // by key type; see Begin
	Tries       map[string]Tries      `json:"tries,omitempty"`     // by key type
	Advice      map[string]Advice     `json:"advice,omitempty"`    // by key type
	OCSP        map[string]Staple     `json:"ocsp,omitempty"`      // by key type
	CRL         map[string]Listing    `json:"crl,omitempty"`       // by key type
	SCT         map[string]Receipts   `json:"sct,omitempty"`       // by key type
	Asks        map[AskKind]Ask       `json:"asks,omitempty"`
	Authorized  map[string]Authorized `json:"authorized,omitempty"`  // by name; of names without a certificate
	Issued      []Issued              `json:"issued,omitempty"`      // automatic issues of the last weeks, for the guard
	Presented   []Presented           `json:"presented,omitempty"`   // answers to challenges that nobody took away yet
	Revocations []Revocation          `json:"revocations,omitempty"` // that a person asked for; see ToRevoke
	Failing     map[string]int        `json:"failing,omitempty"`     // by name: attempts in a row that it made fail
	Aside       map[string]Aside      `json:"aside,omitempty"`       // by name: what the certificate goes without for now
	CleanUp     Tries                 `json:"clean_up,omitzero"`     // failures in a row to take them away

	TLSA map[string]KnownTLSA `json:"tlsa,omitempty"` // by name in DNS
	DH   *DHParams            `json:"dh,omitempty"`   // a group of its own, where one was asked for

	Given *Given `json:"given,omitempty"` // of a certificate that somebody else makes

	// Targets are this node's facts. They lie in a record of their own
	// (nodes/NODE/targets/NAME), so that nodes do not contend.
	Targets map[string]Target `json:"-"`
	// Damage says why the record could not be read; nothing else is known then.
	Damage string `json:"-"`
	// Newer is set when the record is not broken but not for us to change: a
	// later version of Certkeep wrote it, or the disk would not give it.
	Newer bool `json:"-"`

	// What follows is known to a running process only; looking again after a
	// restart costs a stat.

	// Looked is set when adoption was tried and found nothing.
	Looked bool `json:"-"`
	// Vacant are the targets where a service is named and no usable file is, or a
	// placeholder that no fact tells of: its services may not have been told.
	Vacant map[string]bool `json:"-"`
	// Inspected is when the installed files were last looked at.
	Inspected time.Time `json:"-"`
	// GivenLooked is when the files of a certificate that somebody else makes
	// were last read, and GivenNext when they are to be read again.
	GivenLooked time.Time `json:"-"`
	GivenNext   time.Time `json:"-"`
}

// Version returns the version with an id. One without a single pair, as only
// a damaged record holds it, is none.
func (k *KnownCert) Version(id string) (Version, bool) {
	i := slices.IndexFunc(k.Versions, func(v Version) bool { return v.ID == id })
	if id == "" || i < 0 || len(k.Versions[i].Pairs) == 0 {
		return Version{}, false
	}
	return k.Versions[i], true
}

// Version is what is served together: for each key type a certificate. It is
// immutable; its chain lies in a record of its own.
type Version struct {
	ID      string    `json:"id"` // random
	Created time.Time `json:"created"`
	Adopted bool      `json:"adopted,omitempty"` // found at a target, not ordered by us
	Broken  string    `json:"broken,omitempty"`  // why its record or a key could not be read
	Pairs   []Pair    `json:"pairs"`
}

// Pair is one certificate with its key, by reference.
type Pair struct {
	KeyType   string    `json:"key_type"`
	Key       string    `json:"key"` // SHA-256 of the public key (SPKI), hex; also the name of the stored private key
	Issuer    string    `json:"issuer,omitempty"`
	Keys      string    `json:"keys,omitempty"` // name of the KnownKeys that the key belongs to; "": it is this pair's alone
	Made      time.Time `json:"made"`           // when it was issued or adopted
	Request   Request   `json:"request"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`            // of the leaf's DER, hex
	CertID    string    `json:"cert_id,omitempty"` // RFC 9773 section 4.1
	CA        string    `json:"ca,omitempty"`      // common name of whoever signed it, for people
	Misfit    string    `json:"misfit,omitempty"`  // how what the CA gave differs from what was asked
	Revoked   bool      `json:"revoked,omitempty"`
	Recalled  bool      `json:"recalled,omitempty"` // the CA wants it replaced at once; see Recall
}

// Lifetime is the length of the pair's validity.
func (p Pair) Lifetime() time.Duration { return p.NotAfter.Sub(p.NotBefore) }

// Pair returns the pair of a key type.
func (v Version) Pair(keyType string) (Pair, bool) {
	i := slices.IndexFunc(v.Pairs, func(p Pair) bool { return p.KeyType == keyType })
	if i < 0 {
		return Pair{}, false
	}
	return v.Pairs[i], true
}

// KeyTypes are those of its pairs, in their order.
func (v Version) KeyTypes() []string {
	types := make([]string, 0, len(v.Pairs))
	for _, p := range v.Pairs {
		types = append(types, p.KeyType)
	}
	return types
}

// Made is when the pair of a key type was issued or adopted.
func (v Version) Made(keyType string) time.Time {
	p, _ := v.Pair(keyType)
	return p.Made
}

// NotAfter is when the first of the version's pairs ends.
func (v Version) NotAfter() time.Time {
	var end time.Time
	for _, p := range v.Pairs {
		if end.IsZero() || p.NotAfter.Before(end) {
			end = p.NotAfter
		}
	}
	return end
}

// Request is what was asked of a CA. Due compares wanted with it, never with
// what the CA made of it.
type Request struct {
	Names      []string `json:"names"` // sorted
	CommonName string   `json:"common_name,omitempty"`
	Profile    string   `json:"profile,omitempty"`
	MustStaple bool     `json:"must_staple,omitempty"`
	CSR        string   `json:"csr,omitempty"` // SHA-256 of the administrator's CSR
}

// parked is under what an order is kept while another CA is asked.
func parked(keyType, issuer string) string { return keyType + "@" + issuer }

// Begin makes an order of a key type the one under way. One that was open at
// another CA is put aside: should that CA's turn come again, it is gone on
// with, for the CA may have signed already, and only its answer been lost.
func (k *KnownCert) Begin(keyType string, order Order) {
	if k.Orders == nil {
		k.Orders = map[string]Order{}
	}
	if before := k.Orders[keyType]; before.URL != "" && before.Issuer != order.Issuer {
		k.Orders[parked(keyType, before.Issuer)] = before
	}
	delete(k.Orders, parked(keyType, order.Issuer))
	k.Orders[keyType] = order
}

// OrderAt is the order of a key type that was opened at an issuer: the one
// under way, or one that was put aside.
func (k *KnownCert) OrderAt(keyType, issuer string) (Order, bool) {
	if o, ok := k.Orders[keyType]; ok && o.Issuer == issuer {
		return o, true
	}
	o, ok := k.Orders[parked(keyType, issuer)]
	return o, ok
}

// Tried keeps what is known of the attempts for a key type, or for a name.
func (k *KnownCert) Tried(what string, tries Tries) {
	if k.Tries == nil {
		k.Tries = map[string]Tries{}
	}
	k.Tries[what] = tries
}

// Succeeded forgets the failures of a key type, but for another CA's wish.
func (k *KnownCert) Succeeded(keyType string, now time.Time, issuer string) {
	if left := k.Tries[keyType].Succeeded(now, issuer); left.Imposed.IsZero() {
		delete(k.Tries, keyType)
	} else {
		k.Tries[keyType] = left
	}
}

// DropOrders forgets all orders of a key type.
func (k *KnownCert) DropOrders(keyType string) {
	maps.DeleteFunc(k.Orders, func(key string, _ Order) bool {
		return key == keyType || strings.HasPrefix(key, parked(keyType, ""))
	})
}

// Order is an order that the CA may still know.
type Order struct {
	Issuer   string    `json:"issuer"`
	Key      string    `json:"key"`            // fingerprint of the key saved for it
	Keys     string    `json:"keys,omitempty"` // name of the KnownKeys that the key belongs to
	Request  Request   `json:"request"`
	Replaces string    `json:"replaces,omitempty"`
	URL      string    `json:"url,omitempty"` // "" until newOrder was answered
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"` // RFC 8555 section 7.1.3
	Reason   Reason    `json:"reason"`
	Spent    []string  `json:"spent,omitempty"` // keys of what was taken from the CA's limits for it
	// SpentAt is when that was taken, where it was long before, for an order
	// that the CA never got.
	SpentAt time.Time `json:"spent_at,omitzero"`
}

// Taken is when what it cost was taken from the CA's limits.
func (o Order) Taken() time.Time {
	if o.SpentAt.IsZero() {
		return o.Created
	}
	return o.SpentAt
}

// Tries counts what came to nothing. The count is written before the attempt
// is made, so that a crash loop backs off too.
type Tries struct {
	Count     int       `json:"count"`                // in a row
	Last      time.Time `json:"last"`                 // when the last one began
	NotBefore time.Time `json:"not_before"`           // earliest next one by our own backoff; its jitter was rolled when written
	Ended     time.Time `json:"ended,omitzero"`       // when the last one reported; zero while one is open
	Imposed   time.Time `json:"imposed,omitzero"`     // a CA's Retry-After: binds asks too
	ImposedBy string    `json:"imposed_by,omitempty"` // the CA that Imposed binds; "" binds all
	Crashed   int       `json:"crashed,omitempty"`    // attempts in a row that began and never reported
	Open      bool      `json:"open,omitempty"`       // began, and has not reported
	Fault     *Fault    `json:"fault,omitempty"`
	Issuer    string    `json:"issuer,omitempty"`  // whom the last attempt asked; set before Failed
	Request   *Request  `json:"request,omitempty"` // what it asked for; a changed request starts afresh. nil: not known
	Proof     string    `json:"proof,omitempty"`   // WantedCert.Proof then; a changed one starts afresh. "": not known
}

// Issued is one automatic issue, counted by the guard.
type Issued struct {
	At       time.Time     `json:"at"`
	Names    []string      `json:"names"` // sorted
	KeyType  string        `json:"key_type"`
	Lifetime time.Duration `json:"lifetime"`
}

// Advice is a CA's renewal information (RFC 9773) of one certificate. It
// counts only for the certificate whose id it carries.
type Advice struct {
	CertID   string    `json:"cert_id"`
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
	At       time.Time `json:"at,omitzero"` // chosen once inside the window
	URL      string    `json:"url,omitempty"`
	Asked    time.Time `json:"asked,omitzero"`     // when the CA was last asked
	AskAgain time.Time `json:"ask_again,omitzero"` // the CA's Retry-After
	Failures int       `json:"failures,omitempty"`
	Missing  bool      `json:"missing,omitempty"` // the CA offers none
	Unstored bool      `json:"-"`                 // it could not be stored; only this process knows it
}

// AskKind is what a person asks for.
type AskKind string

// The asks.
const (
	AskApply   AskKind = "apply"   // look now: skip our window's backoff
	AskRenew   AskKind = "renew"   // issue now
	AskVerify  AskKind = "verify"  // connect now
	AskRestore AskKind = "restore" // publish Version and hold it
	AskRelease AskKind = "release" // end a hold
	AskRevoke  AskKind = "revoke"  // what Revocations or a banned key ask for

	// AskRollover asks for other keys. It is kept with the keys where these
	// outlive the certificate, else it is an AskRenew, which brings a new key.
	AskRollover AskKind = "rollover"
)

// Ask is a person's wish, stored before it is acknowledged and dropped by
// the step that answers it.
type Ask struct {
	At      time.Time `json:"at"`
	Version string    `json:"version,omitempty"`
	Issuer  string    `json:"issuer,omitempty"` // of a renewal: who is to be asked
}

// TargetState is how far the published version came at a target.
type TargetState string

// The states of a target, in order.
const (
	TargetPending  TargetState = "pending"
	TargetWritten  TargetState = "written"  // files are in place, services not told yet
	TargetReloaded TargetState = "reloaded" // services were told
	TargetVerified TargetState = "verified" // a handshake showed it
)

// Target is what a node knows of one target.
type Target struct {
	Version  string       `json:"version,omitempty"` // the version State speaks of
	State    TargetState  `json:"state"`
	Config   string       `json:"config,omitempty"` // WantedTarget.Config when it was written
	Files    []File       `json:"files,omitempty"`
	At       time.Time    `json:"at,omitzero"`        // of the last change of state
	Reloaded []string     `json:"reloaded,omitempty"` // services told since the write
	Hooks    []string     `json:"hooks,omitempty"`    // still to run
	Tries    Tries        `json:"tries,omitzero"`     // installs that failed in a row
	Verify   VerifyFact   `json:"verify,omitzero"`
	Altered  []string     `json:"altered,omitempty"` // paths found changed by an inspection
	Refused  *Refused     `json:"refused,omitempty"` // the install that Tries speaks of
	DH       string       `json:"dh,omitempty"`      // DHParams.ID of what its files hold; "" a group of RFC 7919, or none
	Lacks    *Fault       `json:"lacks,omitempty"`   // what its files should hold and do not
	Spare    *Placeholder `json:"placeholder,omitempty"`
	Awaits   *Restart     `json:"awaits,omitempty"`
	Keys     string       `json:"keys,omitempty"` // which keys beside the primary ones its files hold; see keysWords

	Warned time.Time `json:"warned,omitzero"` // when its hook was told last that the certificate ends soon

	// HookTries are the failures in a row of each hook, so that one that
	// fails never stops another. HookFailed and HookDone keep them.
	HookTries map[string]Tries `json:"hook_tries,omitempty"`
}

// File is one installed file as it was written. Size and time of change spare
// an inspection reading it.
type File struct {
	Path    string    `json:"path"`
	SHA256  string    `json:"sha256"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// Refused is an install that failed. It is tried again when version or config
// changes, when asked, or after its backoff: a day where a service would not
// take the version.
type Refused struct {
	Version    string `json:"version"`
	Config     string `json:"config"`
	RolledBack bool   `json:"rolled_back,omitempty"`
}

// Placeholder is a self-signed pair put where a service needs files to start.
type Placeholder struct {
	At time.Time `json:"at"`
}

// VerifyFact is what the handshakes showed.
type VerifyFact struct {
	Version string    `json:"version,omitempty"` // compared with this version
	Pins    string    `json:"pins,omitempty"`    // and with these public key pins; see PinsInPlace
	At      time.Time `json:"at,omitzero"`
	Results []Result  `json:"results,omitempty"`
	Tries   Tries     `json:"tries,omitzero"`
}
