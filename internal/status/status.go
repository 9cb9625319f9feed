// Package status tells how the wanted certificates are. Of is the function to
// call first: it makes an Overview from what plan and the store know, without
// asking anything else, so that it answers while the engine hangs, after it
// was killed, and for any reader without a lock. Forecast tells in the same
// way what will be done next.
//
// The structs are published: their JSON is specified in docs/json.md and only
// ever gains fields.
package status

import (
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// State is how something is, in the words of monitoring.
type State string

// The states.
const (
	OK       State = "ok"
	Warning  State = "warning"
	Critical State = "critical" // missing, ended, revoked, another one is served, or the warning window is nearly over
	Unknown  State = "unknown"  // its record cannot be read
)

// Overview is how all wanted certificates are.
type Overview struct {
	Time         time.Time      `json:"time"`
	Node         string         `json:"node"`
	State        State          `json:"state"` // the worst of all
	Certificates []Certificate  `json:"certificates"`
	Problems     []plan.Problem `json:"problems"`      // of no single certificate
	NotInConfig  []string       `json:"not_in_config"` // stored, and no longer wanted
}

// Certificate is how one certificate is.
type Certificate struct {
	Name      string         `json:"name"`
	State     State          `json:"state"`
	Names     []string       `json:"names"`
	Issuers   []string       `json:"issuers"`   // in order of preference
	KeyTypes  []string       `json:"key_types"` // wanted
	Mode      string         `json:"mode"`      // who decides that it is renewed: auto, manual or static
	Published string         `json:"published,omitempty"`
	Held      bool           `json:"held"`
	NotBefore time.Time      `json:"not_before,omitzero"`
	NotAfter  time.Time      `json:"not_after,omitzero"` // when the first of its pairs ends
	Pairs     []Pair         `json:"pairs"`
	Renewal   *Renewal       `json:"renewal,omitempty"`
	Keys      *Keys          `json:"keys,omitempty"`
	Orders    []Order        `json:"orders"`
	Attempts  []Attempt      `json:"attempts"` // in vain since the last success
	Targets   []Target       `json:"targets"`
	Problems  []plan.Problem `json:"problems"`
	Failure   *Failure       `json:"last_failure,omitempty"`

	Authorized []Authorized `json:"authorized,omitempty"` // of `authorizations` alone

	missing, ended, wrong bool
}

// Authorized is a name that is kept proven without a certificate.
type Authorized struct {
	Name    string    `json:"name"`
	Issuer  string    `json:"issuer,omitempty"` // that takes it as proven
	Expires time.Time `json:"expires,omitzero"`
}

// Pair is what is published for one key type.
type Pair struct {
	KeyType   string    `json:"key_type"`
	Issuer    string    `json:"issuer,omitempty"`
	CA        string    `json:"ca,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`
	Key       string    `json:"key"`
	Names     []string  `json:"names"` // asked for
	Made      time.Time `json:"made,omitzero"`
	CertID    string    `json:"cert_id,omitempty"` // RFC 9773 section 4.1
	OCSP      *OCSP     `json:"ocsp,omitempty"`
	SCTs      []SCT     `json:"scts"`
	Advice    *Advice   `json:"renewal_info,omitempty"`
}

// Renewal is when something new is obtained, and why then.
type Renewal struct {
	At      time.Time   `json:"at"`
	KeyType string      `json:"key_type,omitempty"`
	Issuer  string      `json:"issuer,omitempty"`
	Reason  plan.Reason `json:"reason"`
}

// Order is an order that is under way at a CA.
type Order struct {
	KeyType string      `json:"key_type"`
	Issuer  string      `json:"issuer"`
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires,omitzero"`
	Reason  plan.Reason `json:"reason"`
}

// Target is how far the published version came at one place.
type Target struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`             // pending, written, reloaded or verified
	Current  bool      `json:"current"`           // State speaks of the published version
	Version  string    `json:"version,omitempty"` // what lies there
	At       time.Time `json:"at,omitzero"`
	Awaits   time.Time `json:"awaits_restart_since,omitzero"` // its services go on serving another version until somebody restarts them
	Services []string  `json:"services"`
	Files    []string  `json:"files"`
	Verify   *Verify   `json:"verify,omitempty"`
}

// Verify is what the last handshakes showed.
type Verify struct {
	Verdict string     `json:"verdict"` // the worst of the results
	At      time.Time  `json:"at"`
	Version string     `json:"version"` // what was looked for
	Results []Endpoint `json:"results"`
}

// Endpoint is what one handshake showed.
type Endpoint struct {
	Endpoint string `json:"endpoint"`
	KeyType  string `json:"key_type,omitempty"`
	Verdict  string `json:"verdict"`
	Words    string `json:"words,omitempty"`
}

// Failure is the last thing that failed and has not succeeded since.
type Failure struct {
	Code   plan.Code `json:"code"`
	At     time.Time `json:"at"`
	Words  string    `json:"words"`
	Detail []string  `json:"detail"`
	Remedy string    `json:"remedy"`
}

// Of makes the overview of a world at an instant.
func Of(now time.Time, w plan.World) Overview {
	o := Overview{
		Time: now.UTC(), Node: w.Wanted.Node, State: OK,
		Certificates: make([]Certificate, 0, len(w.Wanted.Certs)), Problems: []plan.Problem{}, NotInConfig: []string{},
	}
	wanted := make(map[string]bool, len(w.Wanted.Certs))
	for _, want := range w.Wanted.Certs {
		wanted[want.Name] = true
		o.Certificates = append(o.Certificates, certificate(now, w, want))
	}
	for name := range w.Known.Certs {
		if !wanted[name] {
			o.NotInConfig = append(o.NotInConfig, name)
		}
	}
	slices.Sort(o.NotInConfig)
	o.AddProblems(slices.Concat(plan.StoreProblems(w), plan.ChannelProblems(w)))
	return o
}

// Only leaves the named certificates. What speaks of others is left out.
func (o Overview) Only(names []string) Overview {
	o.Certificates = slices.DeleteFunc(slices.Clone(o.Certificates), func(c Certificate) bool { return !slices.Contains(names, c.Name) })
	o.NotInConfig = slices.DeleteFunc(slices.Clone(o.NotInConfig), func(n string) bool { return !slices.Contains(names, n) })
	o.State = worst(o.Certificates, o.Problems)
	return o
}

// worst is the state of the whole: critical before unknown before warning, so
// that a certificate nobody can say anything of is not hidden by a warning.
func worst(of []Certificate, problems []plan.Problem) State {
	state := OK
	for _, c := range of {
		state = worse(state, c.State)
	}
	for _, p := range problems {
		state = worse(state, stateOf(p.Severity))
	}
	return state
}

func worse(a, b State) State {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(s State) int { return slices.Index([]State{OK, Warning, Unknown, Critical}, s) }

func stateOf(s plan.Severity) State {
	if s == plan.Critical {
		return Critical
	}
	return Warning
}

// AddProblems adds conditions of no single certificate that only a running
// process knows.
func (o *Overview) AddProblems(problems []plan.Problem) {
	o.Problems = append(o.Problems, problems...)
	o.State = worst(o.Certificates, o.Problems)
}
