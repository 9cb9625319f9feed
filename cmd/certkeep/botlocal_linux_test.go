package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestAcmebotSampleLocalZone: the sample where its zone has no key for updates.
// The program of reload_zone_command makes the zone of the answers that it
// finds, and is run again when certificates whose TLSA records the zone holds
// were installed.
func TestAcmebotSampleLocalZone(t *testing.T) {
	if !onOwnMachine(t) {
		return
	}
	b := newBot(t, "local.yaml")
	b.makesZones()
	b.warns(sampleWarnings()...)
	b.does("apply")
	b.holds("mail.example.com", "mail.example.com", "rsa", "ecdsa")
	b.told("scp /etc/ssl/certs/mail.example.com.ecdsa.pem remote-server:/etc/ssl/certs/",
		"scp /etc/ssl/certs/mail.example.com.rsa.pem remote-server:/etc/ssl/certs/",
		"systemctl reload dovecot.service", "systemctl reload postfix.service")
	b.answersAreGone()
	if left, err := os.ReadDir(b.at("etc/ssl/challenges")); err == nil && len(left) > 0 {
		t.Errorf("%s is left among the challenges", left[0].Name())
	}

	zones := strings.Split(strings.TrimSpace(b.read("zones")), "\n")
	for _, want := range []string{"mail.example.com ", "smtp.example.com "} {
		if !slices.ContainsFunc(zones, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("the zone was never made with an answer for %s: %q", want, zones)
		}
	}
	installed := sha256.Sum256([]byte(b.read("etc/ssl/certs/mail.example.com.rsa.pem")))
	if last, want := zones[len(zones)-1], fmt.Sprintf("none %x", installed); last != want {
		t.Errorf("the zone was made last with %q, want %q", last, want)
	}
	b.rests()
	if again := strings.Split(strings.TrimSpace(b.read("zones")), "\n"); len(again) != len(zones) {
		t.Errorf("another run made the zone again: %q", again[len(zones):])
	}
}

// makesZones writes the program of reload_zone_command. It puts the answers
// into the zone, and notes which there were, one to a line, beside the digest of
// a certificate that it would make TLSA records of.
func (b *bot) makesZones() {
	b.Helper()
	host, port, err := net.SplitHostPort(b.dns.Address)
	if err != nil {
		b.Fatal(err)
	}
	b.write("zone.key", string(b.dns.KeyFile), 0o600)
	b.write("etc/bind/reload-zone.sh", fmt.Sprintf(`#!/bin/sh
set -e
certificate=$(sha256sum <%[1]s/etc/ssl/certs/mail.example.com.rsa.pem | cut -d' ' -f1)
tr '{,}' '\n\n\n' <%[1]s/etc/ssl/challenges/"$1" 2>/dev/null | sed -n 's/"\([^":]*\)":"\(.*\)"/\1 \2/p' >%[1]s/answers
test -s %[1]s/answers || echo "none $certificate" >>%[1]s/zones
{ echo "server %[2]s %[3]s"; echo "zone $1"
  for name in mail smtp; do echo "update delete _acme-challenge.$name.$1 TXT"; done
  while read -r name answer; do
    echo "$name $certificate" >>%[1]s/zones
    echo "update add _acme-challenge.$name 1 TXT \"$answer\""
  done <%[1]s/answers
  echo send; } | %[4]s -v -k %[1]s/zone.key
`, b.dir, host, port, servertest.Find(b, "nsupdate")), 0o755)
	if err := os.MkdirAll(filepath.Join(b.dir, "etc/ssl/challenges"), 0o755); err != nil {
		b.Fatal(err)
	}
}
