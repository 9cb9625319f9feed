package fakeca

import (
	"encoding/json"
	"net/http"
	"strings"
)

// account is RFC 8555 section 7.1.2.
type account struct {
	url     string
	key     publicKey
	contact []string
	status  string // valid or deactivated
}

type accountJSON struct {
	Status  string   `json:"status"`
	Contact []string `json:"contact,omitempty"`
	Orders  string   `json:"orders"`
}

func (a *account) reply(status int) reply {
	return reply{status: status, location: a.url, body: accountJSON{Status: a.status, Contact: a.contact, Orders: a.url + "/orders"}}
}

// newAccount opens an account, or finds the one of the key (RFC 8555 section
// 7.3 and 7.3.1).
func (c *CA) newAccount(rq *request) reply {
	if rq.account != nil {
		return malformed("a new account is asked for with its key, not with a kid").reply()
	}
	var want struct {
		Contact []string        `json:"contact"`
		Terms   bool            `json:"termsOfServiceAgreed"`
		Only    bool            `json:"onlyReturnExisting"`
		Binding json.RawMessage `json:"externalAccountBinding"`
	}
	if p := rq.read(&want); p != nil {
		return p.reply()
	}
	if have := c.byKey[rq.key.thumbprint]; have != nil {
		if have.status != "valid" {
			return unauthorized("the account is " + have.status).reply()
		}
		return have.reply(http.StatusOK)
	}
	if want.Only {
		return (&problem{Type: "accountDoesNotExist", Status: http.StatusBadRequest, Detail: "there is no account with this key"}).reply()
	}
	if p := c.overloaded(rq); p != nil {
		return p.reply()
	}
	if c.opt.Terms != "" && !want.Terms {
		return (&problem{Type: "userActionRequired", Status: http.StatusForbidden, Detail: "the terms of service are not agreed to"}).reply()
	}
	if p := checkContact(want.Contact); p != nil {
		return p.reply()
	}
	if p := c.bind(rq, want.Binding); p != nil {
		return p.reply()
	}
	a := &account{url: c.base + "/account/" + c.nextID(), key: rq.key, contact: want.Contact, status: "valid"}
	c.accounts[a.url], c.byKey[a.key.thumbprint] = a, a
	return a.reply(http.StatusCreated)
}

// checkContact accepts mail addresses.
func checkContact(contact []string) *problem {
	for _, one := range contact {
		address, ok := strings.CutPrefix(one, "mailto:")
		if !ok {
			return &problem{Type: "unsupportedContact", Status: http.StatusBadRequest, Detail: one + " is no mail address"}
		}
		if !strings.Contains(address, "@") {
			return &problem{Type: "invalidContact", Status: http.StatusBadRequest, Detail: one + " is no whole mail address"}
		}
	}
	return nil
}

// updateAccount shows or changes an account, or ends it (RFC 8555 sections
// 7.3.2 and 7.3.6).
func (c *CA) updateAccount(rq *request) reply {
	if rq.account.url != rq.url {
		return unauthorized("this is another account").reply()
	}
	if len(rq.payload) == 0 {
		return rq.account.reply(http.StatusOK)
	}
	var want struct {
		Contact *[]string `json:"contact"`
		Status  string    `json:"status"`
	}
	if p := rq.read(&want); p != nil {
		return p.reply()
	}
	if want.Contact != nil {
		if p := checkContact(*want.Contact); p != nil {
			return p.reply()
		}
		rq.account.contact = *want.Contact
	}
	switch want.Status {
	case "", "valid":
	case "deactivated":
		rq.account.status = want.Status
	default:
		return malformed("an account cannot be made %q", want.Status).reply()
	}
	return rq.account.reply(http.StatusOK)
}

// keyChange gives an account another key (RFC 8555 section 7.3.5). Both keys
// sign: the old one the request, the new one what is in it.
func (c *CA) keyChange(rq *request) reply {
	jws, header, err := readEnvelope(rq.payload)
	if err != nil {
		return malformed("inner JWS: %v", err).reply()
	}
	if header.JWK == nil || header.URL != rq.url || header.Nonce != "" {
		return malformed("inner JWS: it has the new key, the URL of the outer one, and no nonce").reply()
	}
	key, err := header.JWK.public()
	if err != nil {
		return malformed("inner JWS: %v", err).reply()
	}
	payload, err := jws.verify(header.Alg, key.key)
	if err != nil {
		return malformed("inner JWS: %v", err).reply()
	}
	var change struct {
		Account string `json:"account"`
		OldKey  jwk    `json:"oldKey"`
	}
	if err := json.Unmarshal(payload, &change); err != nil {
		return malformed("inner JWS: the payload is no JSON of the right kind: %v", err).reply()
	}
	old, err := change.OldKey.public()
	if err != nil || old.thumbprint != rq.account.key.thumbprint || change.Account != rq.account.url {
		return malformed("inner JWS: it is not about this account and its key").reply()
	}
	if other := c.byKey[key.thumbprint]; other != nil {
		p := &problem{Type: "malformed", Status: http.StatusConflict, Detail: "another account has this key", location: other.url}
		return p.reply()
	}
	delete(c.byKey, old.thumbprint)
	rq.account.key = key
	c.byKey[key.thumbprint] = rq.account
	return rq.account.reply(http.StatusOK)
}
