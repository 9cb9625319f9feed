package fakeca

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// maxRequest bounds a request's body, in bytes.
const maxRequest = 256 << 10

// request is a signed request whose signature, nonce and URL are right.
type request struct {
	ctx     context.Context
	now     time.Time
	url     string
	id      string // what follows the resource's name in the path
	payload []byte // empty: POST-as-GET
	key     publicKey
	account *account // nil where the key itself is sent
}

// read decodes the payload.
func (r *request) read(into any) *problem {
	if err := json.Unmarshal(r.payload, into); err != nil {
		return malformed("the payload is no JSON of the right kind: %v", err)
	}
	return nil
}

// reply is an answer. work, where it is set, is done before it is sent, and
// without the lock.
type reply struct {
	status     int
	body       any    // sent as JSON
	pem        []byte // sent in place of body
	location   string
	up         string // link to what this belongs to
	retryAfter time.Duration
	work       func()
}

// ServeHTTP implements [http.Handler].
func (c *CA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := c.opt.Now()
	resource, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if resource == ocspPath && c.opt.OCSPLife > 0 {
		c.answerOCSP(w, r, now, id)
		return
	}
	if resource == crlPath && c.opt.CRLLife > 0 {
		c.answerCRL(w, now)
		return
	}
	var a reply
	switch {
	case r.Method == http.MethodPost:
		a = c.post(r, now, resource, id)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		a = (&problem{Type: "malformed", Status: http.StatusMethodNotAllowed, Detail: "the method is not allowed"}).reply()
	case resource == "directory":
		a = reply{status: http.StatusOK, body: c.directory()}
	case resource == "new-nonce":
		a = reply{status: http.StatusOK}
		if r.Method == http.MethodGet {
			a.status = http.StatusNoContent
		}
	case resource == "renewal-info":
		a = c.locked(func() reply { return c.renewalInfo(now, id) })
	default:
		a = notFound("there is no such resource").reply()
	}
	if r.UserAgent() == "" {
		c.locked(func() reply { c.breach(now, "a request to %s without User-Agent", r.URL.Path); return reply{} })
	}
	if a.work != nil {
		a.work()
	}
	c.send(w, a, r.Method == http.MethodPost || resource == "new-nonce")
}

// locked runs f under the lock.
func (c *CA) locked(f func() reply) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f()
}

// directory is RFC 8555 section 7.1.1.
func (c *CA) directory() map[string]any {
	profiles := map[string]string{}
	for name, life := range c.opt.Profiles {
		profiles[name] = "certificates that live " + life.String()
	}
	meta := map[string]any{"profiles": profiles, "website": c.base}
	if c.opt.Terms != "" {
		meta["termsOfService"] = c.opt.Terms
	}
	if len(c.opt.EAB) > 0 {
		meta["externalAccountRequired"] = true
	}
	return map[string]any{
		"newNonce":    c.base + "/new-nonce",
		"newAccount":  c.base + "/new-account",
		"newOrder":    c.base + "/new-order",
		"revokeCert":  c.base + "/revoke-cert",
		"keyChange":   c.base + "/key-change",
		"renewalInfo": c.base + "/renewal-info",
		"meta":        meta,
	}
}

// handler returns what answers signed requests for a resource, and whether
// these may, or must, bring their own key.
func (c *CA) handler(resource string) (handle func(*request) reply, ownKey bool) {
	switch resource {
	case "new-account":
		return c.newAccount, true
	case "revoke-cert":
		return c.revokeCert, true
	case "account":
		return c.updateAccount, false
	case "key-change":
		return c.keyChange, false
	case "new-order":
		return c.newOrder, false
	case "order":
		return c.showOrder, false
	case "finalize":
		return c.finalize, false
	case "authz":
		return c.showAuthz, false
	case "challenge":
		return c.answerChallenge, false
	case "cert":
		return c.download, false
	}
	return nil, false
}

// post answers a signed request.
func (c *CA) post(r *http.Request, now time.Time, resource, id string) reply {
	handle, ownKey := c.handler(resource)
	if handle == nil {
		return notFound("there is no such resource").reply()
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/jose+json" {
		return (&problem{Type: "malformed", Status: http.StatusUnsupportedMediaType, Detail: "a request is application/jose+json"}).reply()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil || len(body) > maxRequest {
		return malformed("the request cannot be read, or is too long").reply()
	}
	rq := &request{ctx: r.Context(), now: now, url: c.base + r.URL.Path, id: id}
	if p := c.authenticate(rq, body, ownKey); p != nil {
		return p.reply()
	}
	return c.locked(func() reply {
		if rq.account != nil && rq.account.status != "valid" {
			return unauthorized("the account is " + rq.account.status).reply()
		}
		return handle(rq)
	})
}

// authenticate checks who sent a request, and fills in what it holds.
func (c *CA) authenticate(rq *request, body []byte, ownKey bool) *problem {
	jws, header, err := readEnvelope(body)
	if err != nil {
		return malformed("%v", err)
	}
	if p := c.identify(rq, header); p != nil {
		return p
	}
	if header.JWK != nil {
		if !ownKey {
			return malformed("this request is signed by an account, with a kid")
		}
		if rq.key, err = header.JWK.public(); err != nil {
			return &problem{Type: "badPublicKey", Status: http.StatusBadRequest, Detail: err.Error()}
		}
	}
	rq.payload, err = jws.verify(header.Alg, rq.key.key)
	switch {
	case errors.Is(err, errAlgorithm):
		return &problem{Type: "badSignatureAlgorithm", Status: http.StatusBadRequest, Detail: err.Error(), Algorithms: algorithms()}
	case err != nil:
		return malformed("%v", err)
	}
	return nil
}

// identify spends the nonce, compares the URL and finds the account.
func (c *CA) identify(rq *request, header protected) *problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, times := c.nonces.spend(header.Nonce); !known {
		// A request whose answer was lost is sent again as it was.
		if times > maxReplays {
			c.breach(rq.now, "the nonce of a request to %s came %d times", rq.url, times)
		}
		return &problem{Type: "badNonce", Status: http.StatusBadRequest, Detail: "the nonce is spent, too old or not ours"}
	}
	if header.URL != rq.url {
		c.breach(rq.now, "a request to %s is signed for %q", rq.url, header.URL)
		return unauthorized("the request is signed for another URL")
	}
	if header.KID == "" {
		return nil
	}
	a := c.accounts[header.KID]
	if a == nil {
		return &problem{Type: "accountDoesNotExist", Status: http.StatusBadRequest, Detail: "there is no such account"}
	}
	rq.account, rq.key = a, a.key
	return nil
}
