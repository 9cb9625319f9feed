package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// fileMark begins every sealed file.
const fileMark = `{"certkeep_sealed":1,`

// file is a file that is sealed as a whole: one line of JSON.
type file struct {
	Version int `json:"certkeep_sealed"`
	Sealed
}

// SealFile seals the content of a file for a place.
func (r Ring) SealFile(content []byte, place string) ([]byte, error) {
	sealed, err := r.Seal(content, place)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(file{Version: 1, Sealed: sealed})
	if err != nil {
		return nil, fmt.Errorf("encode what is sealed: %w", err)
	}
	return append(text, '\n'), nil
}

// OpenFile returns the content of a file that was sealed for a place. Its
// errors are those of Open.
func (r Ring) OpenFile(text []byte, place string) ([]byte, error) {
	sealed, err := ParseFile(text)
	if err != nil {
		return nil, err
	}
	return r.Open(sealed, place)
}

// IsFile reports whether a file says that it is sealed.
func IsFile(text []byte) bool { return bytes.HasPrefix(text, []byte(fileMark)) }

// ParseFile reads a sealed file without opening it. What is none is ErrAltered.
func ParseFile(text []byte) (Sealed, error) {
	if !IsFile(text) {
		return Sealed{}, ErrAltered
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return Sealed{}, ErrAltered
	}
	if f.Algorithm == "" || f.KeyID == "" {
		return Sealed{}, ErrAltered
	}
	return f.Sealed, nil
}
