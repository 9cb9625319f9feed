package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// What follows speaks as mod_md does, so that what was written for it goes on
// working: md-status, certificate-status, and its lines of server-status.

// object is JSON whose keys are mod_md's.
type object = map[string]any

// mod_md's numbers.
const (
	mdIncomplete = 1
	mdComplete   = 2
	mdError      = 4

	mdManual = 0 // of renew-mode
	mdAuto   = 1
)

// mdMode is who renews a certificate. What somebody else makes mod_md calls
// manual too.
func mdMode(mode string) int {
	if mode == string(plan.ModeManual) || mode == string(plan.ModeStatic) {
		return mdManual
	}
	return mdAuto
}

func (h *handler) mdStatus(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	shape, err := mdShapeOf(r)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(s.Rows))
	for i := range s.Rows {
		names = append(names, s.Rows[i].Name)
	}
	slices.Sort(names)
	body, err := h.inTurn(r.Context(), func() ([]byte, error) {
		all := make([]object, 0, len(names))
		for _, name := range names {
			all = append(all, h.managed(s, name, shape))
		}
		return encode(object{"version": h.Build.Version, "managed-domains": all})
	})
	if err != nil {
		return err
	}
	return send(w, r, kindJSON, body)
}

// mdStatusOf tells of one managed domain, by its name or by one that it
// holds. An unknown one is 404; mod_md gives the list then.
func (h *handler) mdStatusOf(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	shape, err := mdShapeOf(r)
	if err != nil {
		return err
	}
	name, ok := s.Managed(strings.ToLower(r.PathValue("name")))
	if !ok {
		return notFound("no managed domain has that name")
	}
	return sendJSON(w, r, h.managed(s, name, shape))
}

// mdShape is which mod_md is spoken.
type mdShape int

const (
	mdNewest mdShape = iota
	md2019           // version 2.0: one certificate for each managed domain, its fields flat
)

func mdShapeOf(r *http.Request) (mdShape, error) {
	switch r.URL.Query().Get("shape") {
	case "":
		return mdNewest, nil
	case "2019":
		return md2019, nil
	}
	return 0, &failure{http.StatusBadRequest, "shape takes 2019, or is left out"}
}

// managed is a certificate as a managed domain.
func (h *handler) managed(s *status.Snapshot, name string, shape mdShape) object {
	c, _ := s.Certificate(name)
	want := s.Wanted(name)
	md := object{
		"name": c.Name, "domains": c.Names, "contacts": h.contacts(c.Issuers), "renew-mode": mdMode(c.Mode), "must-staple": want.MustStaple,
		"renew-window": spanWords(want.Renew.Before, "33%"), "warn-window": spanWords(want.Warn, "10%"), "ca": h.authority(c.Issuers),
	}
	h.declared(md, c, shape)
	state, why := mdState(c)
	md["state"] = state
	if why != "" {
		md["state-descr"] = why
	}
	if len(c.Pairs) > 0 || shape == mdNewest {
		md["cert"] = mdCert(c.Pairs, shape)
	}
	if renewal := mdRenewal(c, s.Staged(name), shape); renewal != nil {
		md["renewal"] = renewal
	}
	at := mdRenewAt(c)
	due := !at.IsZero() && !at.After(s.Weighed)
	if shape == md2019 {
		md["renew"] = due
		return md
	}
	if due {
		md["renew"] = true
	}
	md["privkey"] = mdKeys(c.KeyTypes)
	md["watched"], md["ari-renewals"], md["stapling"] = true, want.Renew.ARI, want.OCSP != nil
	if want.Profile != "" {
		md["profile"] = want.Profile
	}
	if !at.IsZero() {
		md["renew-at"] = rfc822(at)
	}
	return md
}

// mdRenewAt is when a certificate is due, whatever an attempt that failed has the
// next one wait for; zero where it never is.
func mdRenewAt(c status.Certificate) time.Time {
	if c.Renewal == nil {
		return time.Time{}
	}
	at := c.Renewal.At
	for _, a := range c.Attempts {
		if a.Last.Before(at) {
			at = a.Last
		}
	}
	return at
}

// mdState is a certificate's state, and why it is incomplete or wrong.
func mdState(c status.Certificate) (state int, why string) {
	switch {
	case c.State == status.Unknown && len(c.Problems) > 0:
		return mdError, c.Problems[0].Words
	case c.NotAfter.IsZero():
		return mdIncomplete, "certificate missing"
	}
	for _, p := range c.Pairs {
		for _, name := range c.Names {
			if !slices.Contains(p.Names, name) {
				return mdIncomplete, "certificate does not cover " + name
			}
		}
	}
	return mdComplete, ""
}

// declared adds what only the config says.
func (h *handler) declared(md object, c status.Certificate, shape mdShape) {
	if h.Declared == nil || len(c.Issuers) == 0 {
		return
	}
	challenges, mandatory, agreed := h.Declared(c.Name)
	if ca, ok := md["ca"].(object); ok {
		ca["challenges"] = challenges
		if agreed {
			ca["agreement"] = "accepted"
		}
	}
	if shape == mdNewest {
		md["profile-mandatory"] = mandatory
	}
}

// contacts are the URLs by which CAs reach whoever runs Certkeep; where no CA
// is asked there are none.
func (h *handler) contacts(issuers []string) []string {
	all := []string{}
	for _, id := range issuers {
		if at := "mailto:" + cmp.Or(h.Emails[id], h.Email); at != "mailto:" && !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	return all
}

func (h *handler) authority(issuers []string) object {
	urls := make([]string, 0, len(issuers))
	for _, id := range issuers {
		urls = append(urls, cmp.Or(h.Directories[id], id))
	}
	if len(urls) == 0 {
		return object{"proto": "ACME", "urls": urls} // static: none is asked
	}
	return object{"proto": "ACME", "url": urls[0], "urls": urls}
}

const certificateStatusPath = "/.httpd/certificate-status"

// certificateStatus tells of the certificate of one domain what everybody
// sees who connects to it, and of its successor. So nobody needs to be known,
// and the Host may be the domain itself.
func (h *handler) certificateStatus(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	shape, err := mdShapeOf(r)
	if err != nil {
		return err
	}
	domain := strings.ToLower(cmp.Or(r.PathValue("name"), hostOf(r)))
	name, ok := s.Managed(domain)
	if !ok {
		return notFound("no managed domain has that name")
	}
	c, _ := s.Certificate(name)
	told := object{}
	if len(c.Pairs) > 0 {
		told = mdCert(c.Pairs, shape)
	}
	if c.Renewing() || len(s.Staged(name)) > 0 {
		told["renewal"] = successor(pairsOf(s.Staged(name)), shape)
	}
	for _, key := range told {
		if one, ok := key.(object); ok {
			delete(one, "ocsp")
			delete(one, "issuer-name")
			delete(one, "ari-cert-id")
		}
	}
	for _, t := range c.KeyTypes {
		if _, there := told[mdKeyName(t)]; !there && shape == mdNewest {
			told[mdKeyName(t)] = object{} // wanted, and not there yet
		}
	}
	return sendJSON(w, r, told)
}

func valid(from, until time.Time) object {
	return object{"from": rfc822(from), "until": rfc822(until)}
}

func rfc822(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(http.TimeFormat)
}

// spanWords is a window as mod_md's configuration writes it.
func spanWords(s plan.Span, standard string) string {
	switch {
	case s.Fixed > 0 && s.Fixed%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", s.Fixed/(24*time.Hour))
	case s.Fixed > 0:
		return fmt.Sprintf("%ds", s.Fixed/time.Second)
	case s.Percent > 0:
		return fmt.Sprintf("%g%%", s.Percent)
	}
	return standard
}
