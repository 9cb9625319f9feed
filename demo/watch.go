package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// between is the pause between two rounds of looks.
const between = 500 * time.Millisecond

// sight is what was seen of one certificate.
type sight struct {
	cert    cert
	serials []string // of the versions that were served, in order
	looks   int      // since the first version was served
}

// done reports whether enough was seen.
func (s *sight) done() bool { return len(s.serials) >= s.cert.least }

// watch looks at what the HTTPS server presents until everything was seen:
// each certificate, and those that live briefly renewed twice. Once a good
// certificate was served, a bad one ends the demo.
func (d *demo) watch(ctx context.Context) error {
	c := client{openssl: d.openssl, address: d.place.web, roots: d.place.file(fileRoot)}
	sights := make([]*sight, len(d.certs))
	for i := range sights {
		sights[i] = &sight{cert: d.certs[i]}
	}
	for {
		for _, s := range sights {
			leaf, err := c.look(ctx, s.cert.asked)
			if err := d.note(s, leaf, err); err != nil {
				return fmt.Errorf("%w\nCertkeep's log ends with:\n%s", err, d.log.tail())
			}
		}
		if !slices.ContainsFunc(sights, func(s *sight) bool { return !s.done() }) {
			break
		}
		select {
		case <-d.keeper.done:
			return fmt.Errorf("%w\n%s", d.keeper.ended(), d.log.tail())
		case <-ctx.Done():
			return missing(sights)
		case <-time.After(between):
		}
	}
	looks := 0
	for _, s := range sights {
		looks += s.looks
	}
	d.story.tell("openssl looked %d times and never saw a certificate that had ended or was for another name.", looks)
	return nil
}

// note takes in one look.
func (d *demo) note(s *sight, leaf *x509.Certificate, err error) error {
	first := len(s.serials) == 0
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return nil // a look that was broken off saw nothing
	case err != nil && first:
		return nil // none yet, or the placeholder
	case err != nil:
		return fmt.Errorf("%s: a client was refused: %w", s.cert.asked, err)
	}
	s.looks++
	serial := fmt.Sprintf("%X", leaf.SerialNumber)
	if slices.Contains(s.serials, serial) {
		return nil
	}
	s.serials = append(s.serials, serial)
	what := "has a certificate"
	if !first {
		what = fmt.Sprintf("was renewed (%d)", len(s.serials)-1)
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second // both ends count, RFC 5280 section 4.1.2.5
	if life != s.cert.lifetime {
		return fmt.Errorf("%s lives %s, not %s", s.cert.asked, life, s.cert.lifetime)
	}
	d.story.tell("openssl s_client: %s %s and is trusted.\nserial %s, valid until %s (%s)",
		s.cert.asked, what, serial, leaf.NotAfter.UTC().Format("2006-01-02 15:04:05"), left(time.Until(leaf.NotAfter)))
	return nil
}

// left says how much life a certificate has.
func left(d time.Duration) string {
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days left", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d seconds left", d/time.Second)
}

// missing says what was not seen.
func missing(sights []*sight) error {
	var words []string
	for _, s := range sights {
		if !s.done() {
			words = append(words, fmt.Sprintf("%s: %d of %d certificates were seen", s.cert.asked, len(s.serials), s.cert.least))
		}
	}
	return errors.New(strings.Join(words, "\n"))
}

// showStatus shows what Certkeep itself says, and insists that it has verified
// every certificate by a handshake of its own.
func (d *demo) showStatus(ctx context.Context) error {
	for {
		out, err := d.ask(ctx, "--json", "status")
		if err == nil && verified(out) {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("certkeep did not verify everything: %w\n%s", errors.Join(ctx.Err(), err), out)
		case <-time.After(between):
		}
	}
	_, err := d.certkeep(ctx, "status")
	return err
}

// verified reports whether every target of `status --json` is, with the
// version that counts.
func verified(text []byte) bool {
	var overview struct {
		Certificates []struct {
			Targets []struct {
				State   string
				Current bool
			}
		}
	}
	if json.Unmarshal(text, &overview) != nil || len(overview.Certificates) != len(certs()) {
		return false
	}
	for _, c := range overview.Certificates {
		for _, t := range c.Targets {
			if !t.Current || t.State != "verified" {
				return false
			}
		}
		if len(c.Targets) == 0 {
			return false
		}
	}
	return true
}
