package config

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
	"github.com/certkeep/certkeep/internal/store"
)

func modeOf(m uint32) fs.FileMode { return fs.FileMode(m) }

// An empty file is a configuration too: everything has a default.
func TestDefaults(t *testing.T) {
	for _, yaml := range []string{"", "# nothing\n", "---\n", "{}", "certificates:\n", "listen:\nlog:\ndefaults: {renew: }\nissuers: {letsencrypt: }\n"} {
		got := mustLoad(t, yaml)
		got.marks, got.Issuers, got.Services = nil, nil, nil
		if len(got.Certificates) == 0 {
			got.Certificates = nil
		}
		want := &Config{
			State: "/var/lib/certkeep", Concurrency: 20, WaitRandom: Wait{Least: 5 * time.Minute, Most: time.Hour}, Revoke: RevokeReplace, Issue: true, Solve: true, Listen: Listen{HTTP: HTTPListener{Address: ":80"}, Status: StatusListener{Address: "127.0.0.1:9780"}}, Log: Log{Level: "info", Format: "auto", Mode: 0o600, Color: ColorAuto},
			Keep: Keep{Versions: 3, Archive: 365 * 24 * time.Hour, Events: 256}, Suffixes: Suffixes{RSA: ".rsa", ECDSA: ".ecdsa"},
			Defaults: Settings{
				Issuers: []string{"letsencrypt"}, KeyTypes: standardSettings().KeyTypes, Renew: plan.RenewPolicy{ARI: true},
				Warn: plan.Span{Percent: 10}, Layout: "standard", Mode: "auto", Activate: "reload", StapleWait: 50 * time.Second, ProfileMandatory: true,
			},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n%+v\nwant\n%+v", yaml, got, want)
		}
	}
}

func TestBuiltinsAreChangedKeyByKey(t *testing.T) {
	cfg := mustLoad(t, `
issuers: {letsencrypt: {profile: shortlived}, zerossl: {eab: {kid: k, hmac_env: E}}, staging: {directory: https://s.example/d, staging: letsencrypt}}
services:
  nginx: {min_interval: 5s}
  apache: {reload: [apachectl, graceful]}
  haproxy: {reload: {signal: USR2, pid_file: /run/h.pid}}
  postfix: {reload: p, status: s}
`)
	le := cfg.Issuers["letsencrypt"]
	if le.Profile != "shortlived" || le.Directory == "" || le.Staging != "letsencrypt-staging" || le.Name != "letsencrypt" {
		t.Errorf("letsencrypt: %+v", le)
	}
	if z := cfg.Issuers["zerossl"]; !reflect.DeepEqual(z.EAB, &EAB{KID: "k", HMAC: SecretRef{Env: "E"}}) || z.Directory == "" {
		t.Errorf("zerossl: %+v", z)
	}
	for _, name := range []string{"letsencrypt", "letsencrypt-staging", "google", "zerossl", "actalis", "sslcom", "staging"} {
		if i, ok := cfg.Issuers[name]; !ok || i.Name != name || i.Directory == "" {
			t.Errorf("issuer %s: %+v", name, i)
		}
	}
	nginx, _ := service.Builtin("nginx")
	nginx.MinInterval = 5 * time.Second
	if got := cfg.Services["nginx"]; !reflect.DeepEqual(got, nginx) {
		t.Errorf("nginx: %+v", got)
	}
	// A reload of one's own is not for the process that the built-in service
	// is found by.
	apache := cfg.Services["apache"]
	if apache.Unit != "" || len(apache.PIDFiles) > 0 || len(apache.Reload) != 1 || len(apache.Check) < 2 {
		t.Errorf("apache: %+v", apache)
	}
	if h := cfg.Services["haproxy"]; !slices.Equal(h.PIDFiles, []string{"/run/h.pid"}) || h.Reload[0].Signal != "USR2" || h.Unit != "" {
		t.Errorf("haproxy: %+v", h)
	}
	if p := cfg.Services["postfix"]; len(p.Status) != 1 || p.Status[0].Args[0] != "s" {
		t.Errorf("postfix: %+v", p)
	}
}

func TestVerifyEndpoints(t *testing.T) {
	cfg := mustLoad(t, `
services: {web: {reload: r, verify: [8443, {port: 5000, starttls: postgres}]}, mute: {reload: r}}
defaults: {services: [nginx]}
certificates:
  default: {names: [a.example]}
  several: {names: [b.example], services: [postfix, dovecot, nginx, apache, web]}
  own: {names: [c.example], verify: [25, 143, 110, 587, 993, {port: 5432}, {port: 25, starttls: false, hosts: [X.example], address: dns}]}
  others: {names: [f.example], verify: [21, 389, 4190, 5222, 5269, 2000, {port: 5000, starttls: xmpp}]}
  off: {names: [d.example], verify: false}
  mute: {names: [e.example], services: [mute]}
`)
	port := func(n int, starttls string) Endpoint { return Endpoint{Port: n, StartTLS: starttls} }
	for name, want := range map[string][]Endpoint{
		"default": {port(443, "")},
		"several": {port(25, "smtp"), port(993, ""), port(443, ""), port(8443, ""), port(5000, "postgres")},
		"own": {
			port(25, "smtp"), port(143, "imap"), port(110, "pop3"), port(587, "smtp"), port(993, ""), port(5432, "postgres"),
			{Port: 25, Hosts: []string{"x.example"}, Address: AddressDNS},
		},
		"others": {
			port(21, "ftp"), port(389, "ldap"), port(4190, "sieve"), port(5222, "xmpp"), port(5269, "xmpp-server"), port(2000, ""), port(5000, "xmpp"),
		},
		"off":  {},
		"mute": {},
	} {
		if got := cfg.Certificate(name).Verify; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	cfg := mustLoad(t, `
hooks:
  issued: {command: "/bin/x 'a b' c"}
  installed: {command: [/bin/x, "a b", "", "$y"], user: nobody, timeout: 5s}
  errored: {command: {shell: "a | b"}}
`)
	for event, want := range map[string]Hook{
		"issued":    {Event: "issued", Command: Command{Args: []string{"/bin/x", "a b", "c"}}, Timeout: 2 * time.Minute},
		"installed": {Event: "installed", Command: Command{Args: []string{"/bin/x", "a b", "", "$y"}}, User: "nobody", Timeout: 5 * time.Second},
		"errored":   {Event: "errored", Command: Command{Shell: "a | b"}, Timeout: 2 * time.Minute},
	} {
		if got := cfg.Hooks[event]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", event, got, want)
		}
	}
	if got := cfg.Hooks["errored"].Command.Argv(); !slices.Equal(got, []string{"/bin/sh", "-c", "a | b"}) {
		t.Errorf("Argv() = %q", got)
	}
}

// The events are declared in package store; those that have no hook yet are
// the ones of later work.
func TestEvents(t *testing.T) {
	kinds := []store.EventKind{
		store.EventRenewing, store.EventChallengeSetup, store.EventChallengeCleanup, store.EventDNSUpdated, store.EventIssued,
		store.EventFileInstalled, store.EventInstalled, store.EventReloaded, store.EventVerified, store.EventVerifyFailed,
		store.EventRolledBack, store.EventKeyRollover, store.EventExpiring, store.EventErrored, store.EventRevoked, store.EventTLSAUpdated, store.EventOCSPUpdated, store.EventSCTUpdated,
	}
	var want []string
	for _, k := range kinds {
		want = append(want, string(k))
	}
	if got := Events(); !slices.Equal(got, want) {
		t.Errorf("Events() = %q, want %q", got, want)
	}
}

func TestTerms(t *testing.T) {
	for yaml, want := range map[string][2]bool{
		"": {false, false}, "accept_terms: true": {true, true}, "accept_terms: false": {false, false}, "accept_terms: [zerossl]": {false, true},
	} {
		terms := mustLoad(t, yaml).Terms
		if got := [2]bool{terms.Agreed("letsencrypt"), terms.Agreed("zerossl")}; got != want {
			t.Errorf("%s: agreed %v, want %v", yaml, got, want)
		}
	}
}

// A helper needs a user, and has a place for all else.
func TestHelperDefaults(t *testing.T) {
	want := Helper{User: "certkeep", Socket: "/run/certkeep-helper/socket", State: "/var/lib/certkeep-helper"}
	if got := mustLoad(t, "helper: {user: certkeep}").Helper; got != want {
		t.Errorf("helper %+v", got)
	}
	for _, text := range []string{"helper: false", ""} {
		cfg := mustLoad(t, text)
		if cfg.Helper.On() || !strings.Contains(cfg.Show(), "\nhelper: false\n") {
			t.Errorf("%q: helper %+v, shown as\n%s", text, cfg.Helper, cfg.Show())
		}
	}
}
