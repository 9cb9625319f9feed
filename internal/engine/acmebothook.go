package engine

import (
	"context"
	"slices"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// acmebotEvents are acmebot's names of what an event of ours means, for hooks
// that were written for them. Those of files and keys stand with what they are
// told; see fileHooks.
func acmebotEvents(event store.EventKind) []store.EventKind {
	if event == store.EventTLSAUpdated {
		return []store.EventKind{"dns_zone_update"}
	}
	return nil
}

// payloads are what a hook that is still to run is told: once, but of each zone
// that was changed.
func (w *worker) payloads(pending, target string, attempt int) []deploy.Payload {
	event := plan.EventOf(pending)
	p := w.payload(event, target, attempt)
	if fields := hookFields(pending); fields != nil {
		return []deploy.Payload{p.With(fields)}
	}
	if event != "dns_zone_update" {
		return []deploy.Payload{p}
	}
	var all []deploy.Payload
	for _, zone := range w.tlsaZones() {
		all = append(all, p.With(map[string]string{"zone": zone}))
	}
	return all
}

// tlsaZones are the zones of the certificate's TLSA records.
func (w *worker) tlsaZones() []string {
	var zones []string
	cert := w.parts.cfg.Certificate(w.want.Name)
	if cert == nil {
		return nil
	}
	for _, t := range cert.TLSA {
		if zone := w.parts.cfg.DNS[t.Via].ZoneOf(t.Name); zone != "" && !slices.Contains(zones, zone) {
			zones = append(zones, zone)
		}
	}
	return zones
}

// challengePayload tells of a challenge in acmebot's words. It is not ok for
// an event that acmebot does not have.
func (w *worker) challengePayload(p deploy.Payload, event store.EventKind, c challenge.Challenge) (string, deploy.Payload, bool) {
	domain := c.Identifier.String()
	fields := map[string]string{"domain": domain, "challenge": c.DNSValue()}
	name := map[store.EventKind]string{store.EventChallengeSetup: "set_", store.EventChallengeCleanup: "clear_"}[event]
	switch {
	case c.Type == challenge.TypeDNS01:
		fields["zone"] = w.zoneOf(c)
		if name += "dns_challenge"; event == store.EventDNSUpdated {
			name, fields = "dns_zone_update", map[string]string{"zone": fields["zone"]}
		}
	case c.Type == challenge.TypeHTTP01 && name != "":
		name += "http_challenge"
		fields = map[string]string{"domain": domain, "challenge_file": w.answerFile(c)}
	default:
		return "", p, false
	}
	_, configured := w.hookOf(name)
	return name, p.With(fields), configured
}

// zoneOf is the zone that the answer to dns-01 is written to, where the config
// says that.
func (w *worker) zoneOf(c challenge.Challenge) string {
	for _, m := range w.parts.cfg.MethodsFor(w.want.Name, c.Identifier.Value, c.Identifier.Wildcard) {
		if m.Type == config.MethodDNS01 {
			return w.parts.cfg.DNS[m.Via].ZoneOf(c.Identifier.Value)
		}
	}
	return ""
}

// answerFile is the file of the answer to http-01, where there is one.
func (w *worker) answerFile(c challenge.Challenge) string {
	for _, m := range w.parts.cfg.MethodsFor(w.want.Name, c.Identifier.Value, c.Identifier.Wildcard) {
		if solver, ok := w.parts.solver(m).(*challenge.Webroot); ok {
			return solver.File(c)
		}
	}
	return ""
}

// runEach runs a hook for each payload, until one fails.
func runEach(ctx context.Context, h deploy.Hook, payloads []deploy.Payload) error {
	for _, p := range payloads {
		if err := deploy.Run(ctx, h, p); err != nil {
			return err
		}
	}
	return nil
}
