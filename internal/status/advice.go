package status

import (
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Advice is what the CA says of a certificate's renewal (RFC 9773).
type Advice struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	At       time.Time `json:"at"`            // chosen inside the window
	URL      string    `json:"url,omitempty"` // where the CA says why
	Asked    time.Time `json:"asked,omitzero"`
	AskAgain time.Time `json:"ask_again,omitzero"`
}

// adviceOf is the CA's window for a pair, where it is followed and known.
func adviceOf(p plan.Pair, want plan.WantedCert, known *plan.KnownCert) *Advice {
	a := known.Advice[p.KeyType]
	if !want.Renew.ARI || a.CertID == "" || a.CertID != p.CertID || a.At.IsZero() {
		return nil
	}
	return &Advice{Start: a.Start.UTC(), End: a.End.UTC(), At: a.At.UTC(), URL: a.URL, Asked: a.Asked.UTC(), AskAgain: a.AskAgain.UTC()}
}
