package main

import (
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// statements tells what others say of a certificate.
func (r renderer) statements(c status.Certificate, line func(label, text string)) {
	for _, p := range c.Pairs {
		of := ""
		if len(c.Pairs) > 1 {
			of = p.KeyType + ": "
		}
		if p.OCSP != nil {
			line("OCSP", of+r.ocsp(*p.OCSP))
		}
		if len(p.SCTs) > 0 {
			line("SCTs", of+r.scts(p.SCTs))
		}
	}
}

func (r renderer) ocsp(o status.OCSP) string {
	switch o.State {
	case status.OCSPGood:
		return "good until " + r.when(o.Until) + ", as of " + minute(o.ThisUpdate) + ", from " + o.Responder
	case status.OCSPEnded:
		return "the response ended on " + minute(o.Until) + "; from " + o.Responder
	case status.OCSPNoResponder:
		return "the certificate names no responder; there is nothing to staple"
	case status.OCSPRevoked:
		return "revoked, says the CA"
	}
	if o.Asked.IsZero() {
		return "not asked yet"
	}
	return "nothing was obtained yet; asked " + minute(o.Asked)
}

// scts names the logs, with what is wrong or not known.
func (r renderer) scts(all []status.SCT) string {
	var words []string
	for _, s := range all {
		text := s.Log
		switch {
		case s.Verdict == string(plan.VerdictWrong):
			text += " (wrong: " + s.Words + ")"
		case s.Verdict == string(plan.VerdictUnknown) && s.Embedded:
			text += " (not in the list of logs)"
		case s.Verdict == string(plan.VerdictUnknown):
			text += " (none yet)"
		}
		if s.Embedded {
			text += " in the certificate"
		}
		words = append(words, text)
	}
	return strings.Join(words, ", ")
}
