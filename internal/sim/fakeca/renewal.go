package fakeca

import (
	"net/http"
	"slices"
	"time"
)

// window is when a certificate should be renewed, RFC 9773 section 4.2.
type window struct {
	start, end time.Time
	retryAfter time.Duration
}

// shortLife is below which a certificate is renewed at half of its life.
const shortLife = 10 * 24 * time.Hour

// suggested is the window around two thirds of a life, or half of a short
// one: a twenty-fifth of the life wide.
func (c *CA) suggested(notBefore, notAfter time.Time) window {
	life := notAfter.Sub(notBefore)
	ideal := notAfter.Add(-life / 3)
	if life < shortLife {
		ideal = notAfter.Add(-life / 2)
	}
	return window{ideal.Add(-life / 50), ideal.Add(life / 50), c.opt.WindowAfter}
}

// maxHeed is how long a client has to heed the Retry-After of renewal
// information: RFC 9773 section 4.3.2 lets it ask sooner than that.
const maxHeed = 24 * time.Hour

// renewalInfo shows the window of a certificate.
func (c *CA) renewalInfo(now time.Time, certID string) reply {
	one := c.byCertID[certID]
	if one == nil {
		return notFound("there is no such certificate").reply()
	}
	subject := "renewal information of " + certID
	c.asked(now, subject, false)
	w := one.window
	body := map[string]any{"suggestedWindow": map[string]time.Time{"start": w.start.UTC(), "end": w.end.UTC()}}
	if !one.RevokedAt.IsZero() {
		body["explanationURL"] = c.base + "/revoked"
	}
	wait := wholeSeconds(w.retryAfter)
	c.promised(now, subject, min(wait, maxHeed))
	return reply{status: http.StatusOK, body: body, retryAfter: wait}
}

// checkReplaces checks the predecessor that an order names (RFC 9773 section
// 5).
func (c *CA) checkReplaces(who *account, certID string, names []string) *problem {
	if certID == "" {
		return nil
	}
	old := c.byCertID[certID]
	switch {
	case old == nil:
		return malformed("the certificate that the order replaces is not known: %q", certID)
	case old.account != who:
		return unauthorized("the certificate that the order replaces is another account's")
	case !slices.ContainsFunc(old.Names, func(name string) bool { return slices.Contains(names, name) }):
		return malformed("the certificate that the order replaces has none of its names")
	case old.replaced:
		return &problem{Type: "alreadyReplaced", Status: http.StatusConflict, Detail: "the certificate has a successor already"}
	}
	return nil
}
