package plan

import "time"

// Blame says whose fault a failure is, and so who can mend it.
type Blame string

// Who can mend it.
const (
	BlameAdmin   Blame = "admin"   // config, DNS, firewall, files: a person here
	BlameCA      Blame = "ca"      // the CA is down, slow or wrong
	BlameNetwork Blame = "network" // nobody was reached
	BlameUs      Blame = "us"      // a defect of Certkeep
)

// Fault is a failure as a fact: what happened, in whose words.
type Fault struct {
	Code   Code      `json:"code"`
	Words  string    `json:"words"`            // what was being done and what happened
	Detail []string  `json:"detail,omitempty"` // the other side's own words, one line each
	Blame  Blame     `json:"blame,omitempty"`
	At     time.Time `json:"at"`
}

// Severity orders problems.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Problem is a condition that a person must know. It is derived from facts,
// and shown the same by every command.
type Problem struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Cert     string    `json:"certificate,omitempty"`
	Target   string    `json:"target,omitempty"`
	Words    string    `json:"words"`
	Detail   []string  `json:"detail,omitempty"`
	Remedy   string    `json:"remedy"`
	Since    time.Time `json:"since,omitzero"`
}
