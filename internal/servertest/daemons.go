package servertest

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Prosody starts Prosody from dir, whose cert.pem and key.pem it presents to
// clients and servers that open a stream to host, as an ordinary user. A SIGHUP
// has it read them again.
func Prosody(t testing.TB, dir, host, clients, servers string) *Process {
	t.Helper()
	program := Find(t, "prosody")
	text := fmt.Sprintf(`pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/data"
interfaces = { "127.0.0.1" }
c2s_ports = { %[3]d }
s2s_ports = { %[4]d }
modules_enabled = { "tls", "saslauth", "dialback" }
modules_disabled = { "admin_shell", "http", "offline" }
authentication = "internal_hashed"
log = { info = "%[1]s/log" }
c2s_require_encryption = false
s2s_require_encryption = false
VirtualHost "%[2]s"
  ssl = { certificate = "%[1]s/cert.pem", key = "%[1]s/key.pem" }
`, dir, host, port(t, clients), port(t, servers))
	config := write(t, dir, "prosody.cfg.lua", text)
	write(t, dir, "data/empty", "") // its own folder, and one for certificates that it looks into
	write(t, dir, "certs/empty", "")
	account := Ordinary(t)
	account.Own(t, dir)
	p := StartCommand(t, syscall.SIGTERM, account.Command(dir, program, "-F", "--config", config))
	for _, address := range []string{clients, servers} {
		p.Ready(t, filepath.Join(dir, "log"), Accepts(address))
	}
	return p
}

// Vsftpd starts vsftpd from dir, whose cert.pem and key.pem it presents, as an
// ordinary user. It reads them at its start only, and ends if they are not a
// pair: whoever calls it waits for either.
func Vsftpd(t testing.TB, dir, address string) *Process {
	t.Helper()
	program := Find(t, "vsftpd")
	// Its seccomp filter forbids what newer C libraries do.
	config := write(t, dir, "vsftpd.conf", fmt.Sprintf(`listen=YES
listen_address=127.0.0.1
listen_port=%[2]d
background=NO
run_as_launching_user=YES
anonymous_enable=YES
anon_root=%[1]s
secure_chroot_dir=%[1]s
ssl_enable=YES
rsa_cert_file=%[1]s/cert.pem
rsa_private_key_file=%[1]s/key.pem
ssl_tlsv1=YES
ssl_ciphers=HIGH
seccomp_sandbox=NO
vsftpd_log_file=%[1]s/log
`, dir, port(t, address)))
	account := Ordinary(t)
	account.Own(t, dir)
	return StartCommand(t, syscall.SIGTERM, account.Command(dir, program, config))
}

// Slapd starts OpenLDAP's server from dir, whose cert.pem and key.pem it
// presents, as an ordinary user. Like vsftpd it reads them at its start only,
// and ends if they are not a pair.
func Slapd(t testing.TB, dir, address string) *Process {
	t.Helper()
	program := Find(t, "slapd")
	config := write(t, dir, "slapd.conf", fmt.Sprintf(`pidfile %[1]s/slapd.pid
argsfile %[1]s/slapd.args
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
`, dir))
	account := Ordinary(t)
	account.Own(t, dir)
	// With -d it stays in the foreground.
	return StartCommand(t, syscall.SIGTERM, account.Command(dir, program, "-d", "0", "-h", "ldap://"+address, "-f", config))
}

// Postgres starts PostgreSQL from dir, whose cert.pem and key.pem it presents,
// as an ordinary user. A SIGHUP has it read them again; what it prints tells
// when it does not take them.
func Postgres(t testing.TB, dir, address string) *Process {
	t.Helper()
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian keeps each version
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(programs)
	folder := ""
	if len(programs) > 0 {
		folder = programs[len(programs)-1]
	}
	initdb, postgres := Find(t, filepath.Join(folder, "initdb")), Find(t, filepath.Join(folder, "postgres"))
	account, data := Ordinary(t), filepath.Join(dir, "data")
	account.Own(t, dir)
	if out, err := account.Command(dir, initdb, "-D", data, "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	args := []string{"-D", data}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", fmt.Sprintf("port=%d", port(t, address)), "unix_socket_directories=", "fsync=off", "shared_buffers=16MB", "max_connections=20",
		"ssl=on", "ssl_cert_file=" + filepath.Join(dir, "cert.pem"), "ssl_key_file=" + filepath.Join(dir, "key.pem"),
	} {
		args = append(args, "-c", setting)
	}
	// SIGINT is its fast way to stop.
	p := StartCommand(t, syscall.SIGINT, account.Command(dir, postgres, args...))
	p.Ready(t, "", Accepts(address))
	return p
}
