package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
)

// Dovecot starts Dovecot from dir, whose cert.pem and key.pem it presents on
// the three addresses, as an ordinary user. A SIGHUP has it read them again.
func Dovecot(t testing.TB, dir, imap, pop3, sieve string) *Process {
	t.Helper()
	program := Find(t, "dovecot")
	account := Ordinary(t)
	text := fmt.Sprintf(`base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/log
listen = 127.0.0.1
protocols = imap pop3 sieve
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
default_internal_user = %[2]s
default_internal_group = %[3]s
default_login_user = %[2]s
first_valid_uid = 1
mail_location = maildir:%[1]s/mail
passdb {
  driver = static
  args = password=none
}
userdb {
  driver = static
  args = home=%[1]s/mail
}
`, dir, account.User, account.Group)
	// Only root may change into another root.
	for _, service := range []string{"anvil", "stats", "imap-urlauth-login"} {
		text += fmt.Sprintf("service %s {\n  chroot =\n}\n", service)
	}
	for service, listeners := range map[string]map[string]string{
		"imap-login": {"imap": imap, "imaps": ""}, "pop3-login": {"pop3": pop3, "pop3s": ""}, "managesieve-login": {"sieve": sieve},
	} {
		text += fmt.Sprintf("service %s {\n  chroot =\n", service)
		for name, address := range listeners {
			text += fmt.Sprintf("  inet_listener %s {\n    port = %d\n  }\n", name, port(t, address))
		}
		text += "}\n"
	}
	config := write(t, dir, "dovecot.conf", text)
	account.Own(t, dir)
	p := StartCommand(t, syscall.SIGTERM, account.Command(dir, program, "-F", "-c", config))
	log := filepath.Join(dir, "log")
	for _, address := range []string{imap, pop3, sieve} {
		p.Ready(t, log, Accepts(address))
	}
	return p
}

// port is the port of an address, 0 for none.
func port(t testing.TB, address string) int {
	t.Helper()
	if address == "" {
		return 0
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return number(t, text)
}

// Postfix starts Postfix's SMTP server from dir, whose cert.pem and key.pem it
// presents, and waits until it greets. A SIGHUP has it read them again. It has
// to be started by root.
func Postfix(t testing.TB, dir, address string) *Process {
	t.Helper()
	Find(t, "postfix")
	const programs = "/usr/lib/postfix/sbin"
	text := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = %[2]s
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
myhostname = host.example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_tls_security_level = may
smtpd_tls_cert_file = %[1]s/cert.pem
smtpd_tls_key_file = %[1]s/key.pem
smtpd_tls_session_cache_database =
`, dir, programs)
	config := filepath.Dir(write(t, dir, "etc/main.cf", text))
	write(t, dir, "etc/master.cf", fmt.Sprintf(`%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`, address))
	for _, folder := range []string{"queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	chown(t, filepath.Join(dir, "data"), "postfix")
	// It makes the folders of the queue.
	if out, err := exec.Command("postfix", "-c", config, "check").CombinedOutput(); err != nil {
		t.Fatalf("postfix check: %v\n%s", err, out)
	}
	p := Start(t, syscall.SIGTERM, filepath.Join(programs, "master"), "-c", config, "-d")
	p.Ready(t, filepath.Join(dir, "log"), greets(address))
	return p
}

// greets is for Ready: somebody says something at the address.
func greets(address string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_, err = conn.Read(make([]byte, 1))
		return errors.Join(err, conn.Close())
	}
}

// chown gives a file to a user.
func chown(t testing.TB, path, name string) {
	t.Helper()
	owner, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, number(t, owner.Uid), -1); err != nil {
		t.Fatal(err)
	}
}
