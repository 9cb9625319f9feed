package fakeca

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// bind checks the external account binding of a request for an account (RFC
// 8555 section 7.3.4), where the CA wants one. Each key of Options.EAB opens
// one account.
func (c *CA) bind(rq *request, binding json.RawMessage) *problem {
	if len(c.opt.EAB) == 0 {
		return nil
	}
	if len(binding) == 0 {
		return &problem{Type: "externalAccountRequired", Status: http.StatusForbidden, Detail: "an account needs an external account binding"}
	}
	kid, err := c.readBinding(rq, binding)
	if err != nil {
		return unauthorized("external account binding: " + err.Error())
	}
	if owner := c.bound[kid]; owner != "" && owner != rq.key.thumbprint {
		return unauthorized("external account binding: the key has been used")
	}
	c.bound[kid] = rq.key.thumbprint
	return nil
}

// readBinding checks a binding's signature, and that it is about this key.
func (c *CA) readBinding(rq *request, binding json.RawMessage) (kid string, err error) {
	var e envelope
	if err := json.Unmarshal(binding, &e); err != nil {
		return "", fmt.Errorf("it is no JWS: %w", err)
	}
	text, errText := base64.RawURLEncoding.DecodeString(e.Protected)
	payload, errPayload := base64.RawURLEncoding.DecodeString(e.Payload)
	signature, errSignature := base64.RawURLEncoding.DecodeString(e.Signature)
	if err := errors.Join(errText, errPayload, errSignature); err != nil {
		return "", fmt.Errorf("it is no base64url: %w", err)
	}
	var header protected
	var key jwk
	if err := errors.Join(json.Unmarshal(text, &header), json.Unmarshal(payload, &key)); err != nil {
		return "", fmt.Errorf("it is no JSON: %w", err)
	}
	secret, known := c.opt.EAB[header.KID]
	if !known || header.Alg != "HS256" || header.URL != rq.url {
		return "", fmt.Errorf("key %q, algorithm %q, URL %q", header.KID, header.Alg, header.URL)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(e.Protected + "." + e.Payload))
	if !hmac.Equal(mac.Sum(nil), signature) {
		return "", errors.New("the signature is wrong")
	}
	if about, err := key.public(); err != nil || about.thumbprint != rq.key.thumbprint {
		return "", errors.New("it is about another key")
	}
	return header.KID, nil
}
