package sim

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// Beside some certificates lie files that few ask for: parameters, and headers
// that pin a site to its keys; and some keys are under a passphrase.

// passphrase is that of all keys which have one.
const passphrase = "under the mat"

// passphraseFile holds it.
func (w *world) passphraseFile() string { return filepath.Join(w.root, "passphrase") }

// lockConfig is what the config says of the passphrase of a certificate's keys.
func (w *world) lockConfig(p *cert) string {
	if !p.locked {
		return ""
	}
	return fmt.Sprintf("    passphrase_file: %s\n    kdf: scrypt\n", w.passphraseFile())
}

// pairOf is a certificate with its key as whoever may use it reads them.
func (w *world) pairOf(p *cert, chain, key []byte) (tls.Certificate, error) {
	if !p.locked {
		return tls.X509KeyPair(chain, key)
	}
	if bytes.Contains(key, []byte("BEGIN PRIVATE KEY")) {
		w.judge.breach("%s: its key is installed without a passphrase", p.name)
	}
	clear, err := w.judge.unlock(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, clear)
}

// unlock is a key without its passphrase. It keeps what it opened: that is slow
// by intention, and a key is looked at after each power cut.
func (j *judge) unlock(key []byte) ([]byte, error) {
	j.mu.Lock()
	clear, ok := j.unlocked[string(key)]
	j.mu.Unlock()
	if ok {
		return clear, nil
	}
	signer, err := keys.ParseWith(key, []byte(passphrase))
	if err != nil {
		return nil, err
	}
	if clear, err = keys.Marshal(signer); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unlocked[string(key)] = clear
	return clear, nil
}

// paramsFile is where a certificate's parameters lie.
func (w *world) paramsFile(p *cert) string {
	return filepath.Join(w.root, "out/public", p.name+".params.pem")
}

// paramsWhole holds that parameters are whole wherever there are any, and there
// at the end.
func (j *judge) paramsWhole(p *cert, atEnd bool) {
	if !p.params || !p.spread {
		return
	}
	text, err := os.ReadFile(j.world.paramsFile(p))
	if errors.Is(err, fs.ErrNotExist) && !atEnd {
		return
	}
	var kinds []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		kinds = append(kinds, block.Type)
	}
	if !slices.Equal(kinds, []string{"DH PARAMETERS", "EC PARAMETERS"}) {
		j.breach("%s: its file of parameters holds %q, %v", p.name, kinds, err)
	}
}

// pinFile is where the header with a certificate's pins lies.
func (w *world) pinFile(p *cert) string { return filepath.Join(w.root, "out/hpkp", p.name+".nginx") }

// pinConfig is what the config says of it.
func (w *world) pinConfig(p *cert) string {
	if !p.pinned {
		return ""
	}
	return fmt.Sprintf("    hpkp: {file: \"%s/out/hpkp/{name}.{server}\", headers: {nginx: true}}\n", w.root)
}

// pinnedTo holds that the header names the keys that are installed, where all
// has been well for a while.
func (j *judge) pinnedTo(p *cert) {
	now := j.world.now()
	j.mu.Lock()
	since := j.bad[p.name]
	j.mu.Unlock()
	for _, s := range p.sides() {
		seen, there := j.seen(s)
		if !p.pinned || !there || seen.placeholder || now.Sub(since) < ocspGrace || now.Sub(seen.since) < ocspGrace {
			continue
		}
		chain, _ := j.world.files(s)
		text, err := os.ReadFile(chain)
		block, _ := pem.Decode(text)
		if err != nil || block == nil {
			continue // somebody spoilt it
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		if header, err := os.ReadFile(j.world.pinFile(p)); !pins(header, sum[:]) {
			j.breach("%s: its header does not pin its site to the key that is installed: %s, %v", s, header, err)
		}
	}
}

// pinsSettled holds at the end that the header names all keys, and no others.
func (j *judge) pinsSettled(p *cert, known *plan.KnownKeys) {
	if !p.pinned {
		return
	}
	header, err := os.ReadFile(j.world.pinFile(p))
	want := 0
	for _, set := range known.Keys {
		for _, key := range []plan.Key{set.Primary, set.Next, set.Previous} {
			if key.SHA256 == "" {
				continue
			}
			sum, failed := hex.DecodeString(key.SHA256)
			j.world.must(failed)
			if want++; !pins(header, sum) {
				j.breach("%s: at the end its header lacks the key %s: %s, %v", p.name, key.SHA256, header, err)
			}
		}
	}
	if n := bytes.Count(header, []byte("pin-sha256")); n != want {
		j.breach("%s: at the end its header has %d pins for %d keys: %s", p.name, n, want, header)
	}
}

// pins reports whether a header pins a site to a key (RFC 7469 section 2.1.1).
func pins(header, sum []byte) bool {
	return bytes.Contains(header, []byte(base64.StdEncoding.EncodeToString(sum)))
}
