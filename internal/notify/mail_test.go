package notify_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/notify"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// message is a digest of several kinds.
func message() plan.Message {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	return plan.Message{ID: "M1", At: at, Node: "web1", Count: 10_002, Groups: []plan.NoticeGroup{
		{
			Event: "errored", Change: plan.ChangeAppeared, Code: plan.CodeChallenge, Severity: plan.Critical, Count: 10_000, Remedy: "Open the port.",
			Notices: []plan.Notice{{
				Event: "errored", Code: plan.CodeChallenge, Cert: "a.test", Words: "the CA says: Größe\r\nBcc: evil@example.com", Detail: []string{"line\n.\nQUIT"}, At: at,
			}},
		},
		{Event: "installed", Count: 1, Notices: []plan.Notice{{Event: "installed", Cert: "b.test", Words: "2 files"}}},
		{Event: "solved", Change: plan.ChangeSolved, Code: plan.CodeDisk, Count: 1, Notices: []plan.Notice{{Event: "solved", Cert: "c.test"}}},
	}}
}

func sender(s *mailServer) notify.Mail {
	return notify.Mail{From: "certkeep@example.com", To: []string{"ops@example.com", "b@example.com"}, Server: s.address, TLS: notify.TLSStart, Roots: s.roots, Timeout: 10 * time.Second}
}

func password() ([]byte, error) { return []byte("hush"), nil }

// TestMailByStartTLS: the mail arrives under TLS, for a user, with the headers
// of a message that a program made, and nothing in it makes further ones.
func TestMailByStartTLS(t *testing.T) {
	server := (&mailServer{}).serve(t)
	by := sender(server)
	by.User, by.Password = "certkeep", password
	if err := by.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	got := server.mails()
	if len(got) != 1 || !got[0].encrypted || got[0].user != "certkeep hush" || len(got[0].to) != 2 {
		t.Fatalf("there arrived %+v", got)
	}
	if clear := strings.Join(server.clear, " "); clear != "EHLO STARTTLS" {
		t.Errorf("before TLS it said %s", clear)
	}
	m, err := mail.ReadMessage(strings.NewReader(got[0].text))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Message-Id": "<M1@example.com>", "Auto-Submitted": "auto-generated", "Bcc": "", "From": "<certkeep@example.com>", "Date": "Sat, 21 Nov 2026 08:00:00 +0000",
		"Subject": "[certkeep web1] CRITICAL: challenge-failed (10000) and 2 more", "Content-Type": "text/plain; charset=UTF-8",
	} {
		if have := m.Header.Get(header); have != want {
			t.Errorf("%s is %q, want %q", header, have, want)
		}
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a.test: the CA says: Größe  Bcc: evil@example.com", "line . QUIT", "and 9999 more", "What to do: Open the port.", "solved: disk-write-failed"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestMailWithoutTLSIsNotSent: where STARTTLS is wanted and not there, neither
// mail nor password leaves; where the certificate is a stranger's, neither.
func TestMailWithoutTLSIsNotSent(t *testing.T) {
	plain := (&mailServer{noTLS: true}).serve(t)
	stranger := (&mailServer{}).serve(t)
	for name, by := range map[string]notify.Mail{"no STARTTLS": sender(plain), "unknown root": sender(stranger)} {
		by.User, by.Password = "certkeep", password
		if name == "unknown root" {
			by.Roots = x509.NewCertPool()
		}
		err := by.Send(t.Context(), message())
		if _, ok := errors.AsType[*notify.Error](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, server := range []*mailServer{plain, stranger} {
		if len(server.mails()) > 0 || strings.Contains(strings.Join(server.clear, " "), "AUTH") {
			t.Errorf("there arrived %v, after %v", server.mails(), server.clear)
		}
	}
}

func TestMailByImplicitTLSAndInTheClear(t *testing.T) {
	implicit := (&mailServer{implicit: true}).serve(t)
	by := sender(implicit)
	by.TLS, by.User, by.Password = notify.TLSImplicit, "certkeep", password
	if err := by.Send(t.Context(), message()); err != nil {
		t.Error(err)
	}
	clear := (&mailServer{noTLS: true}).serve(t)
	by = sender(clear)
	by.TLS = notify.TLSNone
	if err := by.Send(t.Context(), message()); err != nil {
		t.Error(err)
	}
	if len(implicit.mails()) != 1 || len(clear.mails()) != 1 {
		t.Errorf("there arrived %v and %v", implicit.mails(), clear.mails())
	}
}

// TestMailThatIsRefused says what the server said, and not the password.
func TestMailThatIsRefused(t *testing.T) {
	server := (&mailServer{refuse: "451 4.7.1 greylisted"}).serve(t)
	err := sender(server).Send(t.Context(), message())
	if err == nil || !strings.Contains(err.Error(), "greylisted") || !strings.Contains(err.Error(), server.address) {
		t.Errorf("it says %v", err)
	}
	by := sender((&mailServer{}).serve(t))
	by.User, by.Password = "certkeep", func() ([]byte, error) { return []byte("wrong-secret"), nil }
	if err := by.Send(t.Context(), message()); err == nil || strings.Contains(err.Error(), "wrong-secret") || !strings.Contains(err.Error(), "535") {
		t.Errorf("it says %v", err)
	}
}

// TestMailForSomebodyWhoIsGone: the others get it, once, and read who did not.
// A person who tries the channel is told so instead.
func TestMailForSomebodyWhoIsGone(t *testing.T) {
	server := (&mailServer{unknown: "<ops@example.com>"}).serve(t)
	by := sender(server)
	if err := by.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	got := server.mails()
	if len(got) != 1 || len(got[0].to) != 1 || !strings.Contains(got[0].to[0], "<b@example.com>") || !strings.Contains(got[0].text, "<ops@example.com>: 550") {
		t.Errorf("there arrived %+v", got)
	}
	by.All = true
	alone := sender(server)
	alone.To = alone.To[:1]
	for _, by := range []notify.Mail{by, alone} {
		err := by.Send(t.Context(), message())
		if failed, ok := errors.AsType[*notify.Error](err); !ok || failed.Unknown || !strings.Contains(failed.Words, "<ops@example.com>: 550") || len(server.mails()) != 1 {
			t.Errorf("to %v: %v", by.To, err)
		}
	}
}

func TestMailBySendmail(t *testing.T) {
	dir := folder(t)
	by := notify.Mail{From: "certkeep@example.com", To: []string{"-x@example.com"}, Sendmail: []string{program(t, dir, `printf '%s|' "$@" > args; cat > text`)}}
	if err := by.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if args := read(t, dir, "args"); args != "-i|-f|certkeep@example.com|--|-x@example.com|" {
		t.Errorf("its arguments are %s", args)
	}
	if text := read(t, dir, "text"); strings.Contains(text, "\r") || !strings.Contains(text, "\nTo: <-x@example.com>\n") {
		t.Errorf("it reads %q", text)
	}
	by.Sendmail = []string{program(t, dir, "echo no mail today >&2; exit 75")}
	err := by.Send(t.Context(), message())
	if failed, ok := errors.AsType[*notify.Error](err); !ok || len(failed.Detail) != 1 || failed.Detail[0] != "no mail today" {
		t.Errorf("it failed with %v", err)
	}
}

// TestMailToPostfix: a real mail server takes it.
func TestMailToPostfix(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("Postfix has to be started by root")
	}
	server := (&mailServer{}).serve(t) // whose certificate Postfix presents
	dir := servertest.Folder(t)
	key, err := x509.MarshalPKCS8PrivateKey(server.tls.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: server.tls.Certificates[0].Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	by := sender(server)
	by.Server = servertest.FreeAddress(t)
	servertest.Postfix(t, dir, by.Server)
	if err := by.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "queue", "incoming", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("in its queue are %v, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil || !strings.Contains(string(text), "<M1@example.com>") {
		t.Errorf("it holds %q, %v", text, err)
	}
}
