package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// everything uses every key at least once.
const everything = `
state: /srv/certkeep
store_key_file: /etc/certkeep/store.key
node: "007"
email: admin@example.com
accept_terms: [letsencrypt, corp]
concurrency: 3
issue: false
solve: false
authorizations: [x.example.com, "*.example.com"]
wait_random: 1m-2h
listen: {http: {address: "[::1]:8080", redirect: permanent, hsts: 1y}, tls: "127.0.0.1:443", outside: {80: 8080, 443: 443}, status: {address: "unix:/run/certkeep/status.sock", group: www-data, hosts: [status.example.com], token_file: /etc/certkeep/token}}
log: {level: debug, format: json, file: /var/log/certkeep.log, owner: syslog, group: adm, mode: "0640", color: never}
warning_exit_code: true
revoke: withdraw
metrics_file: /srv/certkeep.prom
pid_file: /run/c.pid
issuers:
  corp: {directory: https://ca.corp.example/acme?x=y, roots_file: /etc/r.pem, proxy: "http://p:3128", email: ca@example.com, profile: "true", preferred_chain: "Röot: X #1", names_per_order: 7, account_key_file: /etc/a.jwk,
         eab: {kid: "12345", hmac_env: HMAC}, staging: letsencrypt-staging}
  letsencrypt: {profile: tlsserver, verify_tls: false}
  zerossl: {eab: {kid: "- a", hmac_credential: zerossl}, limits: {orders: 100/1h, per_domain: 20/7d, same_names: none, failures: 5/1h, accounts: 3/1d, renewals_free: true}}
dns:
  main: {provider: rfc2136, zones: [example.com, "10.in-addr.arpa"], server: 127.0.0.1, tsig_file: /etc/u.key, ttl: 90s, resolver: "::1", propagation: false, environment_file: /etc/dns.env}
  cmd: {provider: command, command: {shell: "a | b"}, timeout: 90m, propagation: {timeout: 1d12h, servers: ["[2001:db8::1]:5353", ns.example.com]}}
  lego: {provider: rfc2136, environment_env: DNS_ENVIRONMENT}
  secret: {provider: command, command: x, arguments: true, environment_credential: dns}
  exec: {provider: command, command: x, arguments: lego}
  local: {provider: zonefile, file_name: "{zone}.json", zones: [example.com], directory: /etc/ssl/challenges, command: [/etc/bind/reload-zone.sh, -v], timeout: 1m}
ct_logs:
  list: /etc/logs.json
  own:
    - {name: own, url: "https://l.example/2026", key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==", start: 2026-01-01, end: "2026-07-01T12:00:00Z"}
    - {name: own, url: "https://l.example/2027", key: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==", start: "2026-07-01T12:00:00Z"}
    - {name: known-by-id, url: "https://id.example", id: "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA="}
challenges:
  - {names: ["*.example.com", .example.org, 192.0.2.7], dns-01: {via: main}}
  - {names: [a.example.net], http-01: {webroot: "/srv/{zone}/{host}"}}
  - {names: [folder.example.net], http-01: {folder: "/srv/{fqdn}", shown_within: 10s}}
  - {names: [manual.example.net], http-01: {manual: {auth_hook: [/a, b], cleanup_hook: {shell: "c d"}, user: nobody, timeout: 1m}}}
  - {names: [hand.example.net], dns-01: {manual: {auth_hook: /a}}}
  - try: [{tls-alpn-01: {}}, {http-01: {}}, {dns-01: {via: cmd}}]
services:
  web: {check: "a 'b c'", reload: [x, "", "\n", "a: b", "#"], status: s, min_interval: 10s, user: u, verify: [443, {port: 25, starttls: false}]}
  sig: {reload: {signal: HUP, pid_file: /run/x.pid}, verify: []}
  nginx: {reload: nginx -s reload}
  apache: {check: x}
  haproxy: {min_interval: 1w}
  postfix: {check: false}
hooks:
  installed: {command: {shell: "x\n  y\n"}, user: root, timeout: 1500ms, arguments: true}
  errored: {command: "x"}
  issued: {directory: /etc/letsencrypt/renewal-hooks/deploy}
notify:
  email: {to: [a@example.com, b@example.com], from: c@example.com, smtp: {server: "[::1]:25", tls: implicit, user: u, password_file: /etc/p, roots_file: /etc/r.pem}, events: [errored], limit: 3}
  webhook: {url_file: /etc/url, key_env: KEY, roots_file: /etc/r.pem, timeout: 5s, events: [issued, solved], limit: 1}
  command: {command: [/bin/page, -x], user: nobody, timeout: 9s, arguments: true, events: [expiring]}
keep: {versions: 1, archive: 0s, archive_directory: /etc/ssl/archive, events: 0}
defaults:
  issuer: [corp, letsencrypt]
  key_types: [ecdsa-p384, rsa-3072]
  profile: p
  profile_mandatory: false
  must_staple: true
  staple_wait: 90s
  quarantine: true
  reload_zones: [example.com]
  renew: {before: 12.5%, ari: false, crl: true}
  warn: 3d
  maintenance: [{days: [sat, sun], from: "02:00", to: "24:00", timezone: Europe/Berlin}, {from: "22:00", to: "04:30"}]
  services: [web, nginx]
  verify: [443, {port: 25, hosts: [mail.example.com], address: dns}, {port: 993, address: "2001:db8::2", key_types: [rsa-3072]}, {port: 8443, pins: true}]
  path: /etc/tls/
  layout: nixos
  root_file: ["/etc/roots{suffix}.pem", /etc/more.pem]
  dh_params: {own: 3072, with_key: true}
  ec_params: [secp384r1, secp521r1]
  passphrase_file: /etc/pass
  kdf: scrypt
  owner: www-data
  group: "1000"
  ocsp: {file: "/o/{name}.{key_type}", responders: ["http://o.example/a?b"], force: true, owner: o, group: g, mode: "0640"}
  sct: {directory: "/s/{name}/{key_type}", logs: [own, argon]}
  hpkp: {file: "/h/{name}.{server}", headers: {nginx: true, own: "x {header}\n"}, max_age: 1w, include_subdomains: true, report_uri: "https://r.example/"}
keys:
  shared.example: {key_types: [rsa-4096, ecdsa-p384], backup_key: false, expires: 730d, auto_rollover: true}
  ready: {min_backup_age: 60d, passphrase_env: READY, kdf: scrypt}
  own: {provided: true, files: [{path: "/k/{key_type}.key", content: key}, {path: /k/b.key, content: [backup-key], mode: "600", key_type: ecdsa-p384}, {path: /k/p.key, content: previous-key, group: g}]}
key_type_suffixes: {rsa: "", ecdsa: .ec}
certificates:
  bare.example.net: {hooks: {issued: {command: x, directory: /y}}}
  staged: {names: [s.example.net], activate: on-restart, services: [nginx], ocsp: false, sct: false, hpkp: false}
  rolled: {names: [e.example.net], key_reuse: true, backup_key: true}
  on: {names: [f.example.net], key: shared.example}
  on-one: {names: [g.example.net], key: shared.example, key_types: [ecdsa-p384]}
  on-ready: {names: [h.example.net], key: ready}
  full:
    names: [b.example.net, "2001:DB8::1", B2.example.net]
    common_name: b2.example.net
    protected: [b2.example.net]
    issuer: letsencrypt
    key_types: [rsa-2048]
    renew: {ari: true}
    services: []
    verify: false
    challenges: [{names: [b.example.net], http-01: {webroot: /w}}]
    layout: haproxy
    ocsp: false
    maintenance: false
    mode: manual
    sct: false
    hpkp: false
  spread:
    names: [c.example.net]
    verify: [{port: 5432, starttls: postgres}]
    ocsp: {mode: "0600"}
    sct: {directory: "/own/c/{key_type}", logs: [own]}
    hpkp: {headers: {apache: true}}
    files:
      - {path: "/a/{key_type}.pem", content: [key, certificate, chain], mode: "400", owner: o, group: g, target: t}
      - {path: /b.pem, content: fullchain, key_type: rsa-3072}
      - {path: /c.p12, content: pkcs12, password_file: /etc/pw}
      - {path: /d.p12, content: [pkcs12-legacy], password_env: PW}
      - {path: /e.jks, content: jks, password_credential: pw}
  acmebot: {names: [e.example.net], layout: acmebot, path: /etc/ssl, key_types: [rsa-2048, ecdsa-p256], root_file: false, dh_params: ffdhe4096, passphrase: prompt}
  plain: {names: [f.example.net], passphrase: false, dh_params: false, ec_params: false, files: false}
  own: {names: [g.example.net], dh_params: {own: 2048}, passphrase_env: PASS, kdf: pbkdf2, files: [{path: "/g/{name}{suffix}", content: [key, certificate, chain, root, dh-params, ec-params]}]}
  credential: {names: [h.example.net], passphrase_credential: pass, files: null, sct: {file: "/h/{log}.{kind}", logs: [own]}}
  nowhere: {names: [d.example.net], files: []}
  dane:
    names: [e.example.net]
    tlsa:
      - {name: _25._TCP.E.example.net., usage: dane-ta, selector: cert, matching: [sha256, sha512], ttl: 1h, via: cmd}
      - {host: e.example.net, port: 443, protocol: udp, matching: full, via: cmd}
`

func TestShowLoadsToTheSame(t *testing.T) {
	texts := []string{"", everything, otherNotify, otherNotify2, Example()}
	for _, c := range findingCases(t) {
		if len(c.errors) == 0 {
			texts = append(texts, c.yaml)
		}
	}
	for _, yaml := range texts {
		cfg := mustLoad(t, yaml)
		shown := cfg.Show()
		again, warnings, err := LoadBytes("shown", []byte(shown))
		if err != nil {
			t.Errorf("%v\nin\n%s", err, shown)
			continue
		}
		if !reflect.DeepEqual(unmarked(again), unmarked(cfg)) {
			t.Errorf("shown as\n%s\nloads as\n%+v\nwant\n%+v", shown, unmarked(again), unmarked(cfg))
		}
		if third := again.Show(); third != shown {
			t.Errorf("shown as\n%s\nthen as\n%s (%v)", shown, third, warnings)
		}
	}
}

// otherNotify and otherNotify2 hold what excludes what everything says.
const (
	otherNotify  = "notify: {email: {to: a@example.com, sendmail: [/usr/sbin/sendmail, -v]}, webhook: {url_env: URL, key_credential: hook}, command: /bin/page}\nstore_key_env: KEY"
	otherNotify2 = "notify: {email: {to: a@example.com, smtp: 'mail.example.com:465'}, webhook: {url_credential: url}, command: {command: {shell: page}}}\nstore_key_credential: store-key\nhelper: {user: ck, socket: /run/ck/s, state: /srv/ck-helper}"
)

// Every key of the schema is used in the text that the round trip is tried on.
func TestEverythingIsEverything(t *testing.T) {
	used := make(map[string]bool)
	var gather func(n *node)
	gather = func(n *node) {
		for _, i := range n.items {
			gather(i)
		}
		for _, p := range n.pairs {
			used[p.key] = true
			gather(p.value)
		}
	}
	for _, text := range []string{everything, otherNotify, otherNotify2} {
		gather(parseYAML(&findings{files: []string{"x"}}, 0, []byte(text)))
	}
	schema().table.walk("", func(path string, table *tableDoc) {
		for _, k := range table.keys {
			if !used[k.name] && !slices.Contains([]string{"csr", "static", "certificate", "file", "key_file", "hmac_file"}, k.name) { // in other tests
				t.Errorf("%s.%s is in no test", path, k.name)
			}
		}
	})
}

func TestShowFillsIn(t *testing.T) {
	shown := mustLoad(t, "certificates: {a.example: {services: [nginx]}}").Show()
	for _, want := range []string{
		"state: /var/lib/certkeep\n", "concurrency: 20\n", "  http: \":80\"\n", "  tls: false\n", "  file: false\n", "  archive: 1y\n",
		"    directory: https://acme-v02.api.letsencrypt.org/directory\n", "\n  a.example:\n    names: [a.example]\n    issuer: [letsencrypt]\n",
		"    verify: [443]\n    path: /etc/ssl/certkeep\n    layout: standard\n", "accept_terms: false\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in\n%s", want, shown)
		}
	}
}

func TestRenderText(t *testing.T) {
	for _, s := range []string{
		"", " ", "a", "a b", "true", "No", "null", "~", "1", "1.5", "0x1f", "1e3", ".5", "-", "- a", "a: b", "a #b", "#", "*x", "&x", "!x", "|", ">", "%x", "@x", "`x`",
		"'x'", "\"x\"", "a\nb", "\t", "\x7f", "é", "😀", "\u2028", "{a}", "[a]", "a,b", "2001:db8::1", "1:30", "2001-01-01", "30d", "33%", "/etc/x", "https://a/b?c#d", "a\\b", "=", "<<", "\u00a0", "_", "\ufffd", "\x01",
	} {
		out := &findings{files: []string{"x"}}
		for _, yaml := range []string{"k: " + renderText(s) + "\n", "k: [" + renderText(s) + ", x]\n", renderText(s) + ": k\n"} {
			n := parseYAML(out, 0, []byte(yaml))
			if len(out.errors) > 0 || n == nil || len(n.pairs) != 1 {
				t.Errorf("%q renders as %s: %v", s, renderText(s), out.errors)
				break
			}
			got := n.pairs[0].value
			switch {
			case got.kind == list:
				got = got.items[0]
			case n.pairs[0].key != "k" || s == "k":
				got = &node{kind: text, text: n.pairs[0].key}
			}
			if got.kind != text || got.text != s {
				t.Errorf("%q renders as %s, which is read as %+v", s, renderText(s), got)
			}
		}
	}
}
