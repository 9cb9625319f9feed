package verify

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/plan"
)

// byDANE judges what is right in itself by the TLSA records. A root that a
// client has of its own is not known here: a record of one counts only where
// the service shows it too.
func (e Endpoint) byDANE(seen sight, allowed []chain.Chain) (plan.Verdict, string) {
	shown := seen.certs
	if len(shown) == 0 {
		shown = allowed[0].Certs // it was seen in TLS 1.3, and is right
	}
	if err := e.TLSA.Check(dane.Presented{Chain: shown, Root: root(shown)}, e.ServerName, time.Now()); err != nil {
		return plan.VerdictWrong, command.Escape(fmt.Sprintf("presents the right certificate, which clients that look at its TLSA records refuse: %v", err))
	}
	return plan.VerdictRight, ""
}

// root is the self-signed certificate at the end of what is shown, or nil.
func root(shown []*x509.Certificate) *x509.Certificate {
	if last := len(shown) - 1; len(withoutRoot(shown)) == last {
		return shown[last]
	}
	return nil
}
