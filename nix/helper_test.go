package nix

import (
	"slices"
	"strings"
	"testing"
)

// TestHelper has root install, and nothing else that is root.
func TestHelper(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s, cfg := m.example(t, "helper")
	want(t, "the config's helper", []any{cfg.Helper.User, cfg.Helper.Socket, cfg.Helper.State}, []any{"certkeep", "/run/certkeep-helper/socket", "/var/lib/certkeep-helper"})
	want(t, "user", []any{s.Users["certkeep"].IsSystemUser, s.Users["certkeep"].Group}, []any{true, "certkeep"})
	want(t, "where answers go", s.Tmpfile["10-certkeep"]["/var/www/html/.well-known/acme-challenge"]["d"], rule{Mode: "0755", User: "certkeep", Group: "certkeep"})
	for _, name := range []string{"certkeep", "certkeep-setup", "certkeep-finished@"} {
		u := s.Units[name]
		want(t, name+": user", []any{u.ServiceConfig["User"], u.ServiceConfig["Group"]}, []any{"certkeep", "certkeep"})
		paths, _ := u.ServiceConfig["ReadWritePaths"].([]any)
		want(t, name+": writes certificates", slices.Contains(paths, any("-/var/lib/certkeep-certs")), false)
		if name != "certkeep-finished@" { // which only reads
			want(t, name+": needs", []any{u.Requires, slices.Contains(u.After, "certkeep-helper.service")}, []any{[]string{"certkeep-helper.service"}, true})
		}
	}
	daemon, helper := s.Units["certkeep"].ServiceConfig, s.Units["certkeep-helper"]
	want(t, "the daemon may", []any{daemon["CapabilityBoundingSet"], daemon["AmbientCapabilities"]}, []any{[]any{"CAP_NET_BIND_SERVICE"}, []any{"CAP_NET_BIND_SERVICE"}})
	capabilities, _ := helper.ServiceConfig["CapabilityBoundingSet"].([]any)
	want(t, "the helper may", []bool{slices.Contains(capabilities, any("CAP_CHOWN")), slices.Contains(capabilities, any("CAP_NET_BIND_SERVICE"))}, []bool{true, false})
	want(t, "the helper is", []any{helper.ServiceConfig["User"], helper.ServiceConfig["ExecStart"], helper.PartOf},
		[]any{nil, m.programs() + "/certkeep/bin/certkeep --config /etc/certkeep/certkeep.json helper", []string{"certkeep.service"}})
	want(t, "its folders", []any{helper.ServiceConfig["StateDirectory"], helper.ServiceConfig["RuntimeDirectory"], helper.ServiceConfig["ReadWritePaths"]},
		[]any{"certkeep-helper", "certkeep-helper", []any{"-/var/lib/certkeep-certs"}})

	// Without one nothing of it is there, and hooks of root need that.
	s, cfg = m.example(t, "webroot")
	_, there := s.Units["certkeep-helper"]
	want(t, "without", []any{there, cfg.Helper.On(), s.Units["certkeep"].ServiceConfig["User"], len(s.Users)}, []any{false, false, nil, 0})
	s = m.evaluate(t, `{ services.certkeep = { enable = true; acceptTerms = true; helper = true; certs."a.example.com" = { listenHTTP = ":80"; postRun = "true"; }; }; }`)
	if len(s.Broken) != 1 || !strings.Contains(s.Broken[0], `certs."a.example.com".postRun: with services.certkeep.helper`) {
		t.Errorf("postRun: %q", s.Broken)
	}
}
