package fakeca

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// identifier is a name in an order, RFC 8555 section 9.7.7 and RFC 8738.
type identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// order is RFC 8555 section 7.1.3.
type order struct {
	id       string
	account  *account
	names    []string // sorted, in lower case
	profile  string
	replaces string
	renewal  bool // which limits do not count, see Limits.RenewalsFree
	expires  time.Time
	authz    []*authz

	cert  *cert     // nil before it is finalized
	ready time.Time // when the certificate can be fetched
}

// key is the same for orders that the CA hands out only once while they are
// open.
func (o *order) key() string { return openKey(o.account, o.profile, o.names) }

func openKey(a *account, profile string, names []string) string {
	return a.url + " " + profile + " " + strings.Join(names, ",")
}

// status is RFC 8555 section 7.1.6.
func (o *order) status(now time.Time) string {
	if o.cert != nil {
		if now.Before(o.ready) {
			return "processing"
		}
		return "valid"
	}
	if !now.Before(o.expires) {
		return "invalid"
	}
	status := "ready"
	for _, a := range o.authz {
		switch a.status(now) {
		case "valid":
		case "pending":
			if status == "ready" {
				status = "pending"
			}
		default:
			status = "invalid"
		}
	}
	return status
}

// fault says which names could not be validated; nil where none failed.
func (o *order) fault() *problem {
	var failed []problem
	for _, a := range o.authz {
		if p := a.fault(); p != nil {
			named := *p
			named.Identifier = &a.identifier
			failed = append(failed, named)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	if len(failed) == 1 {
		return &failed[0]
	}
	return &problem{Type: "compound", Status: http.StatusForbidden, Detail: "names could not be validated", Subproblems: failed}
}

type orderJSON struct {
	Status         string       `json:"status"`
	Expires        time.Time    `json:"expires"`
	Identifiers    []identifier `json:"identifiers"`
	Authorizations []string     `json:"authorizations"`
	Finalize       string       `json:"finalize"`
	Profile        string       `json:"profile"`
	Replaces       string       `json:"replaces,omitempty"`
	Error          *problem     `json:"error,omitempty"`
	Certificate    string       `json:"certificate,omitempty"`
}

func (c *CA) orderURL(o *order) string { return c.base + "/order/" + o.id }

// orderReply shows an order in the given status.
func (c *CA) orderReply(code int, o *order, status string) reply {
	shown := orderJSON{
		Status: status, Expires: o.expires.UTC().Truncate(time.Second), Profile: o.profile, Replaces: o.replaces,
		Finalize: c.base + "/finalize/" + o.id, Authorizations: []string{},
	}
	for _, name := range o.names {
		shown.Identifiers = append(shown.Identifiers, identify(name))
	}
	for _, a := range o.authz {
		shown.Authorizations = append(shown.Authorizations, c.base+"/authz/"+a.id)
	}
	switch status {
	case "invalid":
		shown.Error = o.fault()
	case "valid":
		shown.Certificate = c.base + "/cert/" + o.cert.Serial
	}
	return reply{status: code, body: shown, location: c.orderURL(o)}
}

// showOrder is a poll. While the order waits for the CA the answer says when
// to ask again.
func (c *CA) showOrder(rq *request) reply {
	o := c.orders[rq.id]
	switch {
	case o == nil:
		return notFound("there is no such order").reply()
	case o.account != rq.account:
		return unauthorized("the order is another account's").reply()
	}
	c.asked(rq.now, rq.url, false)
	status := o.status(rq.now)
	a := c.orderReply(http.StatusOK, o, status)
	if status == "processing" || status == "pending" && slices.ContainsFunc(o.authz, (*authz).looking) {
		c.pollLater(rq.now, rq.url, &a)
	}
	return a
}

// pollLater adds the Retry-After of things that wait for the CA.
func (c *CA) pollLater(now time.Time, url string, a *reply) {
	if wait := wholeSeconds(c.opt.PollAfter); wait > 0 {
		a.retryAfter = wait
		c.promised(now, url, wait)
	}
}

// nameForm is a DNS name in an order.
var nameForm = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// maxNames bounds the names of an order.
const maxNames = 100

// identify is the identifier of a name.
func identify(name string) identifier {
	if _, err := netip.ParseAddr(name); err == nil {
		return identifier{"ip", name}
	}
	return identifier{"dns", name}
}

// readNames checks the identifiers of an order.
func readNames(ids []identifier) ([]string, *problem) {
	var names []string
	for _, id := range ids {
		name := strings.ToLower(id.Value)
		switch {
		case id.Type != "dns" && id.Type != "ip":
			return nil, &problem{Type: "unsupportedIdentifier", Status: http.StatusBadRequest, Detail: fmt.Sprintf("identifiers of type %q", id.Type)}
		case identify(name).Type != id.Type, id.Type == "dns" && (!nameForm.MatchString(name) || len(name) > 253):
			return nil, &problem{
				Type: "rejectedIdentifier", Status: http.StatusBadRequest, Identifier: &id,
				Detail: fmt.Sprintf("%q is no name that a public certificate may have", name),
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 || len(names) > maxNames {
		return nil, malformed("an order has 1 to %d names", maxNames)
	}
	return names, nil
}

// newOrder opens an order, or hands out again the one that the account has
// open for the same names (RFC 8555 section 7.4 lets a CA do so).
func (c *CA) newOrder(rq *request) reply {
	c.tidy(rq.now)
	var want struct {
		Identifiers []identifier `json:"identifiers"`
		Profile     string       `json:"profile"`
		Replaces    string       `json:"replaces"`
		NotBefore   string       `json:"notBefore"`
		NotAfter    string       `json:"notAfter"`
	}
	if p := c.overloaded(rq); p != nil {
		return p.reply()
	}
	if p := rq.read(&want); p != nil {
		return p.reply()
	}
	if want.NotBefore != "" || want.NotAfter != "" {
		return malformed("notBefore and notAfter are the CA's to choose").reply()
	}
	names, p := readNames(want.Identifiers)
	if p != nil {
		return p.reply()
	}
	if want.Profile == "" {
		want.Profile = c.opt.Default
	}
	if _, ok := c.opt.Profiles[want.Profile]; !ok {
		return (&problem{Type: "invalidProfile", Status: http.StatusBadRequest, Detail: fmt.Sprintf("there is no profile %q", want.Profile)}).reply()
	}
	if p := c.checkReplaces(rq.account, want.Replaces, names); p != nil {
		return p.reply()
	}
	o := c.open[openKey(rq.account, want.Profile, names)]
	if o == nil || o.status(rq.now) != "pending" && o.status(rq.now) != "ready" {
		o = &order{account: rq.account, names: names, profile: want.Profile, replaces: want.Replaces}
		o.renewal = c.opt.Limits.RenewalsFree && (o.replaces != "" || c.had[strings.Join(names, ",")])
		if p := c.checkLimits(rq, o); p != nil {
			return p.reply()
		}
		c.openOrder(rq.now, o)
	}
	return c.orderReply(http.StatusCreated, o, o.status(rq.now))
}

// openOrder adds authorisations to an order, old ones where they still serve.
func (c *CA) openOrder(now time.Time, o *order) {
	o.id, o.expires = c.nextID(), now.Add(pendingLife)
	for _, name := range o.names {
		a := c.proven[authzKey(o.account, name)]
		if a == nil || a.status(now) != "valid" {
			a = c.newAuthz(now, o.account, name)
		} else if a.expires.Before(o.expires) {
			o.expires = a.expires
		}
		o.authz = append(o.authz, a)
	}
	c.orders[o.id], c.open[o.key()] = o, o
}

// checkLimits compares a new order with the limits, and counts it.
func (c *CA) checkLimits(rq *request, o *order) *problem {
	var limits []limit
	for _, name := range o.names {
		limits = append(limits, c.failuresLimit(rq.account, strings.TrimPrefix(name, "*.")))
	}
	if !o.renewal || o.replaces == "" {
		limits = append(limits, c.sameNamesLimit(o.names))
	}
	if !o.renewal {
		limits = append(append(limits, c.ordersLimit(rq.account)), c.domainLimits(o.names)...)
	}
	if p := c.exceeded(rq.now, limits); p != nil {
		return p
	}
	if !o.renewal {
		c.spend(rq.now, c.ordersLimit(rq.account))
	}
	return nil
}
