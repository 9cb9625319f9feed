package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// installed is a server as Debian installs it, and what an administrator does
// to have it read the files of the certificate that is named as the service.
type installed struct {
	service   string // of Certkeep, and of the init script
	program   string // that has to be there
	keys      string // of the certificate, besides names and services
	configure string // for the shell
	port      string
	starttls  string // as openssl calls it
}

func installedServers() []installed {
	return []installed{
		{
			service: "nginx", program: "nginx", port: "443",
			configure: `echo "server { listen 443 ssl; server_name a.test; ssl_certificate $CERT; ssl_certificate_key $KEY; }" >/etc/nginx/conf.d/a.test.conf`,
		},
		{
			service: "haproxy", program: "haproxy", port: "443", keys: "layout: haproxy",
			configure: `printf 'frontend tls\n bind :443 ssl crt /etc/ssl/certkeep/haproxy.pem\n http-request return status 200\n' >>/etc/haproxy/haproxy.cfg`,
		},
		{
			service: "postfix", program: "postfix", port: "25", starttls: "smtp",
			configure: `postconf -e "smtpd_tls_chain_files = $KEY, $CERT" smtpd_tls_security_level=may myhostname=a.test; newaliases`,
		},
		{
			service: "dovecot", program: "dovecot", port: "993",
			configure: `printf 'ssl = yes\nssl_cert = <%s\nssl_key = <%s\n' $CERT $KEY >/etc/dovecot/local.conf`,
		},
		{
			service: "prosody", program: "prosody", port: "5222", starttls: "xmpp", keys: "group: prosody",
			configure: `printf 'VirtualHost "a.test"\n ssl = { certificate = "%s", key = "%s" }\n' $CERT $KEY >/etc/prosody/conf.d/a.test.cfg.lua`,
		},
		{
			service: "postgresql", program: "pg_ctlcluster", port: "5432", starttls: "postgres", keys: "group: postgres",
			configure: `for dir in /etc/postgresql/*/main/conf.d; do printf "ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\n" $CERT $KEY >$dir/tls.conf; done`,
		},
		{
			// Its seccomp filter forbids what newer C libraries do.
			service: "vsftpd", program: "vsftpd", port: "21", starttls: "ftp",
			configure: `printf 'ssl_enable=YES\nrsa_cert_file=%s\nrsa_private_key_file=%s\nseccomp_sandbox=NO\n' $CERT $KEY >>/etc/vsftpd.conf`,
		},
	}
}

// TestBuiltinServices has the servers run as Debian starts them without
// systemd, on the ports that everybody knows. Nothing is said to Certkeep about
// a service but its name: it finds out whether the server runs, tells it of
// each renewal, and sees the new certificate.
func TestBuiltinServices(t *testing.T) {
	if !onOwnSystem(t) {
		return
	}
	program, ca := buildProgram(t), acmetest.Start(t, acmetest.Options{})
	for _, server := range installedServers() {
		t.Run(server.service, func(t *testing.T) { server.lives(t, program, ca) })
	}
}

// TestOpenSMTPD is TestBuiltinServices for OpenSMTPD, which Debian does not
// install beside Postfix: its package is unpacked over the system of the test.
// Of Debian 12 it presents its certificate and then fails every handshake, since
// it does not know OpenSSL 3 (its issue 1171): what it presents is looked at
// here, and not verified by Certkeep.
func TestOpenSMTPD(t *testing.T) {
	unpacked, err := filepath.Abs("../../build/opensmtpd")
	if err != nil {
		t.Fatal(err)
	}
	servertest.Find(t, filepath.Join(unpacked, "usr/sbin/smtpd"))
	if !onOwnSystem(t) {
		return
	}
	// The rest of what the package does when it is installed.
	shell(t, "cp -a "+unpacked+"/usr/. /usr; cp -a "+unpacked+`/etc/. /etc
for name in opensmtpd opensmtpq; do groupadd -r $name; useradd -r -g $name -d /var/lib/opensmtpd/empty -s /bin/false $name; done
mkdir -p /var/lib/opensmtpd/empty
chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl`)
	installed{
		service: "opensmtpd", program: "smtpd", port: "25", starttls: "smtp", keys: "key_types: [rsa-2048], verify: false",
		configure: `printf 'pki a.test cert "%s"\npki a.test key "%s"\nlisten on 127.0.0.1 port 25 tls pki a.test\naction "local" maildir\nmatch for local action "local"\n' $CERT $KEY >/etc/smtpd.conf`,
	}.lives(t, buildProgram(t), acmetest.Start(t, acmetest.Options{}))
}

// lives takes a server from its first start through renewals.
func (i installed) lives(t *testing.T, program string, ca *acmetest.CA) {
	servertest.Find(t, i.program)
	s := newStage(t, program, ca, map[string]string{"certkeep.yaml": strings.NewReplacer("$NAME", i.service, "$KEYS", i.keys).Replace(`
state: $DIR/state
accept_terms: true
listen: {http: "$HTTP", status: false}
issuers: {test: {directory: $DIRECTORY, roots_file: $DIR/roots.pem}}
defaults: {issuer: [test]}
certificates: {$NAME: {names: [a.test], services: [$NAME], $KEYS}}
`)})
	// There are files before the server starts, and nobody starts it to tell it.
	said := s.run("apply")
	if conn, err := net.Dial("tcp", "127.0.0.1:"+i.port); err == nil {
		conn.Close()
		t.Fatalf("%s was started by whoever had to tell it:\n%s", i.service, said)
	}
	folder := "/etc/ssl/certkeep/" + i.service
	shell(t, "CERT="+folder+"/fullchain.pem KEY="+folder+"/privkey.pem\n"+i.configure)
	shell(t, "service "+i.service+" start")
	t.Cleanup(func() { shell(t, "service "+i.service+" stop") })
	before := i.shows(t, i.leaf(t))
	for range 3 {
		i.succeeds(s, "renew", i.service)
		now := i.shows(t, i.leaf(t))
		if bytes.Equal(now, before) {
			t.Fatal("the certificate is the one from before")
		}
		before = now
	}
}

// succeeds runs the program, which has to end well: with the server verified.
func (i installed) succeeds(s *stage, args ...string) {
	s.Helper()
	cmd := exec.Command(s.program, append([]string{"--config", s.at("certkeep.yaml")}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("certkeep %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// leaf is the certificate that is installed.
func (i installed) leaf(t *testing.T) []byte {
	t.Helper()
	path := "/etc/ssl/certkeep/" + i.service + "/fullchain.pem"
	if i.service == "haproxy" {
		path = "/etc/ssl/certkeep/haproxy.pem"
	}
	leaf := firstCertificate([]byte(read(t, path)))
	if leaf == nil {
		t.Fatalf("there is no certificate in %s", path)
	}
	return leaf
}

// shows waits until the server presents a certificate, which it returns.
func (i installed) shows(t *testing.T, want []byte) []byte {
	t.Helper()
	args := []string{"s_client", "-connect", "127.0.0.1:" + i.port, "-servername", "a.test"}
	if i.starttls != "" {
		args = append(args, "-starttls", i.starttls)
	}
	if i.starttls == "xmpp" {
		args = append(args, "-xmpphost", "a.test")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			t.Fatal(err)
		}
		if seen := firstCertificate(out); seen != nil && bytes.Equal(seen, want) {
			return seen
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not present what is installed:\n%s", i.service, out)
		}
	}
}

// firstCertificate is the first one in a text; nil for none.
func firstCertificate(text []byte) []byte {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return block.Bytes
		}
	}
	return nil
}
