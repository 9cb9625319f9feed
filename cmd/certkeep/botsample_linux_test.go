package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/faultfs"
)

// sampleWarnings are all that there is to say of the sample.
func sampleWarnings() []string {
	return []string{
		"warning: /etc/acmebot/acmebot.json:22:33: settings.ocsp_responder_urls: http://ocsp.int-x3.letsencrypt.org answers no more: this CA turned its OCSP responders off; it is left out",
		"warning: /etc/acmebot/acmebot.json:69:17: directories.hpkp: browsers dropped public key pins by 2020, and a client that obeys them is locked out for max_age when all pinned keys have changed; leave hpkp out unless you know such clients, and keep the keys",
	}
}

// TestAcmebotSample: the configuration of acmebot's README, with all options,
// is run as it is, with keys that certificates share.
func TestAcmebotSample(t *testing.T) {
	if !onOwnMachine(t) {
		return
	}
	b := newBot(t, "private_keys.json", "zones.yaml")
	b.serveInstalled(map[string][]string{"example.com": {"example.com", "www.example.com"}, "mail.example.com": {"mail.example.com", "smtp.example.com"}})
	b.warns(sampleWarnings()...)
	b.does("apply")
	b.installedAre("example.com", []string{
		"certs/example.com+root.rsa.pem 0644", "certs/example.com.rsa.pem 0644", "certs/example.com_chain.rsa.pem 0644",
		"certs/mail.example.com+root.ecdsa.pem 0644", "certs/mail.example.com+root.rsa.pem 0644",
		"certs/mail.example.com.ecdsa.pem 0644", "certs/mail.example.com.rsa.pem 0644",
		"certs/mail.example.com_chain.ecdsa.pem 0644", "certs/mail.example.com_chain.rsa.pem 0644",
		"hpkp/example.com.apache 0644", "hpkp/example.com.nginx 0644",
		"ocsp/example.com.rsa.ocsp 0640", "ocsp/mail.example.com.ecdsa.ocsp 0640", "ocsp/mail.example.com.rsa.ocsp 0640",
		"params/example.com_param.pem 0640", "params/mail.example.com_param.pem 0640",
		"private/example.com.ecdsa.key 0640", "private/example.com.rsa.key 0640",
		"private/example.com_backup.ecdsa.key 0600", "private/example.com_backup.rsa.key 0600",
		"private/example.com_full.rsa.key 0640", "private/mail.example.com_full.ecdsa.key 0640", "private/mail.example.com_full.rsa.key 0640",
		"scts/example.com/rsa/google_icarus.sct 0640", "scts/example.com/rsa/google_pilot.sct 0640",
		"scts/mail.example.com/ecdsa/google_icarus.sct 0640", "scts/mail.example.com/ecdsa/google_pilot.sct 0640",
		"scts/mail.example.com/rsa/google_icarus.sct 0640", "scts/mail.example.com/rsa/google_pilot.sct 0640",
	})
	b.holds("example.com", "example.com", "rsa")
	b.holds("example.com", "mail.example.com", "rsa", "ecdsa")
	b.pins("example.com", nil, "rsa", "ecdsa")
	b.showsTLSA("_443._tcp.example.com", "1 1", "example.com", "rsa")
	b.showsTLSA("_443._tcp.www.example.com", "1 1", "example.com", "rsa")
	b.showsTLSA("_993._tcp.mail.example.com", "1 1", "example.com", "rsa", "ecdsa")
	b.showsTLSA("_25._tcp.smtp.example.com", "3 1", "example.com", "rsa", "ecdsa")
	b.showsTLSA("_587._tcp.smtp.example.com", "1 1", "example.com", "rsa", "ecdsa")
	b.answersAreGone()
	b.told("scp /etc/ssl/certs/example.com.rsa.pem remote-server:/etc/ssl/certs/",
		"scp /etc/ssl/certs/mail.example.com.ecdsa.pem remote-server:/etc/ssl/certs/",
		"scp /etc/ssl/certs/mail.example.com.rsa.pem remote-server:/etc/ssl/certs/",
		"systemctl reload dovecot.service", "systemctl reload nginx.service", "systemctl reload postfix.service")
	b.rests()
}

// TestAcmebotSampleAlone: the same where a certificate has a key of its own.
func TestAcmebotSampleAlone(t *testing.T) {
	if !onOwnMachine(t) {
		return
	}
	b := newBot(t, "certificates.json")
	b.serveInstalled(map[string][]string{"example.com": {"example.com", "www.example.com"}})
	responder, pins := sampleWarnings()[0], sampleWarnings()[1]
	b.warns(pins, strings.Replace(responder, "acmebot.json:22:33: settings", "conf.d/certificates.json:22:37: certificates.example.com", 1))
	b.does("apply")
	b.installedAre("example.com", []string{
		"certs/example.com+root.ecdsa.pem 0644", "certs/example.com+root.rsa.pem 0644",
		"certs/example.com.ecdsa.pem 0644", "certs/example.com.rsa.pem 0644",
		"certs/example.com_chain.ecdsa.pem 0644", "certs/example.com_chain.rsa.pem 0644",
		"hpkp/example.com.apache 0644", "hpkp/example.com.nginx 0644",
		"ocsp/example.com.ecdsa.ocsp 0640", "ocsp/example.com.rsa.ocsp 0640",
		"params/example.com_param.pem 0640",
		"private/example.com.ecdsa.key 0640", "private/example.com.rsa.key 0640",
		"private/example.com_backup.ecdsa.key 0600", "private/example.com_backup.rsa.key 0600",
		"private/example.com_full.ecdsa.key 0640", "private/example.com_full.rsa.key 0640",
		"scts/example.com/ecdsa/google_icarus.sct 0640", "scts/example.com/ecdsa/google_pilot.sct 0640",
		"scts/example.com/rsa/google_icarus.sct 0640", "scts/example.com/rsa/google_pilot.sct 0640",
	})
	b.holds("example.com", "example.com", "rsa", "ecdsa")
	b.pins("example.com", nil, "rsa", "ecdsa")
	b.told("scp /etc/ssl/certs/example.com.ecdsa.pem remote-server:/etc/ssl/certs/",
		"scp /etc/ssl/certs/example.com.rsa.pem remote-server:/etc/ssl/certs/",
		"systemctl reload nginx.service")
	b.rests()
}

// warns checks that the configuration is valid, and what is said against it.
func (b *bot) warns(want ...string) {
	b.Helper()
	lines := strings.Split(strings.TrimSpace(b.does("config", "check")), "\n")
	if want = append(want, "/etc/acmebot/acmebot.json is valid"); !slices.Equal(lines, want) {
		b.Errorf("config check says\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// installedAre checks which files lie in the folders of output, with modes,
// and that all of them belong to the group of the configuration.
func (b *bot) installedAre(key string, want []string) {
	b.Helper()
	group := b.groupOfFiles()
	var got []string
	err := filepath.WalkDir(b.at("etc/ssl"), func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(b.at("etc/ssl"), path)
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "update_keys/") {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprintf("%s %04o", name, info.Mode().Perm()))
		if gid := groupOf(info); gid != group {
			b.Errorf("%s belongs to the group %d, want %d", name, gid, group)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if !slices.Equal(got, want) {
		b.Errorf("installed for %s:\n%s\nwant\n%s", key, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// answersAreGone checks that no answer to a challenge is left.
func (b *bot) answersAreGone() {
	b.Helper()
	for _, host := range []string{"mail.example.com", "smtp.example.com", "example1.com", "example2.com"} {
		if texts := b.dns.TXT(b, "_acme-challenge."+host); len(texts) > 0 {
			b.Errorf("answers for %s are left: %q", host, texts)
		}
	}
	err := filepath.WalkDir(b.at("var/www"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			b.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// told checks which services were told, and which hooks were run, each exactly
// once. Tests of a service's configuration are not looked at.
func (b *bot) told(want ...string) {
	b.Helper()
	got := slices.DeleteFunc(b.said(), func(line string) bool {
		return line == "nginx -t -q" || line == "postfix check" || line == "doveconf -n"
	})
	if !slices.Equal(got, want) {
		b.Errorf("told:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// rests checks that nothing is left to do: another run changes no byte, asks
// nobody, and tells nobody anything.
func (b *bot) rests() {
	b.Helper()
	b.said()
	before, logged := b.tree(), b.logs.count()
	zones := []string{"example.com", "example1.com", "example2.com"}
	var serials []uint32
	for _, zone := range zones {
		serials = append(serials, b.dns.Serial(b, zone))
	}
	b.ca.ResetRequests()
	if out := b.does("apply"); out != "" { // cron mails whatever is said
		b.Errorf("another run says\n%s", out)
	}
	if differ := faultfs.Differ(before, b.tree()); len(differ) > 0 {
		b.Errorf("another run changed %q", differ)
	}
	if said := b.said(); len(said) != 1 || said[0] != "" {
		b.Errorf("another run told %q", said)
	}
	if n := b.ca.Count(); n > 0 {
		b.Errorf("another run asked the CA %d times: %v", n, b.ca.Requests())
	}
	for i, zone := range zones {
		if serial := b.dns.Serial(b, zone); serial != serials[i] {
			b.Errorf("another run changed the zone %s", zone)
		}
	}
	if n := b.logs.count(); n != logged {
		b.Errorf("another run handed in %d certificates", n-logged)
	}
	if _, err := os.Lstat(b.at("var/run/acmebot.pid")); !os.IsNotExist(err) {
		b.Errorf("the file with the process id is left: %v", err)
	}
}
