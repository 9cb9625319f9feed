package sim

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// config is what the administrator wrote by now.
func (b *whole) config() string {
	var s strings.Builder
	fmt.Fprintf(&s, `state: %[1]s/state
node: sim
email: %[2]s
accept_terms: true
concurrency: 1
listen: {http: ":80"}
keep: {archive: 30d, events: 64, versions: 2}
services:
  web: {check: [/bin/true], reload: [/bin/sh, -c, "echo >> %[1]s/reloads"]}
hooks:
  installed: {command: [/bin/sh, -c, "echo $CERTKEEP_VERSION >> %[1]s/told"]}
issuers:
  ca: {directory: "https://ca.test/directory", eab: {kid: %[3]s, hmac_file: %[4]s}}
defaults: {path: %[1]s/out, issuer: [ca]}
certificates:
`, b.root, b.email, b.kid, b.secretFile(b.kid))
	if p := b.people[0]; p.wanted {
		fmt.Fprintf(&s, "  a.test: {names: [%s], key_types: [ecdsa-p256, ecdsa-p384]}\n", strings.Join(p.names, ", "))
	}
	if p := b.people[1]; p.wanted {
		fmt.Fprintf(&s, `  b.test:
    names: [%s]
    services: [web]
    verify: [{port: 443, address: 127.0.0.1}]
    files: [{path: %q, content: key}, {path: %q, content: fullchain}]
`, strings.Join(p.names, ", "), b.keyFile(p), b.chainFile(p))
	}
	return s.String()
}

// pairsOf are chain and key file of each of a certificate's key types.
func (b *whole) pairsOf(p *cert) [][2]string {
	pairs := [][2]string{{b.chainFile(p), b.keyFile(p)}}
	if p.name == wholeA {
		folder := filepath.Join(b.root, "out", p.name)
		for _, keyType := range []string{"ecdsa-p256", "ecdsa-p384"} {
			pairs = append(pairs, [2]string{filepath.Join(folder, "fullchain."+keyType+".pem"), filepath.Join(folder, "privkey."+keyType+".pem")})
		}
	}
	return pairs
}

// closed looks at the world at the end of a chapter.
func (j *judge) closed(b *whole, signed, needed int) {
	if signed != needed {
		j.breach("%s: the CA signed %d certificates, %d were needed", b.chapter, signed, needed)
	}
	if open := b.ca.OpenOrders(); len(open) > 0 {
		j.breach("%s: orders are left at the CA: %q", b.chapter, open)
	}
	live := 0
	for _, a := range b.ca.Accounts() {
		if a.Status == "valid" {
			live++
			if b.account.URL != "" && a.URL != b.account.URL {
				j.breach("%s: the account %s is live, %s is stored", b.chapter, a.URL, b.account.URL)
			}
		}
	}
	if live > 1 {
		j.breach("%s: %d accounts are live", b.chapter, live)
	}
	for _, p := range b.people {
		j.look(p)
	}
}

// whole looks at a whole life at its end.
func (j *judge) whole(b *whole) {
	for _, breach := range b.ca.Breaches() {
		if !b.couldNotKnow(breach) {
			j.breach("%s", breach)
		}
	}
	for _, early := range b.toll.early {
		j.breach("%s", early)
	}
}

// couldNotKnow reports whether a process could not know what the CA had told
// it: the answer was lost or under way when the process ended, or the one
// before it was kept from storing it.
func (b *whole) couldNotKnow(breach fakeca.Breach) bool {
	told := breach.Told
	within := func(all []time.Time, from, to time.Time) bool {
		return slices.ContainsFunc(all, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
	}
	switch {
	case told.IsZero():
		return false
	case told.Equal(b.toll.struck), within(b.ended, told, told.Add(time.Second)):
		return true
	}
	kept := !b.harmed.Before(told) && !b.harmed.After(breach.At) || b.harmed.Before(told) && told.Before(b.full)
	return kept && within(b.begun, told.Add(1), breach.At)
}

// keys holds that no private key is left behind that nobody refers to, and no
// more versions than are kept.
func (j *judge) keys(b *whole, s *session) {
	ctx := context.WithoutCancel(s.ctx)
	unused, err := s.store.UnusedKeys(ctx, time.Now().Add(time.Hour), 0)
	b.must(err)
	if len(unused) > 0 {
		j.breach("nobody refers to the keys %q", unused)
	}
}
