package fakeca

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// problem is an error document, RFC 8555 section 6.7.
type problem struct {
	Type        string      `json:"type"` // without the prefix until it is sent
	Detail      string      `json:"detail"`
	Status      int         `json:"status,omitempty"`
	Identifier  *identifier `json:"identifier,omitempty"`
	Subproblems []problem   `json:"subproblems,omitempty"`
	Algorithms  []string    `json:"algorithms,omitempty"`

	location   string
	retryAfter time.Duration
}

// MarshalJSON writes the full type.
func (p problem) MarshalJSON() ([]byte, error) {
	type plain problem
	out := plain(p)
	out.Type = "urn:ietf:params:acme:error:" + p.Type
	return json.Marshal(out)
}

// reply is the answer that says so.
func (p *problem) reply() reply {
	return reply{status: p.Status, body: *p, location: p.location, retryAfter: p.retryAfter}
}

func malformed(words string, args ...any) *problem {
	return &problem{Type: "malformed", Status: http.StatusBadRequest, Detail: fmt.Sprintf(words, args...)}
}

func unauthorized(words string) *problem {
	return &problem{Type: "unauthorized", Status: http.StatusForbidden, Detail: words}
}

func notFound(words string) *problem {
	return &problem{Type: "malformed", Status: http.StatusNotFound, Detail: words}
}

// send writes an answer. Its Date is the CA's, as its clock may be wrong.
func (c *CA) send(w http.ResponseWriter, a reply, nonce bool) {
	h := w.Header()
	h.Set("Date", c.opt.Now().UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	h.Add("Link", fmt.Sprintf("<%s>;rel=\"index\"", c.DirectoryURL()))
	if nonce {
		c.locked(func() reply { h.Set("Replay-Nonce", c.nonces.issue()); return reply{} })
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.up != "" {
		h.Add("Link", fmt.Sprintf("<%s>;rel=\"up\"", a.up))
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(wholeSeconds(a.retryAfter)/time.Second), 10))
	}
	var body []byte
	switch _, bad := a.body.(problem); {
	case a.pem != nil:
		h.Set("Content-Type", "application/pem-certificate-chain")
		body = a.pem
	case a.body != nil:
		h.Set("Content-Type", "application/json")
		if bad {
			h.Set("Content-Type", "application/problem+json")
		}
		var err error
		if body, err = json.Marshal(a.body); err != nil {
			a.status, body = http.StatusInternalServerError, []byte(err.Error())
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that is gone asks again
}

// wholeSeconds rounds up: a client that waits so long is not too early.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
