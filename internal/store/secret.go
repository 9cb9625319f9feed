package store

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/seal"
)

// algorithmNone is an envelope that protects nothing: the data is the PEM
// text, and the folder's permissions guard it.
const algorithmNone = "none"

// Envelope is a secret as it lies in a record. Printing or logging one, in
// whatever way, shows no more than its algorithm; only its JSON, which is the
// record, has the data. It is never part of what commands print.
type Envelope struct {
	KeyID     string `json:"key_id,omitempty"` // of the store key that seals it
	Algorithm string `json:"algorithm"`
	// Data is a pointer because fmt, when a verb does not fit some struct
	// around this one, prints all fields without asking their methods. What
	// lies behind a pointer it does not print then.
	Data *string `json:"data"`
}

// SealedError says that a secret cannot be opened, and so is neither lost nor
// damaged: with the right store key it can.
type SealedError struct {
	Err error // why: a *seal.UnknownKeyError, a *seal.AlgorithmError, or why the store key cannot be read
}

// Error says why, and what to do.
func (e *SealedError) Error() string {
	text := fmt.Sprintf("the secret cannot be opened: %v", e.Err)
	if _, unknown := errors.AsType[*seal.UnknownKeyError](e.Err); unknown {
		text += "; put that key back where `store_key_file` or its like says"
	}
	return text
}

// Unwrap returns why.
func (e *SealedError) Unwrap() error { return e.Err }

// plainEnvelope puts a private key into an envelope that protects nothing. The
// store seals it when it writes it.
func plainEnvelope(key crypto.Signer) (Envelope, error) {
	text, err := keys.Marshal(key)
	if err != nil {
		return Envelope{}, err
	}
	data := string(text)
	return Envelope{Algorithm: algorithmNone, Data: &data}, nil
}

// under is what protects the secret: the id of a store key, or algorithmNone.
func (e Envelope) under() string {
	if e.Algorithm == algorithmNone {
		return algorithmNone
	}
	return e.KeyID
}

// signerOf reads a private key, and checks that it is the one named by
// fingerprint.
func signerOf(text []byte, fingerprint string) (crypto.Signer, error) {
	key, err := keys.Parse(text)
	if err != nil {
		return nil, err
	}
	have, err := keys.Fingerprint(key.Public())
	if err != nil {
		return nil, err
	}
	if have != fingerprint {
		return nil, fmt.Errorf("it holds another key (%.16s…)", have)
	}
	return key, nil
}

// String says that there is a secret, not which.
func (e Envelope) String() string { return fmt.Sprintf("<secret, algorithm %q>", e.Algorithm) }

// GoString is String.
func (e Envelope) GoString() string { return e.String() }

// Format is String for every verb.
func (e Envelope) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// LogValue is String.
func (e Envelope) LogValue() slog.Value { return slog.StringValue(e.String()) }
