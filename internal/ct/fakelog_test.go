package ct_test

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
	"encoding/binary"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
)

// testLog is a log of the test's own.
type testLog struct {
	ct.Log
	key    crypto.Signer
	static bool // adds the index of the entry, as logs of the static API do
}

func newLog(t testing.TB, key crypto.Signer) *testLog {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &testLog{key: key, Log: ct.Log{Name: "test", URL: "http://log.example.test", Key: spki, ID: sha256.Sum256(spki)}}
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign gives the receipt for an entry; what it signs is written down byte by
// byte (RFC 6962 section 3.2).
func (l *testLog) sign(t testing.TB, kind uint16, entry []byte, at time.Time) ct.SCT {
	t.Helper()
	s := ct.SCT{Log: l.ID, Timestamp: uint64(at.UnixMilli()), Hash: 4, Sign: 3}
	if _, isRSA := l.key.(*rsa.PrivateKey); isRSA {
		s.Sign = 1
	}
	if l.static {
		s.Extensions = []byte{0, 0, 5, 0, 0, 0, 0, 9} // leaf_index 9
	}
	signed := binary.BigEndian.AppendUint64([]byte{0, 0}, s.Timestamp)
	signed = append(binary.BigEndian.AppendUint16(signed, kind), entry...)
	signed = append(binary.BigEndian.AppendUint16(signed, uint16(len(s.Extensions))), s.Extensions...)
	sum := sha256.Sum256(signed)
	var err error
	if s.Signature, err = l.key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	return s
}

// sized puts the length of b before it, in three bytes.
func sized(b []byte) []byte {
	return append([]byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
}

// receipt is for a certificate as it is.
func (l *testLog) receipt(t testing.TB, leaf *x509.Certificate, at time.Time) ct.SCT {
	return l.sign(t, 0, sized(leaf.Raw), at)
}

// preReceipt is for a certificate before it has receipts.
func (l *testLog) preReceipt(t testing.TB, leaf, issuer *x509.Certificate, at time.Time) ct.SCT {
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	return l.sign(t, 1, append(key[:], sized(leaf.RawTBSCertificate)...), at)
}

// answer is what the log says to add-chain.
func answer(t testing.TB, s ct.SCT) []byte {
	signature := append([]byte{s.Hash, s.Sign, byte(len(s.Signature) >> 8), byte(len(s.Signature))}, s.Signature...)
	text, err := json.Marshal(map[string]any{
		"sct_version": 0, "id": s.Log[:], "timestamp": s.Timestamp, "extensions": slices.Concat([]byte{}, s.Extensions), "signature": signature,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// serve opens the log under an address.
func (l *testLog) serve(t *testing.T, root *x509.Certificate) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.RequestURI != "/2026/ct/v1/add-chain" {
			http.NotFound(w, r)
			return
		}
		var body struct{ Chain [][]byte }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Chain) == 0 {
			http.Error(w, "no chain", http.StatusBadRequest)
			return
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root)
		var chain []*x509.Certificate
		for _, der := range body.Chain {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			chain = append(chain, cert)
			between.AddCert(cert)
		}
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
			http.Error(w, "unknown root", http.StatusBadRequest)
			return
		}
		w.Write(answer(t, l.receipt(t, chain[0], earlier())))
	}))
	t.Cleanup(server.Close)
	l.URL = server.URL + "/2026/"
}

// earlier is when logs received what tests ask about: OpenSSL counts whole
// seconds, and takes the present one for the future.
func earlier() time.Time { return time.Now().Add(-30 * time.Second) }

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue signs a certificate of key with by, or with itself.
func issue(t testing.TB, by *pair, key *ecdsa.PrivateKey, template x509.Certificate) pair {
	t.Helper()
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour)
	}
	if by == nil {
		by = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

func newCA(t testing.TB, name string) pair {
	return issue(t, nil, ecKey(t), x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
}

func leafTemplate() x509.Certificate {
	return x509.Certificate{
		SerialNumber: big.NewInt(5), DNSNames: []string{"www.example.test"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
}

// newLeafWith makes a certificate with the receipts of some logs in it, as a CA
// does: first without them, then with.
func newLeafWith(t testing.TB, ca pair, at time.Time, logs ...*testLog) pair {
	t.Helper()
	key, template := ecKey(t), leafTemplate()
	before := issue(t, &ca, key, template)
	var list []byte
	for _, l := range logs {
		b, err := l.preReceipt(t, before.cert, ca.cert, at).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		list = append(binary.BigEndian.AppendUint16(list, uint16(len(b))), b...)
	}
	value, err := asn1.Marshal(append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...))
	if err != nil {
		t.Fatal(err)
	}
	template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}}
	return issue(t, &ca, key, template)
}
