package config

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// exampleLogID is the id of a log that has ended.
const exampleLogID = "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA="

// logID is the id of a log of certificates in base64 (RFC 6962 section 3.2).
func logID() shape[[]byte] {
	return scalar(text, "the id of a log in base64", exampleLogID, func(r *reader, n *node) ([]byte, string, string) {
		id, err := base64.StdEncoding.DecodeString(n.text)
		if err != nil || len(id) != sha256.Size {
			return nil, fmt.Sprintf("%s is not the id of a log in base64", r.is()), "take it from the log's description: 44 characters, the SHA-256 of its key"
		}
		return id, "", ""
	}, func(id []byte) *node {
		if len(id) == 0 {
			return nil
		}
		return showText(base64.StdEncoding.EncodeToString(id))
	})
}
