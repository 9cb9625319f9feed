package fakeca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cert is a certificate with what the CA knows of it.
type cert struct {
	Issuance
	account   *account
	replaced  bool   // an order that replaces it was finalized
	window    window // of its renewal
	digestDER [sha256.Size]byte
	number    *big.Int // Serial
}

// How long the CA's own certificates live: longer than any simulation.
const authorityLife = 60 * 365 * 24 * time.Hour

// makeChain makes root and intermediate.
func (c *CA) makeChain() error {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the root's key: %w", err)
	}
	root, rootPEM, err := c.authority("root", &rootKey.PublicKey, nil, rootKey)
	if err != nil {
		return err
	}
	if c.interKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return fmt.Errorf("make the intermediate's key: %w", err)
	}
	c.rootPEM = rootPEM
	c.inter, c.interPEM, err = c.authority("intermediate", &c.interKey.PublicKey, root, rootKey)
	return err
}

// authority signs a certificate that signs others; without a parent by
// itself.
func (c *CA) authority(role string, pub crypto.PublicKey, parent *x509.Certificate, key crypto.Signer) (*x509.Certificate, []byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key of the %s: %w", role, err)
	}
	id := sha256.Sum256(spki)
	begin := c.opt.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: c.opt.Name + " " + role, Organization: []string{"Simulated CA"}},
		NotBefore:    begin, NotAfter: begin.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: id[:20],
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the %s: %w", role, err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the %s: %w", role, err)
	}
	return signed, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// newSerial is a random positive number of 16 bytes.
func newSerial() *big.Int {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	raw[0] = raw[0]&0x7f | 0x40
	return new(big.Int).SetBytes(raw)
}

// finalize signs what a ready order asks for (RFC 8555 section 7.4).
func (c *CA) finalize(rq *request) reply {
	o := c.orders[rq.id]
	switch {
	case o == nil:
		return notFound("there is no such order").reply()
	case o.account != rq.account:
		return unauthorized("the order is another account's").reply()
	}
	if p := c.overloaded(rq); p != nil {
		return p.reply()
	}
	if status := o.status(rq.now); status != "ready" {
		return (&problem{Type: "orderNotReady", Status: http.StatusForbidden, Detail: "the order is " + status}).reply()
	}
	var sent struct {
		CSR string `json:"csr"`
	}
	if p := rq.read(&sent); p != nil {
		return p.reply()
	}
	csr, err := readCSR(sent.CSR, o.names, rq.account.key.key)
	if err != nil {
		return (&problem{Type: "badCSR", Status: http.StatusBadRequest, Detail: err.Error()}).reply()
	}
	if err := c.sign(rq.now, o, csr); err != nil {
		return (&problem{Type: "serverInternal", Status: http.StatusInternalServerError, Detail: err.Error()}).reply()
	}
	o.ready = rq.now.Add(c.opt.SignTime)
	delete(c.open, o.key())
	if old := c.byCertID[o.replaces]; old != nil {
		old.replaced = true
	}
	c.count(rq.now, o)
	a := c.orderReply(http.StatusOK, o, "processing")
	c.pollLater(rq.now, c.orderURL(o), &a)
	return a
}

// count holds a certificate against the limits.
func (c *CA) count(now time.Time, o *order) {
	c.spend(now, c.sameNamesLimit(o.names))
	c.had[strings.Join(o.names, ",")] = true
	if o.renewal {
		return
	}
	for _, l := range c.domainLimits(o.names) {
		c.spend(now, l)
	}
}

// readCSR checks a CSR against the order's names.
func readCSR(text string, names []string, accountKey crypto.PublicKey) (*x509.CertificateRequest, error) {
	der, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the CSR is no base64url: %w", err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("the CSR cannot be read: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the CSR is not signed by its key: %w", err)
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() || key.Equal(accountKey) {
			return nil, errors.New("the CSR's key is on a small curve, or is the account's")
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 4096 || key.Equal(accountKey) {
			return nil, errors.New("the CSR's key has not 2048 to 4096 bits, or is the account's")
		}
	default:
		return nil, errors.New("the CSR's key is neither ECDSA nor RSA")
	}
	var asked []string
	for _, name := range csr.DNSNames {
		asked = append(asked, strings.ToLower(name))
	}
	for _, ip := range csr.IPAddresses {
		asked = append(asked, ip.String())
	}
	if name := csr.Subject.CommonName; name != "" {
		asked = append(asked, strings.ToLower(name))
	}
	slices.Sort(asked)
	if asked = slices.Compact(asked); !slices.Equal(asked, names) {
		return nil, fmt.Errorf("the CSR is for %v, the order for %v", asked, names)
	}
	return csr, nil
}

// template is the certificate that an order asks for.
func (c *CA) template(now time.Time, o *order, csr *x509.CertificateRequest) *x509.Certificate {
	begin := now.Add(-time.Hour).UTC().Truncate(time.Second)
	t := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: csr.Subject.CommonName},
		NotBefore:    begin, NotAfter: begin.Add(c.opt.Profiles[o.profile] - time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if c.opt.OCSPLife > 0 {
		t.OCSPServer = []string{c.base + "/" + ocspPath}
	}
	if c.opt.CRLLife > 0 {
		t.CRLDistributionPoints = []string{c.base + "/" + crlPath}
	}
	for _, name := range o.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	for _, extension := range csr.Extensions {
		if extension.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}) { // must-staple, RFC 7633
			t.ExtraExtensions = append(t.ExtraExtensions, extension)
		}
	}
	return t
}

// sign signs an order's certificate and takes it into the books.
func (c *CA) sign(now time.Time, o *order, csr *x509.CertificateRequest) error {
	t := c.template(now, o, csr)
	der, err := x509.CreateCertificate(rand.Reader, t, c.inter, csr.PublicKey, c.interKey)
	if err != nil {
		return fmt.Errorf("sign the certificate: %w", err)
	}
	spki := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	// The number as DER writes it: newSerial leaves its first bit clear.
	id := base64.RawURLEncoding.EncodeToString(c.inter.SubjectKeyId) + "." +
		base64.RawURLEncoding.EncodeToString(t.SerialNumber.Bytes())
	o.cert = &cert{
		Issuance: Issuance{
			At: now, Account: o.account.url, Order: c.orderURL(o), OrderEnds: o.expires, Profile: o.profile, Names: o.names,
			KeyType: keyTypeOf(csr.PublicKey), SPKI: hex.EncodeToString(spki[:]), Serial: hex.EncodeToString(t.SerialNumber.Bytes()),
			CertID: id, Replaces: o.replaces, NotBefore: t.NotBefore, NotAfter: t.NotAfter,
			Chain: append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), c.interPEM...),
		},
		account: o.account, window: c.suggested(t.NotBefore, t.NotAfter), digestDER: sha256.Sum256(der), number: t.SerialNumber,
	}
	c.issued = append(c.issued, o.cert)
	c.certs[o.cert.Serial], c.byCertID[id] = o.cert, o.cert
	return nil
}

// keyTypeOf names the kind of a key that readCSR let in.
func keyTypeOf(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return "ecdsa-p" + strconv.Itoa(key.Curve.Params().BitSize)
	case *rsa.PublicKey:
		return "rsa-" + strconv.Itoa(key.N.BitLen())
	}
	return ""
}

// download hands out a chain (RFC 8555 section 7.4.2).
func (c *CA) download(rq *request) reply {
	got := c.certs[rq.id]
	switch {
	case got == nil:
		return notFound("there is no such certificate").reply()
	case got.account != rq.account:
		return unauthorized("the certificate is another account's").reply()
	}
	got.Fetched = true
	return reply{status: http.StatusOK, pem: got.Chain}
}
