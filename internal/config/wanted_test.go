package config

import (
	"reflect"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestWanted(t *testing.T) {
	cfg := mustLoad(t, `
node: web1
issuers:
  corp: {directory: https://ca.example/d, profile: server}
  fast: {directory: https://fast.example/d, profile: short, email: fast@example.com}
hooks: {installed: {command: x}, issued: {command: y}, renewing: {command: z}}
keep: {versions: 5}
defaults: {issuer: corp, warn: 20%}
certificates:
  b.example.com:
  a:
    names: [b.example.org, a.example.org]
    issuer: [corp, fast]
    key_types: [ecdsa-p384, rsa-2048]
    must_staple: true
    renew: {before: 20d, ari: false}
    services: [nginx]
    files:
      - {path: "/a/{key_type}.pem", content: [key, fullchain]}
      - {path: /b.pem, content: chain, target: app}
  c:
    names: [d.example.org, c.example.org]
    common_name: C.example.org
    profile: own
    files: []
`)
	got := cfg.Wanted()
	if got.Node != "web1" || len(got.Certs) != 3 {
		t.Fatalf("Wanted() = %+v", got)
	}
	for i := range got.Certs {
		got.Certs[i].Proof = "" // TestProof
		for j := range got.Certs[i].Targets {
			if len(got.Certs[i].Targets[j].Config) != 20 {
				t.Errorf("digest %q", got.Certs[i].Targets[j].Config)
			}
			got.Certs[i].Targets[j].Config = ""
		}
	}
	ari := plan.RenewPolicy{ARI: true}
	hooks := []string{"installed", "issued"}
	want := []plan.WantedCert{
		{
			Name: "a", Names: []string{"b.example.org", "a.example.org"}, CommonName: "b.example.org", Issuers: []string{"corp", "fast"},
			Contacts: []plan.WantedContact{{Issuer: "corp"}, {Issuer: "fast", Email: "fast@example.com"}},
			KeyTypes: []string{"ecdsa-p384", "rsa-2048"}, MustStaple: true, Renew: plan.RenewPolicy{Before: plan.Span{Fixed: 20 * day}},
			Warn: plan.Span{Percent: 20}, Keep: 5, Targets: []plan.WantedTarget{
				{Name: "default", Services: []string{"nginx"}, Hooks: hooks, Verify: true},
				{Name: "app", Services: []string{"nginx"}, Hooks: hooks, Verify: true},
			},
		},
		{
			Name: "b.example.com", Names: []string{"b.example.com"}, CommonName: "b.example.com", Issuers: []string{"corp"},
			KeyTypes: []string{"ecdsa-p256"}, Profile: "server", Renew: ari, Warn: plan.Span{Percent: 20}, Keep: 5,
			Targets: []plan.WantedTarget{{Name: "default", Hooks: hooks}},
		},
		{
			Name: "c", Names: []string{"d.example.org", "c.example.org"}, CommonName: "c.example.org", CommonNameGiven: true, Issuers: []string{"corp"},
			KeyTypes: []string{"ecdsa-p256"}, Profile: "own", Renew: ari, Warn: plan.Span{Percent: 20}, Keep: 5,
		},
	}
	if !reflect.DeepEqual(got.Certs, want) {
		t.Errorf("Wanted() =\n%+v\nwant\n%+v", got.Certs, want)
	}
	a := cfg.Certificate("a")
	for issuer, profile := range map[string]string{"corp": "server", "fast": "short", "letsencrypt": ""} {
		if got := cfg.ProfileAt(a, issuer); got != profile {
			t.Errorf("ProfileAt(a, %s) = %q, want %q", issuer, got, profile)
		}
	}
	if cfg.Certificate("nobody") != nil {
		t.Error("a certificate that is not there was found")
	}
}

// What shapes a target's files or their activation changes its digest, and
// nothing else does: a changed digest has everything written again.
func TestDigest(t *testing.T) {
	digest := func(yaml string) string {
		t.Helper()
		return mustLoad(t, yaml).Wanted().Certs[0].Targets[0].Config
	}
	base := "certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: r, check: c}}\n"
	first := digest(base)
	same := []string{
		base + "email: a@example.com\n",
		base + "hooks: {installed: {command: x}}\n",
		"certificates: {x: {names: [b.example], services: [web], verify: [5], warn: 5%}}\nservices: {web: {reload: [r], check: c, min_interval: 5s}}\n",
		base + "defaults: {layout: standard, key_types: [ecdsa-p256]}\n",
		base + "defaults: {dh_params: ffdhe2048, ec_params: [secp384r1], root_file: /r, passphrase: false}\n",
	}
	for _, yaml := range same {
		if got := digest(yaml); got != first {
			t.Errorf("another digest for\n%s", yaml)
		}
	}
	seen := map[string]string{first: base}
	for _, yaml := range []string{
		base + "defaults: {path: /etc/tls}\n",
		base + "defaults: {layout: nixos}\n",
		base + "defaults: {owner: www-data}\n",
		base + "defaults: {group: www-data}\n",
		base + "defaults: {key_types: [rsa-2048]}\n",
		base + "defaults: {key_types: [ecdsa-p256, rsa-2048]}\n",
		"certificates: {x: {names: [a.example]}}\n",
		"certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: r}}\n",
		"certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: r, check: c c}}\n",
		"certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: {shell: r}, check: c}}\n",
		"certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: r, check: c, status: s}}\n",
		"certificates: {x: {names: [a.example], services: [web]}}\nservices: {web: {reload: {signal: HUP, pid_file: /r}, check: c}}\n",
		"certificates: {x: {names: [a.example], services: [web, nginx]}}\nservices: {web: {reload: r, check: c}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: key}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /b, content: key}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: [key, chain]}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: key, mode: '0400'}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: key, owner: x}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: key, group: x, mode: '0600'}]}}\n",
		"certificates: {x: {names: [a.example], files: [{path: /a, content: key}, {path: /b, content: key}]}}\n",
		"certificates: {x: {names: [a.example], layout: acmebot}}\n",
		"certificates: {x: {names: [a.example], layout: acmebot, root_file: /r}}\n",
		"certificates: {x: {names: [a.example], layout: acmebot, dh_params: ffdhe2048}}\n",
		"certificates: {x: {names: [a.example], layout: acmebot, dh_params: {own: 2048}}}\n",
		"certificates: {x: {names: [a.example], layout: acmebot, ec_params: [secp384r1]}}\n",
		"certificates: {x: {names: [a.example], passphrase_file: /p}}\n",
		"certificates: {x: {names: [a.example], passphrase_env: p}}\n",
		"certificates: {x: {names: [a.example], passphrase: prompt}}\n",
		"certificates: {x: {names: [a.example], passphrase: prompt, kdf: scrypt}}\n",
	} {
		got := digest(yaml)
		if other, ok := seen[got]; ok {
			t.Errorf("the same digest for\n%s\nand\n%s", other, yaml)
		}
		seen[got] = yaml
	}
}

func TestTargets(t *testing.T) {
	cfg := mustLoad(t, `
defaults: {owner: o, group: g}
certificates:
  files:
    names: [a.example]
    files:
      - {path: /1, content: key, target: x}
      - {path: /2, content: fullchain}
      - {path: /3, content: [chain, key], target: x, owner: p, group: q, mode: "0400"}
  layout: {names: [b.example], layout: haproxy, path: /h}
  none: {names: [c.example], files: []}
`)
	file := func(path, target, owner, group string, mode uint32, parts ...Part) File {
		return File{Path: path, Content: parts, Owner: owner, Group: group, Mode: modeOf(mode), Target: target, KeyType: "ecdsa-p256", Plain: true}
	}
	for name, want := range map[string][]Target{
		"files": {
			{Name: "x", Files: []File{file("/1", "x", "o", "g", 0o640, PartKey), file("/3", "x", "p", "q", 0o400, PartChain, PartKey)}},
			{Name: "default", Files: []File{file("/2", "default", "o", "g", 0o644, PartFullchain)}},
		},
		"layout": {{Name: "default", Layout: LayoutHAProxy, Path: "/h", Owner: "o", Group: "g"}},
		"none":   nil,
	} {
		if got := cfg.Certificate(name).Targets(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Targets() =\n%+v\nwant\n%+v", name, got, want)
		}
	}
}

// Whatever shapes how its names are proven changes a certificate's proof, and
// nothing else does: a changed proof has a failed order tried again at once.
func TestProof(t *testing.T) {
	proof := func(yaml string) string {
		t.Helper()
		return mustLoad(t, yaml).Wanted().Certs[0].Proof
	}
	certs := "certificates: {x: {names: [a.example, b.example]}}\n"
	dns := "challenges: [{names: [a.example], dns-01: {via: d}}]\n"
	first, written := proof(certs), proof(certs+dns+"dns: {d: {provider: rfc2136, server: '192.0.2.1:53'}}\n")
	for _, same := range []string{
		certs + "email: a@example.com\n",
		certs + "challenges: [{names: [c.example], http-01: {webroot: /w}}]\n",
		"certificates: {x: {names: [b.example, a.example], key_types: [rsa-2048], warn: 5%}}\n",
		certs + "listen: {tls: ':8443'}\n",
	} {
		if proof(same) != first {
			t.Errorf("another proof for\n%s", same)
		}
	}
	seen := map[string]string{first: certs, written: dns}
	for _, yaml := range []string{
		certs + "challenges: [{names: [a.example], http-01: {webroot: /w}}]\n",
		certs + "challenges: [{names: [b.example], http-01: {webroot: /w}}]\n",
		certs + "challenges: [{http-01: {webroot: /v}}]\n",
		certs + "challenges: [{tls-alpn-01: {}}]\nlisten: {tls: ':443'}\n",
		certs + "challenges: [{names: [a.example], tls-alpn-01: {}}]\nlisten: {tls: ':443'}\n",
		certs + "listen: {http: ':8080'}\n",
		"certificates: {x: {names: [a.example, b.example], challenges: [{http-01: {webroot: /w}}]}}\n",
		certs + dns + "dns: {d: {provider: rfc2136, server: '192.0.2.2:53'}}\n",
		certs + dns + "dns: {d: {provider: rfc2136, server: '192.0.2.1:53', ttl: 5m}}\n",
		certs + dns + "dns: {d: {provider: rfc2136, server: '192.0.2.1:53', resolver: '192.0.2.9:53'}}\n",
		certs + dns + "dns: {d: {provider: rfc2136, server: '192.0.2.1:53', zones: [example]}}\n",
		certs + dns + "dns: {d: {provider: rfc2136, server: '192.0.2.1:53', propagation: false}}\n",
		certs + dns + "dns: {d: {provider: command, command: [/bin/a, b]}}\n",
		certs + dns + "dns: {d: {provider: command, command: [/bin/a, c]}}\n",
	} {
		got := proof(yaml)
		if before, known := seen[got]; known {
			t.Errorf("the same proof for\n%s\nand\n%s", before, yaml)
		}
		seen[got] = yaml
	}
}

// Files of keys belong to whom the defaults say, unless they say otherwise:
// services of that group have to read them.
func TestKeyFilesHaveTheDefaultOwner(t *testing.T) {
	cfg, _, err := LoadBytes("c.yaml", []byte(`{email: a@example.com, state: /s, defaults: {owner: root, group: ssl-cert}, challenges: [{http-01: {webroot: /w}}],
keys: {k: {key_types: [ecdsa-p256], files: [{path: /k.key, content: key}, {path: /b.key, content: backup-key, owner: me, group: mine, mode: "0600"}]}},
certificates: {a: {names: [a.example.com], key: k, path: /a}}}`))
	if err != nil {
		t.Fatal(err)
	}
	files := cfg.KeyFiles("k", []string{"ecdsa-p256"})
	if len(files) != 2 {
		t.Fatalf("files %+v", files)
	}
	if f := files[0]; f.Owner != "root" || f.Group != "ssl-cert" || f.Mode != 0o640 {
		t.Errorf("%s: %s:%s %o", f.Path, f.Owner, f.Group, f.Mode)
	}
	if f := files[1]; f.Owner != "me" || f.Group != "mine" || f.Mode != 0o600 {
		t.Errorf("%s: %s:%s %o", f.Path, f.Owner, f.Group, f.Mode)
	}
}
