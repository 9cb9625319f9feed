package chain

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
)

// KeyError says that a certificate is for another key than the expected one.
type KeyError struct {
	Want, Have string // fingerprints, see keys.Fingerprint
}

// Error says what does not fit.
func (e *KeyError) Error() string {
	return fmt.Sprintf("the certificate is for another key: its public key is %.16s…, ours %.16s…", e.Have, e.Want)
}

// NamesError says which names a certificate lacks.
type NamesError struct {
	Missing []string // as they were asked for
	Have    []string // what it covers
}

// Error lists what is missing, and some of what is there.
func (e *NamesError) Error() string {
	have := strings.Join(e.Have[:min(len(e.Have), 5)], ", ")
	if len(e.Have) > 5 {
		have += ", …"
	}
	if have == "" {
		have = "no name"
	}
	return fmt.Sprintf("the certificate does not cover %s (it has %s)", strings.Join(e.Missing, ", "), have)
}

// LinkError says where a chain is broken.
type LinkError struct {
	Cert, Next string // subjects of the certificate and of the one that did not sign it
	Err        error
}

// Error says which certificate did not sign which.
func (e *LinkError) Error() string {
	return fmt.Sprintf("the chain is broken: %q is not signed by %q: %v", e.Cert, e.Next, e.Err)
}

// Unwrap returns the reason that crypto/x509 gave.
func (e *LinkError) Unwrap() error { return e.Err }

// Check says whether the chain is one for the public key pub that covers
// every one of names, each certificate signed by the next. It returns a
// *KeyError, *NamesError or *LinkError. More names than asked for are no
// error, and neither are its dates: a clock may be wrong, so time alone never
// discards a chain. Whether its end leads to a trusted root is not looked at.
func (c Chain) Check(pub crypto.PublicKey, names []string) error {
	if err := c.Fits(pub); err != nil {
		return err
	}
	have := Names(c.Leaf())
	var missing []string
	for _, name := range names {
		if _, found := slices.BinarySearch(have, canonical(name)); !found {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return &NamesError{Missing: missing, Have: have}
	}
	return c.linked()
}

// Fits says whether the certificate is for the public key pub; else it returns
// a *KeyError.
func (c Chain) Fits(pub crypto.PublicKey) error {
	want, err := keys.Fingerprint(pub)
	if err != nil {
		return err
	}
	if have := c.SPKI(); have != want {
		return &KeyError{Want: want, Have: have}
	}
	return nil
}

// Leads says whether each certificate names the next one as its issuer, without
// trying signatures: enough for a chain that Check saw before it was kept. It
// returns a *LinkError.
func (c Chain) Leads() error {
	for i, cert := range c.Certs[:len(c.Certs)-1] {
		next := c.Certs[i+1]
		var err error
		switch {
		case !bytes.Equal(cert.RawIssuer, next.RawSubject):
			err = fmt.Errorf("it names %q as its issuer", cert.Issuer)
		case len(cert.AuthorityKeyId) > 0 && len(next.SubjectKeyId) > 0 && !bytes.Equal(cert.AuthorityKeyId, next.SubjectKeyId):
			err = errors.New("it names another key of that issuer")
		default:
			continue
		}
		return &LinkError{Cert: subject(cert), Next: subject(next), Err: err}
	}
	return nil
}

// linked checks the signatures along the chain.
func (c Chain) linked() error {
	for i, cert := range c.Certs[:len(c.Certs)-1] {
		next := c.Certs[i+1]
		if err := cert.CheckSignatureFrom(next); err != nil {
			return &LinkError{Cert: subject(cert), Next: subject(next), Err: err}
		}
	}
	return nil
}

// subject names a certificate for people.
func subject(cert *x509.Certificate) string {
	switch {
	case cert.Subject.CommonName != "":
		return cert.Subject.CommonName
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	default:
		return cert.Subject.String()
	}
}

// Names lists the subject alternative names of a certificate that a CA can
// be asked for: DNS names in lower case and IP addresses, sorted, each once.
// The common name is none of them (RFC 9525 section 2).
func Names(cert *x509.Certificate) []string {
	names := make([]string, 0, len(cert.DNSNames)+len(cert.IPAddresses))
	for _, name := range cert.DNSNames {
		names = append(names, canonical(name))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, canonical(ip.String()))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// canonical makes two spellings of one name equal: letters in lower case,
// addresses in their shortest form. A wildcard is a name like any other: it
// stands for itself, not for what it would match.
func canonical(name string) string {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(name)
}
