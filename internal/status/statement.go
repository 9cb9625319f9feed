package status

import (
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// OCSP is what the CA says of a certificate's revocation.
type OCSP struct {
	State      string    `json:"state"` // good, ended, missing, no-responder or revoked
	Responder  string    `json:"responder,omitempty"`
	ThisUpdate time.Time `json:"this_update,omitzero"`
	Until      time.Time `json:"until,omitzero"`
	Asked      time.Time `json:"asked,omitzero"`
	AskAgain   time.Time `json:"ask_again,omitzero"`
}

// The states of an OCSP response.
const (
	OCSPGood        = "good"
	OCSPEnded       = "ended"        // it is kept, and believed no more
	OCSPMissing     = "missing"      // none was obtained yet
	OCSPNoResponder = "no-responder" // nobody can be asked
	OCSPRevoked     = "revoked"
)

// SCT is the receipt of a log for a certificate.
type SCT struct {
	Log      string    `json:"log"`
	At       time.Time `json:"at,omitzero"`
	Embedded bool      `json:"embedded"` // the CA put it into the certificate
	Verdict  string    `json:"verdict"`  // unknown where the log is not known, or has given none yet
	Words    string    `json:"words,omitempty"`
}

// ocspOf tells of a pair's OCSP response; nil where none is wanted, or nobody
// asked for one yet.
func ocspOf(now time.Time, p plan.Pair, want plan.WantedCert, known *plan.KnownCert) *OCSP {
	fact := known.StapleOf(p)
	if fact.Leaf == "" || want.OCSP == nil {
		return nil
	}
	o := &OCSP{State: OCSPMissing, Responder: fact.Responder, ThisUpdate: fact.ThisUpdate.UTC(), Until: fact.Ends.UTC(), Asked: fact.Asked.UTC(), AskAgain: fact.AskAgain.UTC()}
	switch {
	case p.Revoked:
		o.State = OCSPRevoked
	case fact.Missing:
		o.State = OCSPNoResponder
	case fact.SHA256 != "" && fact.Ends.After(now):
		o.State = OCSPGood
	case fact.SHA256 != "":
		o.State = OCSPEnded
	}
	return o
}

// sctsOf tells of the receipts of a pair, those in it first, as far as
// somebody wants to know.
func sctsOf(want plan.WantedCert, known plan.Receipts) []SCT {
	all := []SCT{}
	if want.SCT == nil {
		return all
	}
	for _, e := range known.Embedded {
		all = append(all, SCT{Log: e.Log, At: e.At.UTC(), Embedded: true, Verdict: string(e.Verdict), Words: e.Words})
	}
	for _, name := range want.SCT.Logs {
		r := known.Logs[name]
		s := SCT{Log: name, At: r.At.UTC(), Verdict: string(plan.VerdictRight)}
		if r.SHA256 == "" {
			s.Verdict = string(plan.VerdictUnknown)
		}
		all = append(all, s)
	}
	return all
}
