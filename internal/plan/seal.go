package plan

import (
	"fmt"
	"strings"
	"time"
)

// KnownSeal is under which store keys the secrets of the store are.
type KnownSeal struct {
	// Key is the id of the key that secrets are sealed under; "" while they are
	// taken out of their seal.
	Key string `json:"key,omitempty"`
	// Others are the ids of keys that some secrets are still sealed under, and
	// "none" where some may be in the clear. Empty: all are under Key.
	Others []string `json:"others,omitempty"`
	// Since is when Key became that key.
	Since time.Time `json:"since"`
	// Left are secrets that could not be sealed, and why: the first of them.
	Left []string `json:"left,omitempty"`
}

// meaningsOfStore are those of the store as a whole.
func meaningsOfStore() map[Code]meaning {
	return map[Code]meaning{
		CodeSealed:    {Critical, "Nothing can be installed or renewed without the store key: put it back where `store_key_file` or its like says. `certkeep store unseal --key-file FILE` ends the seal. Nothing was changed."},
		CodeNotSealed: {Warning, "A running daemon and `certkeep apply` seal them by themselves, `certkeep store seal` does so now. Of those that could not be sealed the words say why."},
	}
}

// StoreProblems derives what a person must know of the store as a whole.
func StoreProblems(w World) []Problem {
	known := w.Known.Seal
	add := func(code Code, words string, detail []string, since time.Time) []Problem {
		return []Problem{{Code: code, Severity: code.Severity(), Words: words, Detail: detail, Remedy: code.Remedy(), Since: since}}
	}
	switch {
	case known == nil && w.Wanted.Sealed:
		return add(CodeNotSealed, "a store key is configured, and the secrets of the store are not sealed under it yet", nil, time.Time{})
	case known == nil:
		return nil
	case !w.Wanted.Sealed && known.Key != "":
		return add(CodeSealed, fmt.Sprintf("the store is sealed under store key %s, and no store key is configured", known.Key), nil, known.Since)
	case known.Key == "":
		return add(CodeSealed, "some secrets of the store are still sealed under store key "+strings.Join(known.Others, ", "), known.Left, known.Since)
	case len(known.Others) == 0 && len(known.Left) > 0:
		return add(CodeNotSealed, fmt.Sprintf("some secrets of the store cannot be brought under store key %s", known.Key), known.Left, known.Since)
	case len(known.Others) == 0:
		return nil
	}
	words := fmt.Sprintf("some secrets of the store are not sealed under store key %s yet", known.Key)
	for _, id := range known.Others {
		if id == "none" {
			words += ", and are in the clear"
		} else {
			words += fmt.Sprintf(", but still under %s, which has to be kept", id)
		}
	}
	return add(CodeNotSealed, words, known.Left, known.Since)
}
