package store

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/certkeep/certkeep/internal/keys"
)

// algorithmNone is an envelope that protects nothing: the data is the PEM
// text, and the folder's permissions guard it.
const algorithmNone = "none"

// Envelope is a secret as it lies in a record. Printing or logging one, in
// whatever way, shows no more than its algorithm; only its JSON, which is the
// record, has the data. It is never part of what commands print.
type Envelope struct {
	KeyID     string `json:"key_id,omitempty"` // of the key that seals it
	Algorithm string `json:"algorithm"`
	// Data is a pointer because fmt, when a verb does not fit some struct
	// around this one, prints all fields without asking their methods. What
	// lies behind a pointer it does not print then.
	Data *string `json:"data"`
}

// SealedError says that a secret cannot be opened by this version.
type SealedError struct {
	Algorithm string
}

// Error says what to do.
func (e *SealedError) Error() string {
	return fmt.Sprintf("the secret is sealed with %q, which this Certkeep does not know: use the later version that sealed it", e.Algorithm)
}

// seal puts a private key into an envelope.
func seal(key crypto.Signer) (Envelope, error) {
	text, err := keys.Marshal(key)
	if err != nil {
		return Envelope{}, err
	}
	data := string(text)
	return Envelope{Algorithm: algorithmNone, Data: &data}, nil
}

// open takes the private key out, and checks that it is the one named by
// fingerprint.
func (e Envelope) open(fingerprint string) (crypto.Signer, error) {
	if e.Algorithm != algorithmNone {
		return nil, &SealedError{Algorithm: e.Algorithm}
	}
	if e.Data == nil {
		return nil, errors.New("there is no private key in it")
	}
	key, err := keys.Parse([]byte(*e.Data))
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
