package fakeca

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// authz is an authorisation, RFC 8555 section 7.1.4: one account's proof of
// one name.
type authz struct {
	id         string
	account    *account
	identifier identifier // without "*."
	wildcard   bool
	expires    time.Time
	challenges []*challenge
}

// challenge is one way to prove the name, RFC 8555 section 8.
type challenge struct {
	Type      string     `json:"type"`
	URL       string     `json:"url"`
	Status    string     `json:"status"`
	Token     string     `json:"token"`
	Validated *time.Time `json:"validated,omitempty"`
	Error     *problem   `json:"error,omitempty"`
}

// key is the same for authorisations that serve the same purpose.
func (a *authz) key() string {
	name := a.identifier.Value
	if a.wildcard {
		name = "*." + name
	}
	return authzKey(a.account, name)
}

func authzKey(a *account, name string) string { return a.url + " " + name }

// status is RFC 8555 section 7.1.6.
func (a *authz) status(now time.Time) string {
	status := "pending"
	for _, ch := range a.challenges {
		if ch.Status == "valid" || ch.Status == "invalid" {
			status = ch.Status
		}
	}
	if status != "invalid" && !now.Before(a.expires) {
		return "expired"
	}
	return status
}

// looking reports whether the CA validates the name just now.
func (a *authz) looking() bool {
	return slices.ContainsFunc(a.challenges, func(ch *challenge) bool { return ch.Status == "processing" })
}

// fault is why the name could not be validated, or nil.
func (a *authz) fault() *problem {
	for _, ch := range a.challenges {
		if ch.Error != nil {
			return ch.Error
		}
	}
	return nil
}

// newAuthz asks for a new proof of a name.
func (c *CA) newAuthz(now time.Time, who *account, name string) *authz {
	bare, wildcard := strings.CutPrefix(name, "*.")
	a := &authz{id: c.nextID(), account: who, identifier: identify(bare), wildcard: wildcard, expires: now.Add(pendingLife)}
	types := []string{"http-01", "dns-01", "tls-alpn-01"}
	switch {
	case wildcard:
		types = []string{"dns-01"}
	case a.identifier.Type == "ip":
		types = []string{"http-01", "tls-alpn-01"}
	}
	token := rand.Text()
	for _, typ := range types {
		a.challenges = append(a.challenges, &challenge{
			Type: typ, URL: c.base + "/challenge/" + a.id + "/" + typ, Status: "pending", Token: token,
		})
	}
	c.authz[a.id] = a
	return a
}

type authzJSON struct {
	Identifier identifier  `json:"identifier"`
	Status     string      `json:"status"`
	Expires    time.Time   `json:"expires"`
	Wildcard   bool        `json:"wildcard,omitempty"`
	Challenges []challenge `json:"challenges"`
}

// findAuthz finds an authorisation of the account.
func (c *CA) findAuthz(rq *request, id string) (*authz, *problem) {
	a := c.authz[id]
	switch {
	case a == nil:
		return nil, notFound("there is no such authorisation")
	case a.account != rq.account:
		return nil, unauthorized("the authorisation is another account's")
	}
	return a, nil
}

// showAuthz is a poll, or the client's wish to end it (RFC 8555 sections
// 7.5.1 and 7.5.2). A decided one shows the challenge that decided it alone.
func (c *CA) showAuthz(rq *request) reply {
	a, p := c.findAuthz(rq, rq.id)
	if p != nil {
		return p.reply()
	}
	if len(rq.payload) > 0 {
		return malformed("authorisations are not changed here").reply()
	}
	c.asked(rq.now, rq.url, false)
	shown := authzJSON{
		Identifier: a.identifier, Status: a.status(rq.now), Wildcard: a.wildcard, Expires: a.expires.UTC().Truncate(time.Second),
	}
	for _, ch := range a.challenges {
		if shown.Status == "pending" || ch.Status == shown.Status {
			shown.Challenges = append(shown.Challenges, *ch)
		}
	}
	answer := reply{status: http.StatusOK, body: shown}
	if shown.Status == "pending" && a.looking() {
		c.pollLater(rq.now, rq.url, &answer)
	}
	return answer
}

// answerChallenge looks at the client's answer before it replies, but shows
// what came of it only to the next poll (RFC 8555 section 7.5.1).
func (c *CA) answerChallenge(rq *request) reply {
	id, typ, _ := strings.Cut(rq.id, "/")
	a, p := c.findAuthz(rq, id)
	if p != nil {
		return p.reply()
	}
	i := slices.IndexFunc(a.challenges, func(ch *challenge) bool { return ch.Type == typ })
	if i < 0 {
		return notFound("there is no such challenge").reply()
	}
	ch := a.challenges[i]
	answer := reply{status: http.StatusOK, up: c.base + "/authz/" + a.id}
	if len(rq.payload) > 0 && a.status(rq.now) == "pending" && !a.looking() {
		ch.Status = "processing"
		answer.work = func() { c.validate(rq.ctx, a, ch, ch.Token+"."+rq.key.thumbprint) }
	}
	answer.body = *ch
	return answer
}

// validationTime bounds one validation.
const validationTime = 20 * time.Second

// validate looks at one answer, and notes what came of it. It does not care
// whether the client that asked for it is still there.
func (c *CA) validate(ctx context.Context, a *authz, ch *challenge, keyAuth string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), validationTime)
	defer cancel()
	err := c.opt.Validate(ctx, ch.Type, a.identifier.Value, ch.Token, keyAuth)
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		ch.Status, ch.Error = "invalid", validationProblem(err)
		c.spend(now, c.failuresLimit(a.account, a.identifier.Value))
		return
	}
	c.validated(now, a, ch)
}

// validated notes that an answer was right. The caller holds mu.
func (c *CA) validated(now time.Time, a *authz, ch *challenge) {
	at := now.UTC().Truncate(time.Second)
	ch.Status, ch.Validated = "valid", &at
	if c.opt.ReuseAuthz > 0 {
		a.expires = now.Add(c.opt.ReuseAuthz)
		c.proven[a.key()] = a
	}
}

// validationProblem is a failed validation in the words of RFC 8555.
func validationProblem(err error) *problem {
	p := &problem{Type: "unauthorized", Status: http.StatusForbidden, Detail: err.Error()}
	if known, ok := errors.AsType[*ValidationError](err); ok {
		p.Type = known.Type
	} else if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		p.Type, p.Status = "connection", http.StatusBadRequest
	}
	return p
}
