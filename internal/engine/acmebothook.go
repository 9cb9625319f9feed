package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/store"
)

// acmebotEvents are acmebot's names of what an event of ours means, for hooks
// that were written for them.
func acmebotEvents(event store.EventKind) []store.EventKind {
	switch event {
	case store.EventInstalled:
		return []store.EventKind{
			"private_key_installed", "backup_key_installed", "previous_key_installed", "certificate_installed",
			"full_certificate_installed", "chain_installed", "full_key_installed", "params_installed",
		}
	case store.EventKeyRollover:
		return []store.EventKind{"private_key_rollover"}
	case store.EventTLSAUpdated:
		return []store.EventKind{"dns_zone_update"}
	}
	return nil
}

// payloads are what the hook of an event is told: once, or for an event of
// acmebot's once for each thing that it speaks of. Then there may be none.
func (w *worker) payloads(event, target string, attempt int) []deploy.Payload {
	p := w.payload(event, target, attempt)
	if !slices.Contains(config.AcmebotEvents(), event) {
		return []deploy.Payload{p}
	}
	keyName := w.want.Keys
	if keyName == "" {
		keyName = w.want.Name
	}
	general := map[string]string{"key_name": keyName, "certificate_name": w.want.Name}
	var all []deploy.Payload
	switch event {
	case "dns_zone_update":
		for _, zone := range w.tlsaZones() {
			all = append(all, p.With(map[string]string{"zone": zone}))
		}
	case "private_key_rollover":
		all = rolledPayloads(p, general)
	default:
		field := strings.TrimSuffix(event, "_installed") + "_file"
		for _, f := range p.Files {
			if f.Kind()+"_installed" == event {
				all = append(all, p.With(general, map[string]string{"key_type": f.Algorithm(), field: f.Path}))
			}
		}
	}
	return all
}

// rolledPayloads tells of a rollover: for each kind of key where its files are.
func rolledPayloads(p deploy.Payload, general map[string]string) []deploy.Payload {
	var order []string
	found := make(map[string]map[string]string)
	for _, f := range p.Files {
		kind := f.Kind()
		if kind != "private_key" && kind != "backup_key" && kind != "previous_key" {
			continue
		}
		algorithm := f.Algorithm()
		if found[algorithm] == nil {
			order = append(order, algorithm)
			found[algorithm] = map[string]string{"key_type": algorithm, "private_key_file": "", "backup_key_file": "", "previous_key_file": ""}
		}
		found[algorithm][kind+"_file"] = f.Path
	}
	var all []deploy.Payload
	for _, algorithm := range order {
		all = append(all, p.With(general, found[algorithm]))
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
	fields := map[string]string{"domain": c.Identifier.Value, "challenge": c.DNSValue()}
	name := map[store.EventKind]string{store.EventChallengeSetup: "set_", store.EventChallengeCleanup: "clear_"}[event]
	switch {
	case c.Type == challenge.TypeDNS01:
		fields["zone"] = w.zoneOf(c)
		if name += "dns_challenge"; event == store.EventDNSUpdated {
			name, fields = "dns_zone_update", map[string]string{"zone": fields["zone"]}
		}
	case c.Type == challenge.TypeHTTP01 && name != "":
		name += "http_challenge"
		fields = map[string]string{"domain": c.Identifier.Value, "challenge_file": w.answerFile(c)}
	default:
		return "", p, false
	}
	_, configured := w.parts.cfg.Hooks[name]
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
