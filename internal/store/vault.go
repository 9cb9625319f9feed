package store

import (
	"bytes"
	"crypto"
	"errors"
	"sync"

	"github.com/certkeep/certkeep/internal/seal"
)

// Keys reads the keys of a sealed store. An empty ring leaves secrets in the
// clear.
type Keys func() (seal.Ring, error)

// vault seals and opens the secrets of a store.
type vault struct {
	// writing is held shared from the moment in which a secret is sealed until
	// it is written, and alone while the key changes: so that nothing is
	// written under a key that was given up meanwhile.
	writing sync.RWMutex

	mu    sync.Mutex // guards what follows
	keys  Keys
	seals seal.Ring // whose first key seals; empty for a Reader, and where nothing is sealed
	opens seal.Ring // as the keys were read last
}

// use takes over keys that were read.
func (v *vault) use(keys Keys, ring seal.Ring, clear bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys, v.seals, v.opens = keys, ring, ring
	if clear {
		v.seals = seal.Ring{}
	}
}

// ring are the keys that open.
func (v *vault) ring() seal.Ring {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.opens
}

// sealing is the ring whose first key seals.
func (v *vault) sealing() seal.Ring {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seals
}

// again reads the keys once more: a process that only reads is told nothing of
// a change of keys.
func (v *vault) again() (seal.Ring, error) {
	v.mu.Lock()
	keys := v.keys
	v.mu.Unlock()
	if keys == nil {
		return seal.Ring{}, nil
	}
	ring, err := keys()
	if err != nil {
		return seal.Ring{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opens = ring
	return ring, nil
}

// unseal opens something by the keys at hand, or by those that are there now.
func (v *vault) unseal(open func(seal.Ring) ([]byte, error)) ([]byte, error) {
	text, err := open(v.ring())
	_, unknown := errors.AsType[*seal.UnknownKeyError](err)
	if unknown {
		var ring seal.Ring
		if ring, err = v.again(); err == nil {
			text, err = open(ring)
		}
	}
	if err != nil && !errors.Is(err, seal.ErrAltered) {
		return nil, &SealedError{Err: err}
	}
	return text, err
}

// open takes a secret out of its envelope. Where the key is not at hand, the
// error is a *SealedError.
func (v *vault) open(e Envelope, place string) ([]byte, error) {
	if e.Data == nil {
		return nil, errors.New("there is no private key in it")
	}
	if e.Algorithm == algorithmNone {
		return []byte(*e.Data), nil
	}
	if v == nil {
		return nil, &SealedError{Err: seal.ErrNoKeys} // no store gave the envelope out
	}
	sealed := seal.Sealed{KeyID: e.KeyID, Algorithm: e.Algorithm, Data: *e.Data}
	return v.unseal(func(r seal.Ring) ([]byte, error) { return r.Open(sealed, place) })
}

// signer is the private key in an envelope.
func (v *vault) signer(e Envelope, place, fingerprint string) (crypto.Signer, error) {
	text, err := v.open(e, place)
	if err != nil {
		return nil, err
	}
	return signerOf(text, fingerprint)
}

// renew puts a secret under the key that seals now, or in the clear where none
// does. One that is so already stays as it is. The caller holds writing.
func (v *vault) renew(e Envelope, place string) (Envelope, error) {
	ring := v.sealing()
	want := ring.First()
	if want == "" {
		want = algorithmNone
	}
	if e.under() == want {
		return e, nil
	}
	text, err := v.open(e, place)
	if err != nil {
		return e, err
	}
	if want == algorithmNone {
		data := string(text)
		return Envelope{Algorithm: algorithmNone, Data: &data}, nil
	}
	sealed, err := ring.Seal(text, place)
	if err != nil {
		return e, err
	}
	// What cannot be opened again must not replace what can.
	if again, err := ring.Open(sealed, place); err != nil || !bytes.Equal(again, text) {
		return e, errors.Join(errors.New("what was sealed does not open again"), err)
	}
	return Envelope{KeyID: sealed.KeyID, Algorithm: sealed.Algorithm, Data: &sealed.Data}, nil
}

// renewFile is renew for a file that is sealed as a whole. It answers the same
// text where nothing is to be done.
func (v *vault) renewFile(text []byte, place string) ([]byte, error) {
	ring := v.sealing()
	plain := text
	if seal.IsFile(text) {
		sealed, err := seal.ParseFile(text)
		if err == nil && ring.First() != "" && sealed.KeyID == ring.First() {
			return text, nil
		}
		if err != nil {
			return text, err
		}
		if plain, err = v.unseal(func(r seal.Ring) ([]byte, error) { return r.Open(sealed, place) }); err != nil {
			return text, err
		}
	}
	if ring.First() == "" {
		return plain, nil
	}
	return v.sealFile(ring, plain, place)
}

// sealFile seals a file, and opens it again to be sure.
func (v *vault) sealFile(ring seal.Ring, plain []byte, place string) ([]byte, error) {
	sealed, err := ring.SealFile(plain, place)
	if err != nil {
		return nil, err
	}
	if again, err := ring.OpenFile(sealed, place); err != nil || !bytes.Equal(again, plain) {
		return nil, errors.Join(errors.New("what was sealed does not open again"), err)
	}
	return sealed, nil
}

// keyPlace is what the secret of a private key is sealed for.
func keyPlace(fingerprint string) string { return "key " + fingerprint }

// accountPlace is what an account's key is sealed for. Its place in the archive
// is no other.
func accountPlace(issuer, fingerprint string) string { return "account " + issuer + " " + fingerprint }

// filePlace is what a file of the state folder is sealed for: its path there,
// so that the folder can be moved.
func filePlace(below string) string { return "file " + below }
