package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/status"
)

// serverStatus is what mod_md adds to Apache's server-status?auto, under its
// labels. That Certkeep has no identifier of a stapled certificate, and names
// CAs as the config does, is all that differs.
func (h *handler) serverStatus(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	body, err := h.inTurn(r.Context(), func() ([]byte, error) { return h.statusLines(s), nil })
	if err != nil {
		return err
	}
	return send(w, r, "text/plain; charset=utf-8", body)
}

func (h *handler) statusLines(s *status.Snapshot) []byte {
	all := make([]status.Certificate, 0, len(s.Rows))
	for i := range s.Rows {
		c, _ := s.Certificate(s.Rows[i].Name)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b status.Certificate) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	takeStock(&b, s, all)
	for i, c := range all {
		h.domainLines(&b, s, i, c)
	}
	staplingLines(&b, s.Weighed, all)
	return b.Bytes()
}

// takeStock counts: those that are complete, those that are due, and of these
// those that fail and those whose successor waits to be put into force.
func takeStock(b io.Writer, s *status.Snapshot, all []status.Certificate) {
	var complete, due, errored, ready int
	for _, c := range all {
		if state, _ := mdState(c); state == mdComplete {
			complete++
		}
		at := mdRenewAt(c)
		switch {
		case len(s.Staged(c.Name)) > 0:
			due++
			ready++
		case at.IsZero() || at.After(s.Weighed):
		default:
			due++
			if len(c.Attempts) > 0 {
				errored++
			}
		}
	}
	fmt.Fprintf(b, "ManagedCertificatesTotal: %d\nManagedCertificatesOK: %d\nManagedCertificatesRenew: %d\nManagedCertificatesErrored: %d\nManagedCertificatesReady: %d\n",
		len(all), complete, due, errored, ready)
}

// liner writes lines under a prefix; those without a value are left out.
func liner(b io.Writer, prefix string, i int) func(label, value string) {
	return func(label, value string) {
		if value != "" {
			fmt.Fprintf(b, "%s[%d]%s: %s\n", prefix, i, label, plainLine(value))
		}
	}
}

func (h *handler) domainLines(b io.Writer, s *status.Snapshot, i int, c status.Certificate) {
	line := liner(b, "ManagedDomain", i)
	line("Domain", c.Name)
	for n, name := range c.Names {
		line(fmt.Sprintf("Names[%d]", n), name)
	}
	line("Status", mdStatusWords(s.Weighed, c))
	if c.NotBefore.After(s.Weighed) {
		line("ValidFrom", day(c.NotBefore))
	}
	line("ValidUntil", day(c.NotAfter))
	if len(c.Issuers) > 0 {
		line("CAName", c.Issuers[0])
		line("CAURL", h.Directories[c.Issuers[0]])
	}
	if s.Wanted(c.Name).OCSP != nil {
		line("Stapling", "on")
	}
	activityLines(line, s, c)
}

// mdStatusWords is a certificate's state in mod_md's words.
func mdStatusWords(now time.Time, c status.Certificate) string {
	state, why := mdState(c)
	switch {
	case state == mdIncomplete:
		return "incomplete: " + why
	case state == mdError:
		return "error"
	case !c.NotAfter.After(now):
		return "expired"
	}
	return "good"
}

// activityLines tell of a renewal: of one that is under way, or when it begins.
func activityLines(line func(label, value string), s *status.Snapshot, c status.Certificate) {
	staged := s.Staged(c.Name)
	at := mdRenewAt(c)
	switch {
	case len(staged) > 0:
		line("ActivityFinished", "yes")
		line("ActivityNewStaged", fmt.Sprint(len(staged)))
	case c.Renewing():
		renewalLines(line, s.Weighed, c)
	case at.After(s.Weighed):
		line("ActivityRenew", seconds(s.Weighed, at))
	case !at.IsZero():
		line("Activity", "Pending")
	case mdMode(c.Mode) == mdManual:
		line("Activity", "Manual renew")
	}
}

func renewalLines(line func(label, value string), now time.Time, c status.Certificate) {
	var last status.Attempt
	if len(c.Attempts) > 0 {
		last = c.Attempts[0]
	}
	if last.Fault != nil {
		line("ActivityLastStatus", "failed")
		line("ActivityLastProblem", string(last.Fault.Code))
	}
	line("ActivityFinished", "no")
	if last.Fault != nil {
		line("ActivityLastDetail", strings.Join(append([]string{last.Fault.Words}, last.Fault.Detail...), "; "))
	}
	if last.Count > 0 {
		line("ActivityRetries", fmt.Sprint(last.Count))
	}
	if last.Next.After(now) {
		line("ActivityNextRun", seconds(now, last.Next))
	} else {
		line("Activity", "Ongoing")
	}
}

// staplingLines tell of OCSP responses.
func staplingLines(b io.Writer, now time.Time, all []status.Certificate) {
	var lines strings.Builder
	var total, good, revoked int
	for _, c := range all {
		for _, p := range c.Pairs {
			if p.OCSP == nil {
				continue
			}
			line := liner(&lines, "ManagedStapling", total)
			line("Domain", c.Name)
			line("OCSPStatus", mdOCSP(p.OCSP.State))
			line("StaplingValidUntil", day(p.OCSP.Until))
			line("ResponderName", hostIn(p.OCSP.Responder))
			line("ResponderURL", p.OCSP.Responder)
			if p.OCSP.AskAgain.After(now) {
				line("ActivityRefresh", seconds(now, p.OCSP.AskAgain))
			}
			total++
			switch mdOCSP(p.OCSP.State) {
			case "good":
				good++
			case "revoked":
				revoked++
			}
		}
	}
	fmt.Fprintf(b, "ManagedStaplingsTotal: %d\nManagedStaplingsOK: %d\nManagedStaplingsRenew: %d\nManagedStaplingsErrored: %d\n%s", total, good, revoked, total-good-revoked, lines.String())
}

// hostIn is the host of a URL.
func hostIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// seconds are those from now until then.
func seconds(now, then time.Time) string { return fmt.Sprint(int64(then.Sub(now) / time.Second)) }

// plainLine keeps foreign words on their line.
func plainLine(s string) string { return strings.Join(strings.Fields(s), " ") }
