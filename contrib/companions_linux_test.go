package contrib

import (
	"regexp"
	"testing"
)

// TestBootCompanions has a real systemd run the units beside the daemon: a pass
// that makes the state, files where certbot had them, a server that waits for its
// certificate while the machine starts, and all of them on a state of another
// user, which stays his.
func TestBootCompanions(t *testing.T) {
	t.Parallel()
	b := newBoot(t)
	plain := b.head + "  app: {names: [app.example.test]}\n  moved: {names: [moved.example.test], path: /etc/letsencrypt, layout: certbot}\n"
	b.start(t, map[string]string{
		"/etc/certkeep/certkeep.yaml":  plain,
		"/etc/certkeep/elsewhere.yaml": plain + "  elsewhere: {names: [elsewhere.example.test], path: /etc/elsewhere}\n",
		"/etc/certkeep/helped.yaml":    plain + "  www: {names: [www.example.test], group: www-data}\nhelper: {user: certkeep}\n",
		// What certbot left.
		"/etc/letsencrypt/renewal/none.conf": "",
		"/etc/systemd/system/haproxy.service": "[Unit]\nRequires=certkeep-finished@app.target\nAfter=certkeep-finished@app.target\n" +
			"[Service]\nExecStart=sleep infinity\n",
		"/etc/systemd/system/machine.target": "[Unit]\nWants=haproxy.service certkeep.service\n",
		"/etc/test/webserver.conf":           documentedDropIn(t),
	}, companions)
	b.check(t, []step{
		{"pass", `^root 700\nroot 755\nlive\nrenewal\nSubject: \nDNS:moved\.example\.test\n$`},
		{"ordered", `^active\nactive\n$`},
		{"renewed", `(?m)^moved: .*installed`},
		{"elsewhere", `read-only file system: .*ReadWritePaths=`},
		{"waited", `^active\n$`},
		{"refused", `(?s)certkeep-apply failed.*certkeep-setup failed.*certkeep-webserver failed\n$`},
		{"kept", `^active\nrenewed\n$`},
		{"unprivileged", `^certkeep-apply success\ncertkeep-setup success\ncertkeep-webserver success\nrenewed\n$`},
		{"alone", `^certkeep-apply success\ncertkeep 700\n$`},
		{"helped", `^certkeep-setup success\ncertkeep-apply success\nroot www-data 640\n$`},
	})
}

// documentedDropIn is the one of docs/services.md for certkeep-webserver.
func documentedDropIn(t *testing.T) string {
	t.Helper()
	block := regexp.MustCompile("(?s)`systemctl edit certkeep-webserver`:\n\n```ini\n(.*?)```").FindStringSubmatch(read(t, "../docs/services.md"))
	if block == nil {
		t.Fatal("docs/services.md shows no drop-in for certkeep-webserver")
	}
	return block[1]
}

const companions = `
run() { for unit; do systemctl restart $unit; echo $unit $(systemctl show -P Result $unit | sed 's/exit-code/failed/'); done; }
foreign() { find /var/lib/certkeep /run/certkeep ! -user certkeep; }
dropped() { name=$1; shift; for unit; do mkdir -p /etc/systemd/system/$unit.service.d; cp /etc/test/$name.conf /etc/systemd/system/$unit.service.d/; done; systemctl daemon-reload; }
renew() { runuser -u certkeep -- certkeep renew app > /dev/null 2>&1 && echo renewed; }

pass() {
  systemctl start certkeep-apply
  stat -c '%U %a' /var/lib/certkeep /run/certkeep; ls /etc/letsencrypt
  openssl x509 -in /etc/letsencrypt/live/moved/cert.pem -noout -subject -ext subjectAltName -nameopt RFC2253 | sed -n 's/^subject=.*/Subject: /p;s/^ *DNS/DNS/p'
}
step pass pass

ordered() { systemctl start machine.target; until_ sh -c '! systemctl list-jobs | grep -q haproxy'; systemctl is-active certkeep haproxy; }
step ordered ordered
step renewed certkeep renew moved
cp /etc/certkeep/certkeep.yaml /etc/test/plain.yaml
cp /etc/certkeep/elsewhere.yaml /etc/certkeep/certkeep.yaml
systemctl reload certkeep
elsewhere() { certkeep apply > /dev/null 2>&1; certkeep status elsewhere; }
step elsewhere elsewhere

systemctl stop haproxy certkeep-finished@app.service certkeep
cp /etc/test/plain.yaml /etc/certkeep/certkeep.yaml
systemd-sysusers /etc/test/certkeep.sysusers
chown -R certkeep: /var/lib/certkeep /etc/ssl/certkeep /etc/letsencrypt
dropped unprivileged certkeep
systemctl start certkeep
waited() { systemctl start certkeep-finished@app.target; systemctl is-active certkeep-finished@app.service; }
step waited waited
step refused run certkeep-apply certkeep-setup certkeep-webserver
kept() { systemctl is-active certkeep; foreign; renew; }
step kept kept
dropped unprivileged certkeep-apply certkeep-setup
dropped webserver certkeep-webserver
unprivileged() { run certkeep-apply certkeep-setup certkeep-webserver; foreign; renew; }
step unprivileged unprivileged
systemctl stop certkeep
systemctl clean --what=state certkeep
alone() { run certkeep-apply; stat -c '%U %a' /var/lib/certkeep; foreign; }
step alone alone

chown -R root: /etc/ssl/certkeep /etc/letsencrypt
cp /etc/certkeep/helped.yaml /etc/certkeep/certkeep.yaml
dropped with-helper certkeep certkeep-apply certkeep-setup
helped() { run certkeep-setup certkeep-apply; stat -c '%U %G %a' /etc/ssl/certkeep/www/privkey.pem; foreign; }
step helped helped
`
