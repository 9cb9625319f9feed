package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
)

// paper is a log of certificates (RFC 6962), which fails at times.
type paper struct {
	flaky // its mu guards given and since
	key   *ecdsa.PrivateKey
	spki  []byte

	given map[string]string // by receipt: the serial number of its certificate
	since time.Time         // it has been well
}

const (
	paperAddress = "127.0.0.1:9781"
	// paperGrace is how long the log must have been well before a missing receipt is
	// the engine's fault: it is asked again a day after several failures.
	paperGrace = 5 * day
)

func newPaper(w *world) *paper {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	w.must(err)
	return &paper{flaky: flaky{world: w, name: "paper", words: "log"}, key: key, spki: spki, given: map[string]string{}}
}

// config is what the config says of the log.
func (l *paper) config() string {
	return fmt.Sprintf("ct_logs: {own: [{name: paper, url: \"http://%s\", key: %q}]}\n", paperAddress, base64.StdEncoding.EncodeToString(l.spki))
}

// sctConfig is what it says of a certificate's receipts.
func (w *world) sctConfig(p *cert) string {
	if !p.logged {
		return ""
	}
	return fmt.Sprintf("    sct: {file: \"%s/out/sct/{name}.{key_type}.sct\", logs: [paper]}\n", w.root)
}

// receiptFile is where the receipt of a side is kept.
func (w *world) receiptFile(s side) string {
	return filepath.Join(w.root, "out/sct", s.cert.name+"."+s.keyType()+".sct")
}

// unlogged is a time in which the log cannot be reached.
func (w *world) unlogged(dice *mathrand.Rand, at time.Time) []event {
	return w.paper.outage(dice, at, time.Hour, 10*day, "the log cannot be reached")
}

// ServeHTTP answers add-chain (RFC 6962 section 4.1).
func (l *paper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Chain [][]byte }
	err := json.NewDecoder(r.Body).Decode(&body)
	if err != nil || r.URL.Path != "/ct/v1/add-chain" || len(body.Chain) < 2 {
		l.world.judge.breach("what is handed to the log is no chain: %s %v", r.URL.Path, err)
		http.Error(w, "no chain", http.StatusBadRequest)
		return
	}
	var receipt ct.SCT
	l.answer(w, l.wrong(), func() { receipt = l.receipt(body.Chain[0]) }, func() {
		l.world.must(json.NewEncoder(w).Encode(map[string]any{
			"sct_version": 0, "id": receipt.Log[:], "timestamp": receipt.Timestamp, "extensions": []byte{},
			"signature": append(binary.BigEndian.AppendUint16([]byte{receipt.Hash, receipt.Sign}, uint16(len(receipt.Signature))), receipt.Signature...),
		}))
	})
}

// receipt signs that a certificate will be published (RFC 6962 section 3.2).
func (l *paper) receipt(der []byte) ct.SCT {
	const ecdsaWithSHA256, entryX509 = 3, 0
	s := ct.SCT{Log: sha256.Sum256(l.spki), Timestamp: uint64(l.world.now().UnixMilli()), Hash: 4, Sign: ecdsaWithSHA256}
	entry := binary.BigEndian.AppendUint64([]byte{0, 0}, s.Timestamp)
	entry = append(entry, 0, entryX509, byte(len(der)>>16), byte(len(der)>>8), byte(len(der)))
	digest := sha256.Sum256(append(append(entry, der...), 0, 0))
	var err error
	s.Signature, err = l.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	l.world.must(err)
	text, err := s.Bytes()
	l.world.must(err)
	leaf, err := x509.ParseCertificate(der)
	l.world.must(err)
	serial := fmt.Sprintf("%x", leaf.SerialNumber)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given[string(text)] = serial
	return s
}

// tick takes note of whether the log is well, once an hour.
func (l *paper) tick(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !up || l.down > 0 {
		l.since = l.world.now()
	}
}

// receipts holds that the file of a receipt has one for what is served, where
// the log has been well for a while.
func (j *judge) receipts(p *cert) {
	l, now := j.world.paper, j.world.now()
	j.mu.Lock()
	bad := j.bad[p.name]
	j.mu.Unlock()
	for _, s := range p.sides() {
		text, err := os.ReadFile(j.world.receiptFile(s))
		seen, there := j.seen(s)
		l.mu.Lock()
		since := l.since
		serial := l.given[string(text)]
		l.mu.Unlock()
		fits := err == nil && serial == seen.serial
		waits := seen.keyType != s.keyType() // for another kind of key, whose receipts have another file
		if fits || !there || seen.placeholder || waits || now.Sub(since) < paperGrace || now.Sub(bad) < paperGrace || now.Sub(seen.since) < paperGrace {
			continue
		}
		if serial != "" && j.another("receipt of "+s.String(), serial) {
			continue
		}
		j.look(p) // it was looked at hours ago
		if again, _ := j.seen(s); again.serial != seen.serial {
			continue
		}
		j.breach("%s: there is no receipt for its %s certificate, though all was well for %v: %v", s, s.keyType(), now.Sub(since), err)
		l.tick(false) // say it once
	}
}
