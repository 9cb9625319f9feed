package acmetest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Kind names what a request asks of the CA.
type Kind string

// The kinds of request.
const (
	Directory   Kind = "directory"
	NewNonce    Kind = "newNonce"
	NewAccount  Kind = "newAccount"
	Account     Kind = "account"
	NewOrder    Kind = "newOrder"
	Order       Kind = "order"
	Authz       Kind = "authz"
	Challenge   Kind = "challenge"
	Finalize    Kind = "finalize"
	Certificate Kind = "certificate"
	RenewalInfo Kind = "renewalInfo"
	Revoke      Kind = "revoke"
	KeyChange   Kind = "keyChange"
	Other       Kind = "other"
)

// pathDirectory is Pebble's directory.
const pathDirectory = "/dir"

// The paths of Pebble behind which an id follows.
const (
	pathChallenge = "/chalZ/"
	pathFinalize  = "/finalize-order/"
)

// KindOf tells what a request asks.
func KindOf(r *http.Request) Kind {
	path := r.URL.Path
	switch path {
	case pathDirectory:
		return Directory
	case "/nonce-plz":
		return NewNonce
	case "/sign-me-up":
		return NewAccount
	case "/order-plz":
		return NewOrder
	case "/revoke-cert":
		return Revoke
	case "/rollover-account-key":
		return KeyChange
	}
	for _, p := range []struct {
		prefix string
		kind   Kind
	}{
		{"/my-account/", Account},
		{"/my-order/", Order},
		{"/authZ/", Authz},
		{pathChallenge, Challenge},
		{pathFinalize, Finalize},
		{"/certZ/", Certificate},
		{"/draft-ietf-acme-ari-03/renewalInfo/", RenewalInfo},
	} {
		if strings.HasPrefix(path, p.prefix) {
			return p.kind
		}
	}
	return Other
}

// Payload decodes what a signed request (RFC 8555 section 6.2) carries, and
// leaves the request as it was. The payload of a POST-as-GET is empty.
func Payload(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var jws struct{ Payload string }
	if err := json.Unmarshal(body, &jws); err != nil {
		return nil, fmt.Errorf("read signed request: %w", err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil {
		return nil, fmt.Errorf("read signed request: %w", err)
	}
	return payload, nil
}
