package service

import "slices"

// builtins are the services that need no configuration, as Debian and its
// kin install them. Programs are named without their folder: distributions
// disagree about /usr/sbin.
//
// nginx and Postfix know themselves whether they run. The others are asked by
// their pid file first: apache2ctl starts a server that did not run.
func builtins() []Service { return slices.Concat(webServers(), mailServers(), otherServers()) }

func webServers() []Service {
	return []Service{
		{
			Name:   "nginx",
			Unit:   "nginx.service",
			Check:  ways(run("nginx", "-t", "-q")),
			Reload: ways(run("nginx", "-s", "reload")),
			Verify: []Endpoint{{Port: 443}},
		},
		{
			Name: "apache",
			Unit: "apache2.service",
			PIDFiles: []string{
				"/run/apache2/apache2.pid", "/run/apache2*/apache2.pid",
				"/run/httpd/httpd.pid", "/run/httpd.pid", "/var/run/httpd.pid",
			},
			Check:  ways(run("apache2ctl", "configtest"), run("apachectl", "configtest"), run("httpd", "-t")),
			Reload: ways(run("apache2ctl", "graceful"), run("apachectl", "graceful"), run("httpd", "-k", "graceful")),
			Verify: []Endpoint{{Port: 443}},
		},
		{
			Name:     "haproxy",
			Unit:     "haproxy.service",
			PIDFiles: []string{"/run/haproxy.pid", "/var/run/haproxy.pid", "/run/haproxy/haproxy.pid"},
			Check:    ways(run("haproxy", "-c", "-q", "-f", "/etc/haproxy/haproxy.cfg")),
			Reload:   ways(run("service", "haproxy", "reload"), run("rc-service", "haproxy", "reload")),
			Verify:   []Endpoint{{Port: 443}},
		},
	}
}

func mailServers() []Service {
	return []Service{
		{
			Name:   "postfix",
			Unit:   "postfix.service",
			Status: ways(run("postfix", "status")),
			Check:  ways(run("postfix", "check")),
			Reload: ways(run("postfix", "reload")),
			Verify: []Endpoint{{Port: 25, StartTLS: "smtp"}},
		},
		{
			Name:     "dovecot",
			Unit:     "dovecot.service",
			PIDFiles: []string{"/run/dovecot/master.pid", "/var/run/dovecot/master.pid"},
			Check:    ways(run("doveconf", "-n")),
			Reload:   ways(run("doveadm", "reload")),
			Verify:   []Endpoint{{Port: 993}},
		},
		{
			// OpenSMTPD reads its files when it is started, and at no other time.
			Name:    "opensmtpd",
			Unit:    "opensmtpd.service",
			Restart: true,
			Status:  ways(run("smtpctl", "show", "status")),
			Check:   ways(run("smtpd", "-n")),
			Reload:  ways(Action{Shell: restartOpenSMTPD}),
			Verify:  []Endpoint{{Port: 25, StartTLS: "smtp"}},
		},
	}
}

// restartOpenSMTPD waits for the end of the server before it starts the next:
// Debian's script does not, finds it "already running", starts nothing, and
// calls that a success. Killed in between, it is still carried on with: it is a
// process of its own.
const restartOpenSMTPD = `command -v service >/dev/null || exec rc-service smtpd restart
pid=$(cat /run/smtpd.pid 2>/dev/null)
service opensmtpd stop
n=0
while [ "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done
service opensmtpd start`

func otherServers() []Service {
	return []Service{
		{
			// The test that Prosody has fails on what it merely advises against.
			Name:     "prosody",
			User:     "prosody",
			Unit:     "prosody.service",
			PIDFiles: []string{"/run/prosody/prosody.pid", "/var/run/prosody/prosody.pid"},
			Reload:   ways(run("prosodyctl", "reload"), run("service", "prosody", "reload"), run("rc-service", "prosody", "reload")),
			Verify:   []Endpoint{{Port: 5222, StartTLS: "xmpp"}},
		},
		{
			// vsftpd has no test either, and reads its files when it is started.
			Name:     "vsftpd",
			Unit:     "vsftpd.service",
			Restart:  true,
			PIDFiles: []string{"/run/vsftpd/vsftpd.pid", "/var/run/vsftpd/vsftpd.pid"},
			Reload:   ways(run("service", "vsftpd", "restart"), run("rc-service", "vsftpd", "restart")),
			Verify:   []Endpoint{{Port: 21, StartTLS: "ftp"}},
		},
		{
			// PostgreSQL has no test of its configuration; it keeps the
			// certificate that it has when it cannot use the new one.
			Name:     "postgresql",
			User:     "postgres",
			Unit:     "postgresql.service",
			PIDFiles: []string{"/run/postgresql/*.pid", "/var/run/postgresql/*.pid"},
			Reload:   ways(run("service", "postgresql", "reload"), run("rc-service", "postgresql", "reload")),
			Verify:   []Endpoint{{Port: 5432, StartTLS: "postgres"}},
		},
	}
}

func ways(actions ...Action) []Action { return actions }

func run(args ...string) Action { return Action{Args: args} }
