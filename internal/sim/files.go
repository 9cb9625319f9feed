package sim

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// load reads the pair. It returns nothing where the files are those that were
// looked at before.
func (j *judge) load(s side) (*tls.Certificate, error) {
	chainFile, keyFile := j.world.files(s)
	chain, err := os.ReadFile(chainFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(slices.Concat(key, chain))
	j.mu.Lock()
	same := j.read[s.String()] == digest
	j.read[s.String()] = digest
	j.mu.Unlock()
	if same {
		return nil, nil
	}
	pair, err := j.world.pairOf(s.cert, chain, key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// parse reads all of a chain.
func (j *judge) parse(pair *tls.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, der := range pair.Certificate {
		one, err := x509.ParseCertificate(der)
		j.world.must(err)
		all = append(all, one)
	}
	return all
}

// forgetRead has the files looked at again next time.
func (j *judge) forgetRead(s side) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.read, s.String())
}

// show takes note of what a reader sees.
func (j *judge) show(s side, leaf *x509.Certificate) shown {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := shown{
		notBefore: leaf.NotBefore, notAfter: leaf.NotAfter, generation: j.generation[s.cert.name],
		placeholder: leaf.Issuer.String() == leaf.Subject.String(),
		since:       j.world.now(), serial: fmt.Sprintf("%x", leaf.SerialNumber), names: leaf.DNSNames,
	}
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		now.keyType = fmt.Sprintf("ecdsa-p%d", key.Curve.Params().BitSize)
	case *rsa.PublicKey:
		now.keyType = fmt.Sprintf("rsa-%d", key.N.BitLen())
	}
	was, ok := j.shown[s.String()]
	switch {
	case ok && was.serial == now.serial: // it was looked at again
		now.since = was.since
	case ok:
		j.before[s.String()] = was
	}
	j.shown[s.String()] = now
	return now
}

func (j *judge) seen(side side) (shown, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, ok := j.shown[side.String()]
	return s, ok
}

// powerLost looks at what a power cut left: the last installation may not have
// been durable yet, but what was there before it has to be.
func (j *judge) powerLost() {
	for _, p := range j.world.people {
		for _, s := range p.sides() {
			j.lostPower(s)
		}
	}
}

func (j *judge) lostPower(s side) {
	p := s.cert
	j.mu.Lock()
	now, was := j.shown[s.String()], j.before[s.String()]
	delete(j.read, s.String())
	delete(j.responses, s.String())
	j.mu.Unlock()
	if j.world.isSpoilt(p) || p.spread && !j.world.noJournal(p) {
		return
	}
	pair, err := j.load(s)
	switch {
	case err != nil && j.withdrawn(p) && errors.Is(err, fs.ErrNotExist):
		j.forgetAll(p)
	case err != nil && (was.since.IsZero() || s.second && p.restored) && errors.Is(err, fs.ErrNotExist):
		j.mu.Lock()
		delete(j.shown, s.String())
		delete(j.presented, s.String())
		j.mu.Unlock()
	case err != nil:
		j.breach("%s: a power cut left: %v", s, err)
	case pair.Leaf.NotBefore.Equal(was.notBefore) && !was.notBefore.Equal(now.notBefore):
		j.mu.Lock()
		j.shown[s.String()] = was
		j.mu.Unlock()
	}
	j.forgetRead(s)
}
