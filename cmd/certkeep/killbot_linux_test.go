package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAcmebotIsKilled kills the program at one change of files after the other:
// while it gets acmebot's sample going, with keys that certificates share, their
// backup keys, TLSA records and all files, and while those keys change. Where
// CERTKEEP_SWEEP is unset a sample is tried.
func TestAcmebotIsKilled(t *testing.T) {
	needTracing(t)
	program := buildProgram(t)
	const lanes = 2
	every := 250 * lanes
	if os.Getenv("CERTKEEP_SWEEP") == "all" {
		every = lanes
	}
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			if !onOwnMachine(t) {
				return
			}
			first := 1 + lane*every/lanes
			for _, life := range []string{"issue", "rollover"} {
				eachChange(t, life, first, every, func(t *testing.T, n int) bool {
					b := newShortBot(t, program)
					args := []string{"apply"}
					if life == "rollover" {
						b.does("apply")
						args = []string{"rollover", "--force", "--yes", "example.com"}
					}
					before := b.keysThere()
					b.ca.ResetRequests()
					killed := b.killed(n, args...)
					b.goesOn(before)
					return killed
				})
			}
		})
	}
}

// newShortBot is acmebot's sample with shorter keys, which are found sooner.
func newShortBot(t *testing.T, program string) *bot {
	t.Helper()
	b := newBotOf(t, program, "private_keys.json", "zones.yaml")
	for _, name := range []string{"acmebot.json", "conf.d/private_keys.json"} {
		name = "etc/acmebot/" + name
		b.write(name, strings.ReplaceAll(b.read(name), `"key_size": 4096`, `"key_size": 2048`), 0o600)
	}
	b.serveInstalled(map[string][]string{"example.com": {"example.com", "www.example.com"}, "mail.example.com": {"mail.example.com", "smtp.example.com"}})
	return b
}

// killed runs the program, which is killed at its n-th change of files, or ends
// well.
func (b *bot) killed(n int, args ...string) bool {
	b.Helper()
	out, err := os.Create(filepath.Join(b.TempDir(), "output"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	r, err := trace(b.program, b.args(args...), out, tampering{at: n, refusal: badDisk(b.dir), kill: true, env: b.env()})
	if err != nil {
		b.Fatal(err)
	}
	if words, err := os.ReadFile(out.Name()); !r.killed && (r.status.ExitStatus() != 0 || err != nil) {
		b.Fatalf("certkeep %s: exit status %d, %v\n%s", strings.Join(args, " "), r.status.ExitStatus(), err, words)
	}
	b.Logf("of %d changes it was killed at: %s", r.calls, strings.TrimPrefix(r.tampered, b.dir))
	return r.killed
}

// keysThere are the public keys that are installed: primary and backup keys.
func (b *bot) keysThere() [][]byte {
	b.Helper()
	if _, err := os.Stat(b.at("etc/ssl/private/example.com.rsa.key")); err != nil {
		return nil
	}
	return b.publicKeys("example.com", "rsa", "ecdsa")
}

// goesOn runs the program again, and checks what has to be true whenever it was
// killed. Before are the keys that were installed then, if any were.
func (b *bot) goesOn(before [][]byte) {
	b.Helper()
	b.does("apply")
	if n := len(finalizedAt(b.ca)); n > 3 {
		b.Errorf("%d orders were finalised for 3 needs", n)
	}
	b.holds("example.com", "example.com", "rsa")
	b.holds("example.com", "mail.example.com", "rsa", "ecdsa")
	var previous [][]byte
	if now := b.keysThere(); before != nil {
		stayed := sameKeys(now, before)
		if !stayed {
			previous = before[:2]
		}
		if !stayed && (!sameKeys(now[:2], before[2:]) || sameKeys(now[2:], before[:2]) || sameKeys(now[2:], before[2:])) {
			b.Error("keys neither stayed nor did all of them change to the next ones")
		}
	}
	b.pins("example.com", previous, "rsa", "ecdsa")
	b.showsTLSA("_443._tcp.example.com", "1 1", "example.com", "rsa")
	b.showsTLSA("_993._tcp.mail.example.com", "1 1", "example.com", "rsa", "ecdsa")
	b.showsTLSA("_25._tcp.smtp.example.com", "3 1", "example.com", "rsa", "ecdsa")
	b.answersAreGone()
	b.rests()
}

func sameKeys(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
