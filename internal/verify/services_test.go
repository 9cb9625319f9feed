package verify

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

const host = "host.example.test"

// install puts a certificate and a key where the servers find them.
func install(t *testing.T, dir string, cert, key pair) {
	t.Helper()
	keyPEM, err := keys.Marshal(key.key)
	if err != nil {
		t.Fatal(err)
	}
	var certPEM []byte
	for _, c := range cert.chain.Certs {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	for name, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// live is a real server with what it is asked.
type live struct {
	start   func(dir string) *servertest.Process
	ports   map[string]string // addresses by protocol
	restart bool              // it takes files at its start only
	keeps   string            // what it prints when it goes on with the files from before; "" where it does without TLS
}

// see asks in each protocol.
func (l live) see(ctx context.Context, p pair) map[string]plan.Result {
	results := make(map[string]plan.Result)
	for protocol, address := range l.ports {
		results[protocol] = Check(ctx, Endpoint{Addresses: []string{address}, ServerName: host, StartTLS: protocol}, Want{"ecdsa-p256": p.chain})
	}
	return results
}

// all is an error unless each protocol has that verdict.
func (l live) all(ctx context.Context, p pair, verdict plan.Verdict) error {
	var wrong []error
	for protocol, result := range l.see(ctx, p) {
		if result.Verdict != verdict {
			wrong = append(wrong, fmt.Errorf("%s: %+v", protocol, result))
		}
	}
	return errors.Join(wrong...)
}

// all13 is an error unless each protocol shows the pair to a client of TLS 1.3
// that takes its kind of key only.
func (l live) all13(ctx context.Context, p pair) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var wrong []error
	for protocol, address := range l.ports {
		seen := Endpoint{Addresses: []string{address}, ServerName: host, StartTLS: protocol}.look13(ctx, "ecdsa")
		if verdict, words := judge(seen, []chain.Chain{p.chain}); verdict != plan.VerdictRight {
			wrong = append(wrong, fmt.Errorf("%s: %s, %v", protocol, words, seen.err))
		}
	}
	return errors.Join(wrong...)
}

// try has the server present one pair and then another, and be given a third
// whose key is not the certificate's. That it then never counts as right is
// why anything is verified at all.
func (l live) try(t *testing.T) {
	ca, dir := newAuthority(t), servertest.Folder(t)
	first, second, third := ca.issue(t, "ecdsa-p256", host), ca.issue(t, "ecdsa-p256", host), ca.issue(t, "ecdsa-p256", host)
	log := filepath.Join(dir, "log")
	shows := func(p pair) func(context.Context) error {
		return func(ctx context.Context) error { return l.all(ctx, p, plan.VerdictRight) }
	}
	install(t, dir, first, first)
	process := l.start(dir)
	process.Ready(t, log, shows(first))
	if err := l.all(t.Context(), second, plan.VerdictWrong); err != nil {
		t.Errorf("another certificate: %v", err)
	}
	if err := l.all13(t.Context(), first); err != nil {
		t.Errorf("asked for its kind of key: %v", err)
	}
	reload := func() {
		if !l.restart {
			process.Signal(t, syscall.SIGHUP)
			return
		}
		process.Stop(syscall.SIGTERM)
		process = l.start(dir)
	}
	install(t, dir, second, second)
	reload()
	process.Ready(t, log, shows(second))

	install(t, dir, third, second)
	reload()
	verdict := plan.VerdictUnknown
	switch {
	case l.restart:
		process.Refuses(t)
	case l.keeps != "":
		verdict = plan.VerdictWrong
		process.Ready(t, log, func(context.Context) error {
			if !strings.Contains(process.Output(), l.keeps) {
				return errors.New("it has not said that it goes on as before")
			}
			return nil
		})
	default:
		process.Ready(t, log, func(ctx context.Context) error { return l.all(ctx, second, plan.VerdictUnknown) })
	}
	if err := l.all(t.Context(), third, verdict); err != nil {
		t.Errorf("a key that is not the certificate's: %v", err)
	}
}

func TestPostfix(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("Postfix has to be started by root")
	}
	address := servertest.FreeAddress(t)
	live{
		start: func(dir string) *servertest.Process { return servertest.Postfix(t, dir, address) },
		ports: map[string]string{smtp: address},
	}.try(t)
}

func TestDovecot(t *testing.T) {
	ports := map[string]string{imap: servertest.FreeAddress(t), pop3: servertest.FreeAddress(t), sieve: servertest.FreeAddress(t)}
	live{
		start: func(dir string) *servertest.Process {
			return servertest.Dovecot(t, dir, ports[imap], ports[pop3], ports[sieve])
		},
		ports: ports,
	}.try(t)
}

func TestProsody(t *testing.T) {
	ports := map[string]string{xmpp: servertest.FreeAddress(t), xmppServer: servertest.FreeAddress(t)}
	live{
		start: func(dir string) *servertest.Process {
			return servertest.Prosody(t, dir, host, ports[xmpp], ports[xmppServer])
		},
		ports: ports,
	}.try(t)
}

func TestVsftpd(t *testing.T) {
	address := servertest.FreeAddress(t)
	live{
		start:   func(dir string) *servertest.Process { return servertest.Vsftpd(t, dir, address) },
		ports:   map[string]string{ftp: address},
		restart: true,
	}.try(t)
}

func TestSlapd(t *testing.T) {
	address := servertest.FreeAddress(t)
	live{
		start:   func(dir string) *servertest.Process { return servertest.Slapd(t, dir, address) },
		ports:   map[string]string{ldap: address},
		restart: true,
	}.try(t)
}

func TestPostgres(t *testing.T) {
	address := servertest.FreeAddress(t)
	live{
		start: func(dir string) *servertest.Process { return servertest.Postgres(t, dir, address) },
		ports: map[string]string{postgres: address},
		keeps: "SSL configuration was not reloaded",
	}.try(t)
}
