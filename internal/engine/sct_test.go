package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// testLog is a log of the test's own (RFC 6962).
type testLog struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu     sync.Mutex // guards what follows
	status int        // instead of a receipt; 0 gives one
	handed [][]byte   // leaves that it received
}

func newTestLog(t *testing.T) *testLog {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &testLog{key: key}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	l.Config.Handler = l
	return l
}

// spki is the public key.
func (l *testLog) spki() []byte {
	der, err := x509.MarshalPKIXPublicKey(&l.key.PublicKey)
	if err != nil {
		panic(err) // of a key that was made here
	}
	return der
}

// config is the log's entry in the config.
func (l *testLog) config(name string) string {
	return fmt.Sprintf("{name: %s, url: %q, key: %q}", name, l.URL, base64.StdEncoding.EncodeToString(l.spki()))
}

func (l *testLog) fail(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

func (l *testLog) received() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.handed)
}

// ServeHTTP answers add-chain (RFC 6962 section 4.1).
func (l *testLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status != 0 {
		http.Error(w, "no", l.status)
		return
	}
	var body struct{ Chain [][]byte }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/ct/v1/add-chain" || len(body.Chain) < 2 {
		http.Error(w, "no chain", http.StatusBadRequest)
		return
	}
	l.handed = append(l.handed, body.Chain[0])
	s := l.sign(0, sized(body.Chain[0]))
	_ = json.NewEncoder(w).Encode(map[string]any{
		"sct_version": 0, "id": s.Log[:], "timestamp": s.Timestamp, "extensions": []byte{},
		"signature": append([]byte{4, 3, byte(len(s.Signature) >> 8), byte(len(s.Signature))}, s.Signature...),
	})
}

// sign gives the receipt for an entry of a kind (RFC 6962 section 3.2).
func (l *testLog) sign(kind uint16, entry []byte) ct.SCT {
	s := ct.SCT{Log: sha256.Sum256(l.spki()), Timestamp: uint64(time.Now().UnixMilli()), Hash: 4, Sign: 3}
	signed := binary.BigEndian.AppendUint64([]byte{0, 0}, s.Timestamp)
	signed = append(binary.BigEndian.AppendUint16(signed, kind), entry...)
	sum := sha256.Sum256(append(signed, 0, 0))
	var err error
	if s.Signature, err = l.key.Sign(rand.Reader, sum[:], nil); err != nil {
		panic(err) // of a key that was made here
	}
	return s
}

// sized puts the length of b before it, in three bytes.
func sized(b []byte) []byte {
	return append([]byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
}

// TestReceipts: each certificate is handed to each log once, and the receipts
// lie in files, which are put back where they are lost.
func TestReceipts(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	one, two := newTestLog(t), newTestLog(t)
	two.fail(http.StatusServiceUnavailable)
	hook := f.script("hook", fmt.Sprintf("echo \"$CERTKEEP_EVENT\" >> %s/told\n", f.dir))
	config := fmt.Sprintf(`
ct_logs: {own: [%s, %s]}
hooks: {sct-updated: {command: %s}}
certificates: {a.test: {key_types: [ecdsa-p256, rsa-2048], sct: {directory: "%s/scts/{name}/{key_type}", logs: [one, two], mode: "0640"}}}
`, one.config("one"), two.config("two"), hook, f.dir)
	f.configure(config)
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil || !report.Failed {
		t.Fatalf("a log that fails is no failure: %v", err)
	}
	f.checkServed("a.test")
	if p := f.problem(plan.CodeSCT); !strings.Contains(p.Words, `"two"`) {
		t.Errorf("problem %+v", p)
	}
	two.fail(0)
	f.askApply("a.test")
	f.apply()
	if a, b := len(one.received()), len(two.received()); a != 2 || b != 2 {
		t.Errorf("the logs received %d and %d certificates, want 2 each", a, b)
	}
	for _, l := range []struct {
		name string
		*testLog
	}{{"one", one}, {"two", two}} {
		for _, keyType := range []string{"ecdsa-p256", "rsa-2048"} {
			f.checkReceipt(l.testLog, filepath.Join(f.dir, "scts/a.test", keyType, l.name+".sct"))
		}
	}
	if n := f.happened("a.test", store.EventSCTUpdated); n != 2 || len(f.lines("told")) != 2 {
		t.Errorf("%d events, hooks told %q, want two of each", n, f.lines("told"))
	}
	lost := filepath.Join(f.dir, "scts/a.test/rsa-2048/two.sct")
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(config)
	f.apply()
	f.checkReceipt(two, lost)
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
	if a, b := len(one.received()), len(two.received()); a != 2 || b != 2 {
		t.Errorf("the logs received %d and %d certificates in the end", a, b)
	}
}

// checkReceipt fails the test unless a file holds a receipt of a log for one of
// the certificates that it received.
func (f *fixture) checkReceipt(l *testLog, path string) {
	f.Helper()
	s := f.receipt(path)
	for _, der := range l.received() {
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			f.Fatal(err)
		}
		if l.gave(s, leaf) {
			return
		}
	}
	f.Errorf("%s holds no receipt of the log", path)
}

// receipt is what a file with a receipt holds.
func (f *fixture) receipt(path string) ct.SCT {
	f.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		f.Errorf("%s: %v, %v", path, info.Mode(), err)
	}
	s, err := ct.Parse(text)
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// gave reports whether a receipt is the log's, for that certificate.
func (l *testLog) gave(s ct.SCT, leaf *x509.Certificate) bool {
	log := ct.Log{Name: "test", Key: l.spki(), ID: sha256.Sum256(l.spki())}
	return log.Verify(s, leaf, time.Now()) == nil
}

// TestLogOfAList: a log is found in a list of the browsers' form by its name
// and the time that the certificate ends in; a name that is not there is a
// problem that names the list's.
func TestLogOfAList(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	log, year := newTestLog(t), time.Now().AddDate(0, 3, 0).Year()
	list := filepath.Join(f.dir, "list.json")
	id := sha256.Sum256(log.spki())
	text, err := json.Marshal(map[string]any{"operators": []any{map[string]any{"name": "Test", "tiled_logs": []any{map[string]any{
		"description": fmt.Sprintf("Test 'Oak%d' log", year), "log_id": id[:], "key": log.spki(), "submission_url": log.URL + "/",
		"state":             map[string]any{"usable": map[string]any{}},
		"temporal_interval": map[string]any{"start_inclusive": time.Now().Add(-time.Hour), "end_exclusive": time.Now().AddDate(1, 0, 0)},
	}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	config := "ct_logs: {list: %s}\ncertificates: {a.test: {sct: {directory: %s/scts, logs: [%s]}}}\n"
	f.configure(fmt.Sprintf(config, list, f.dir, "test_elm"))
	if fault := f.failing(); fault.Code != plan.CodeSCT || fault.Blame != plan.BlameAdmin || !strings.Contains(fault.Words, "test_elm") {
		t.Errorf("fault %+v", fault)
	}
	f.configure(fmt.Sprintf(config, list, f.dir, "test_oak"))
	f.apply()
	if _, err := os.Stat(filepath.Join(f.dir, "scts/test_oak.sct")); err != nil || len(log.received()) != 1 {
		t.Errorf("the log received %d certificates: %v", len(log.received()), err)
	}
}

// TestEmbeddedReceipts: what the CA put into a certificate is checked where the
// log is known.
func TestEmbeddedReceipts(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	known, forged, strange := newTestLog(t), newTestLog(t), newTestLog(t)
	f.installWithReceipts("a.test", func(key, tbs []byte) []ct.SCT {
		entry := slices.Concat(key, sized(tbs))
		wrong := forged.sign(1, append(slices.Clone(entry), 0))
		return []ct.SCT{known.sign(1, entry), wrong, strange.sign(1, entry)}
	})
	f.configure(fmt.Sprintf("ct_logs: {own: [%s, %s]}\ncertificates: {a.test: {}}\n", known.config("known"), forged.config("forged")))
	f.apply()
	var got []string
	for _, e := range f.known("a.test").SCT[ecKey].Embedded {
		got = append(got, e.Log+" "+string(e.Verdict))
	}
	id := ct.LogID(sha256.Sum256(strange.spki()))
	want := []string{"known right", "forged wrong", id.String() + " unknown"}
	if !slices.Equal(got, want) {
		t.Errorf("embedded %q, want %q", got, want)
	}
	if p := f.problem(plan.CodeSCTWrong); !strings.Contains(p.Words, "forged") {
		t.Errorf("problem %+v", p)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
}

// installWithReceipts puts a certificate with receipts in it where it is
// adopted. Make is given the digest of the issuer's key and what logs sign.
func (f *fixture) installWithReceipts(name string, mk func(key, tbs []byte) []ct.SCT) {
	f.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	sign := func(template, parent *x509.Certificate, public any) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, caKey)
		if err != nil {
			f.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			f.Fatal(err)
		}
		return cert
	}
	root := *ca
	root.Subject.CommonName = "root" // a chain does not hold it
	ca = sign(ca, &root, &caKey.PublicKey)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0)}
	before := sign(template, ca, &key.PublicKey)
	digest := sha256.Sum256(ca.RawSubjectPublicKeyInfo)
	var list []byte
	for _, s := range mk(digest[:], before.RawTBSCertificate) {
		b, err := s.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		list = append(binary.BigEndian.AppendUint16(list, uint16(len(b))), b...)
	}
	value, err := asn1.Marshal(append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...))
	if err != nil {
		f.Fatal(err)
	}
	template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}}
	leaf := sign(template, ca, &key.PublicKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.writePEMs(name, map[string][]*pem.Block{
		"privkey": {{Type: "PRIVATE KEY", Bytes: keyDER}}, "cert": {{Type: "CERTIFICATE", Bytes: leaf.Raw}}, "chain": {{Type: "CERTIFICATE", Bytes: ca.Raw}},
		"fullchain": {{Type: "CERTIFICATE", Bytes: leaf.Raw}, {Type: "CERTIFICATE", Bytes: ca.Raw}},
	})
}

// writePEMs writes the files of a certificate's folder.
func (f *fixture) writePEMs(name string, files map[string][]*pem.Block) {
	f.Helper()
	folder := filepath.Join(f.dir, "out", name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		f.Fatal(err)
	}
	for file, blocks := range files {
		var text []byte
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}
		if err := os.WriteFile(filepath.Join(folder, file+".pem"), text, 0o600); err != nil {
			f.Fatal(err)
		}
	}
}
