package sim

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// cert is a certificate that the config asks for, or does not ask for now.
type cert struct {
	name       string
	names      []string
	profile    string
	keyType    string
	issuers    []string
	proof      string // the kind of challenge that proves its names
	spread     bool   // two files in two folders; else a folder switched at once
	service    bool   // read by the web server, seen by a handshake
	calm       bool   // nothing that goes wrong concerns it
	wanted     bool
	key        string       // the keys that it shares; "" for none
	reuse      bool         // it keeps its key
	backup     bool         // its next key is kept ready
	second     bool         // it has two kinds of key
	mayHaveTwo bool         // or may have in time
	tlsa       string       // how its TLSA records speak of it; "" for none
	alone      bool         // no next key is kept ready though its TLSA records speak of keys
	ocsp       bool         // OCSP responses are kept for it
	logged     bool         // it is handed to a log
	local      bool         // it is proven by a zone that is made of a file
	locked     bool         // its private keys are written under a passphrase
	pinned     bool         // headers pin its site to its keys
	params     bool         // its files have parameters beside them
	wishes                  // what else the config says of it
	changed    time.Time    // when the config last changed about it
	restored   bool         // a person ever went back to an earlier version
	lost       atomic.Int32 // reasons why the CA does not get to its names
	life       time.Duration
	held       atomic.Int32 // holds of a version that a person restored, and the days after
	spoilt     spoilt       // what somebody did to its files
	away       away         // the names that the CA does not get to
}

// profiles are what every CA offers, and how long such certificates live.
func profiles() map[string]time.Duration {
	const day = 24 * time.Hour
	return map[string]time.Duration{"shortlived": 6 * day, "tlsserver": 45 * day, "classic": 90 * day, "private": 398 * day}
}

// The CAs. Nothing ever goes wrong at the calm one.
const calmCA = "calm"

func caNames() []string { return []string{"one", "two", calmCA} }

// people is how the certificates are at first.
func people(c chance, n int) []*cert {
	// Those of six days are renewed so often that two of twenty keep the CAs
	// as busy as all others together.
	kinds := []string{"shortlived", "tlsserver", "classic", "private", "tlsserver", "classic", "tlsserver", "classic", "private", "classic"}
	var all []*cert
	for i := range n {
		dice := c.of("cert", i)
		p := &cert{
			name: fmt.Sprintf("c%d.test", i), profile: kinds[i%len(kinds)], keyType: "ecdsa-p256",
			spread: dice.IntN(3) == 0, service: dice.IntN(2) == 0, wanted: true,
			calm: i%5 == 1 || i == 10,
		}
		p.wish(i)
		p.names = []string{p.name}
		p.proof = pick(dice, []string{"http-01", "http-01", "tls-alpn-01", "dns-01"})
		if p.proof == "dns-01" {
			p.names = append(p.names, "*."+p.name) // both are proven by records of one name
		}
		p.issuers = order(dice)
		if p.calm {
			p.issuers, p.service, p.spread = []string{calmCA}, false, false
		}
		p.life = profiles()[p.profile]
		p.onKeys(i)
		p.beside(i)
		p.settle()
		all = append(all, p)
	}
	return all
}

// beside says which certificates have two kinds of key, TLSA records, OCSP
// responses, receipts of a log, a zone of a file, a passphrase, pins and
// parameters.
func (p *cert) beside(i int) {
	switch i {
	case 4, 8, 14, 17:
		p.second, p.mayHaveTwo = true, true
	}
	switch i {
	case 0, 8:
		p.ocsp = true
	}
	switch i {
	case 0, 4, 13:
		p.logged = true
	}
	switch i {
	case 12, 15, 18:
		p.local, p.params = p.proof == "dns-01", true
	}
	switch i {
	case 18:
		p.locked, p.service = true, false
	case 14:
		p.keyType = "rsa-2048"
	case 17:
		p.pinned = true
	}
	switch i {
	case 2:
		p.tlsa, p.alone = ofLeafKey, true
	case 12:
		p.tlsa, p.issuers = ofAuthority, []string{"one", "two"}
	case 17:
		p.tlsa, p.backup = ofLeafKey, true
	}
}

// order is one of the ways to list the CAs that have trouble at times.
func order(dice *rand.Rand) []string {
	return pick(dice, [][]string{{"one"}, {"two"}, {"one", "two"}, {"two", "one"}})
}

// change is what a person does to a certificate in the config. It returns
// what, in words.
func (p *cert) change(dice *rand.Rand) string {
	switch dice.IntN(7) {
	case 0:
		p.names = append(p.names, fmt.Sprintf("n%d.%s", dice.IntN(1000), p.name))
		return "gets a name"
	case 1:
		p.names = p.names[:max(1, len(p.names)-1)]
		return "loses a name"
	case 2:
		p.keyType = pick(dice, slices.DeleteFunc([]string{"ecdsa-p256", "ecdsa-p384"}, func(t string) bool { return t == p.keyType }))
		return "gets another kind of key"
	case 3:
		p.issuers = order(dice)
		return "is asked of other CAs"
	case 4:
		p.wanted = !p.wanted
		return "is taken out, or back in"
	case 5:
		if p.second = !p.second && p.mayHaveTwo; p.mayHaveTwo {
			return "gets a second kind of key, or loses it"
		}
		return "is left as it is"
	default:
		p.service = !p.service && !p.locked // this server asks nobody for a passphrase
		return "is read by the web server, or no more"
	}
}

// config is the text of the config.
func (w *world) config() string {
	var b strings.Builder
	reload := fmt.Sprintf("echo >> %s/reloads", w.root)
	if w.Mutation.Reload != "" {
		reload = w.Mutation.Reload
	}
	fmt.Fprintf(&b, `state: %[1]s/state
node: sim
accept_terms: true
concurrency: 4
listen: {http: ":80", tls: ":443"}
dns:
  zone: {provider: rfc2136, server: "%[3]s", resolver: "%[3]s"}
%[4]skeep: {archive: 30d, events: 64}
services:
  web: {check: [/usr/bin/test, "!", -e, %[1]s/refuses], reload: [/bin/sh, -c, %[2]q]}
hooks:
  installed: {command: [/usr/bin/test, "!", -e, %[1]s/hook-fails]}
`, w.root, reload, zoneServer, w.localZoneConfig())
	b.WriteString(w.sealConfig() + w.paper.config() + w.tellConfig() + "issuers:\n")
	for _, name := range caNames() {
		fmt.Fprintf(&b, "  %s: {directory: \"https://%s.test/directory\"%s}\n", name, name, limitsConfig(name))
	}
	fmt.Fprintf(&b, "%s%sdefaults: {path: %s/out, issuer: [%s]}\ncertificates:\n", w.sharedConfig(), w.elsewhereConfig(), w.root, keptAt)
	for _, p := range w.people {
		if !p.wanted {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n    names: ['%s']\n    profile: %s\n    key_types: [%s]\n    issuer: [%s]\n", p.name, strings.Join(p.names, "', '"), p.profile, strings.Join(p.keyTypes(), ", "), strings.Join(p.issuers, ", "))
		b.WriteString(p.keyConfig() + p.tlsaConfig() + w.ocspConfig(p) + w.sctConfig(p) + w.lockConfig(p) + w.pinConfig(p) + w.fileConfig(p) + p.wishConfig())
		challenge := "{" + p.proof + ": {}}"
		if p.proof == "dns-01" {
			challenge = "{dns-01: {via: " + map[bool]string{false: "zone", true: "local"}[p.local] + "}}"
		}
		fmt.Fprintf(&b, "    challenges: [%s]\n", challenge)
		if p.service {
			b.WriteString("    services: [web]\n    verify: [{port: 443, address: 127.0.0.1}]\n")
		}
	}
	if w.Mutation.Config != nil {
		return w.Mutation.Config(b.String())
	}
	return b.String()
}

// keyFile is where a certificate's private key is installed.
func (w *world) keyFile(p *cert) string {
	if p.spread {
		return filepath.Join(w.root, "out/private", p.name+".key")
	}
	return filepath.Join(w.root, "out", p.name, "privkey.pem")
}

// chainFile is where it is installed with its chain.
func (w *world) chainFile(p *cert) string {
	if p.spread {
		return filepath.Join(w.root, "out/public", p.name+".pem")
	}
	return filepath.Join(w.root, "out", p.name, "fullchain.pem")
}

// pairs are the files that a service reads, certificate by certificate.
func (w *world) pairs() [][][2]string {
	var all [][][2]string
	for _, p := range w.people {
		var files [][2]string
		for _, s := range p.sides() {
			chain, key := w.files(s)
			files = append(files, [2]string{chain, key})
		}
		all = append(all, files)
	}
	return all
}
