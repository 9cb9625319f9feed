package verify

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// judge compares what was seen with the chains that may be shown.
func judge(seen sight, allowed []chain.Chain) (plan.Verdict, string) {
	if len(seen.certs) == 0 {
		return plan.VerdictUnknown, command.Escape(fmt.Sprint(seen.err))
	}
	words := ""
	for _, want := range allowed {
		right, why := compare(seen.certs, want)
		if right && seen.err != nil {
			// Anybody can show a certificate; only the handshake's end proves
			// that its key is there too.
			return plan.VerdictUnknown, command.Escape(fmt.Sprintf("shows the right certificate, but then fails: %v", seen.err))
		}
		if right {
			return plan.VerdictRight, ""
		}
		if words == "" || sameLeaf(seen.certs, want) {
			words = why
		}
	}
	return plan.VerdictWrong, words
}

func sameLeaf(seen []*x509.Certificate, want chain.Chain) bool {
	return bytes.Equal(seen[0].Raw, want.Leaf().Raw)
}

// compare reports whether the presented certificates are the wanted ones, else
// how they differ. A root at the end makes no difference: clients have their
// own. A missing intermediate does: many clients then fail.
func compare(seen []*x509.Certificate, want chain.Chain) (bool, string) {
	if !sameLeaf(seen, want) {
		return false, "presents " + describe(seen)
	}
	shown, wanted := withoutRoot(seen), withoutRoot(want.Certs)
	for i, cert := range wanted {
		if i >= len(shown) {
			return false, fmt.Sprintf("presents the right certificate without %d of its %d intermediate certificates (%s)",
				len(wanted)-i, len(wanted)-1, subject(cert))
		}
		if !bytes.Equal(cert.Raw, shown[i].Raw) {
			return false, fmt.Sprintf("presents the right certificate with another chain: %s in place of %s", subject(shown[i]), subject(cert))
		}
	}
	if len(shown) > len(wanted) {
		return false, fmt.Sprintf("presents the right certificate with more than its chain: %s", subject(shown[len(wanted)]))
	}
	return true, ""
}

// withoutRoot leaves out a self-signed certificate at the end of a chain.
func withoutRoot(certs []*x509.Certificate) []*x509.Certificate {
	last := len(certs) - 1
	if last > 0 && bytes.Equal(certs[last].RawSubject, certs[last].RawIssuer) {
		return certs[:last]
	}
	return certs
}

// describe says what is presented: names, issuer, end.
func describe(seen []*x509.Certificate) string {
	const most = 5
	leaf := chain.Chain{Certs: seen}
	facts := leaf.Facts()
	names := facts.Names
	if len(names) == 0 {
		names = []string{"no name"}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most:most], fmt.Sprintf("%d more", more))
	}
	return command.Escape(fmt.Sprintf("a certificate for %s, issued by %s, valid until %s",
		strings.Join(names, ", "), facts.CA, facts.NotAfter.UTC().Format(time.RFC3339)))
}

// subject names a certificate of a chain.
func subject(cert *x509.Certificate) string {
	if cert.Subject.CommonName != "" {
		return command.Escape(cert.Subject.CommonName)
	}
	return command.Escape(cert.Subject.String())
}
