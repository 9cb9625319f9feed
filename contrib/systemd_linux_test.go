package contrib

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/boottest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestBoot has a real systemd run the units, as they are and confined: nginx
// starts on a placeholder, a service waits for its certificate, and gets the next one; nginx is checked
// and told; a crash, a config that is wrong, a pass beside the daemon, a
// cleaned state, and the daemon without root.
func TestBoot(t *testing.T) {
	t.Parallel()
	b := newBoot(t)
	b.start(t, b.files(), strings.ReplaceAll(script, "HTTPS", b.https))
	b.check(t, []step{
		{"verified", `^$`},
		{"setup", `^issuer=.*Certkeep placeholder`},
		{"timer", `^certkeep-apply.service\n\w+ 20\d\d-`},
		{"waits", `(?s)^inactive\n.*certkeep-finished@app.target +start waiting`},
		{"started", `^Type=notify\nStatusText=Keeping 3 certificates\nActiveState=active\n$`},
		{"rights", `CapEff:\s+00000000000004eb`},
		{"consumer", `^serial=[0-9A-F]+\nkey fits\n$`},
		{"unknown", `(?s)dependency.*\nfailed\nExecMainStatus=2\n$`},
		{"nginx", `verified .*127.0.0.1:` + b.https},
		{"renewed", `www: reloaded: nginx was told(?s:.*)\nverified\n$`},
		{"again", `^serial=[0-9A-F]+\nkey fits\nserial=[0-9A-F]+\nkey fits\n$`},
		{"pkcs12", `BEGIN CERTIFICATE`},
		{"told", `(?s)the config was taken over.*looking now`},
		{"crash", `ActiveState=active\n`},
		{"refused", `^ExecMainStatus=3\nActiveState=failed\n$`},
		{"stopped", `^Result=success\nExecMainStatus=0\n$`},
		{"pass", `^Result=success\nExecMainStatus=0\n$`},
		{"cleaned", `^no state\n$`},
		{"adopted", `^same serial\n.* issued: taken over from target default`},
		{"user", `(?s)^certkeep\nCapEff:\s+0000000000000400\n.*app +ok`},
		{"signalled", `^(serial=[0-9A-F]+\nkey fits\n){4,5}$`},
		{"socket", `(?s)app: issued.*CapEff:\s+0000000000000000\n.*CapBnd:\s+0000000000000000\n`},
		{"helped", `^root 600\nwww-data 640\ncertkeep\nroot\n.* verified(?s:.*)CapEff:\s+00000000000004eb\n$`},
	})
	// The port that systemd holds is answered while nobody asks for anything.
	answer, err := http.Get("http://" + b.http + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() // it is not read
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("a visitor is answered %s", answer.Status)
	}
}

// step is what a step of a script says, as a regular expression.
type step struct{ name, want string }

// check waits for the steps, and compares what they said.
func (b *boot) check(t *testing.T, steps []step) {
	t.Helper()
	for _, c := range steps {
		text := b.after(t, c.name)
		if !regexp.MustCompile(c.want).MatchString(text) {
			t.Errorf("%s, not %s:\n%s", c.name, c.want, text)
		}
	}
	if t.Failed() {
		t.Logf("journal:\n%s\nscript:\n%s", read(t, b.share+"/journal"), read(t, b.share+"/log"))
	}
}

// boot is a container whose script leaves a file for each step.
type boot struct {
	share   string
	head    string // of every configuration
	https   string // nginx's port
	http    string // the address of the own listener
	systemd *servertest.Process
}

// after returns what a step said, once it is over.
func (b *boot) after(t *testing.T, step string) string {
	t.Helper()
	b.systemd.Ready(t, b.share+"/log", func(context.Context) error {
		_, err := os.Stat(filepath.Join(b.share, step))
		return err
	})
	return read(t, filepath.Join(b.share, step))
}

func newBoot(t *testing.T) *boot {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: starts a container")
	}
	servertest.Find(t, "nginx")
	ca := acmetest.Start(t, acmetest.Options{})
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, https, _ := strings.Cut(servertest.FreeAddress(t), ":")
	b := &boot{share: dir, https: https, http: fmt.Sprintf("127.0.0.1:%d", ca.HTTPPort())}
	program(t, dir)
	write(t, dir+"/roots.pem", string(ca.RootPEM()))
	b.head = fmt.Sprintf(`
accept_terms: true
listen: {http: "%s", status: false}
services: {consumer: {reload: systemctl try-restart consumer}}
issuers: {test: {directory: "%s", roots_file: /share/roots.pem}}
defaults: {issuer: [test]}
certificates:
`, b.http, ca.DirectoryURL())
	return b
}

// files are those of TestBoot.
func (b *boot) files() map[string]string {
	return map[string]string{
		"/etc/certkeep/certkeep.yaml": b.head + `
  app: {names: [app.example.test], services: [consumer]}
  java: {names: [java.example.test], files: [{path: /etc/ssl/certkeep/java.p12, content: pkcs12, password_credential: p12}]}
  www: {names: [www.example.test], services: [nginx], verify: [` + b.https + `]}
`,
		"/etc/certkeep/unprivileged.yaml": b.head + "  app: {names: [app.example.test]}\n" +
			`hooks: {installed: {command: {shell: 'touch "/run/certkeep/$CERTKEEP_CERTIFICATE"'}}}` + "\n",
		"/etc/certkeep/helped.yaml": b.head + `
  app: {names: [app.example.test], services: [consumer], group: www-data}
  www: {names: [www.example.test], services: [nginx], verify: [` + b.https + `]}
helper: {user: certkeep}
`,
		"/etc/certkeep/p12": "s3cret\n",
		"/etc/nginx/nginx.conf": `pid /run/nginx.pid; error_log stderr; events {}
http { access_log /var/log/nginx/access.log;
  server { listen 127.0.0.3:81; }
  server { listen 127.0.0.1:` + b.https + ` ssl; server_name www.example.test;
    ssl_certificate /etc/ssl/certkeep/www/fullchain.pem; ssl_certificate_key /etc/ssl/certkeep/www/privkey.pem; } }
`,
		"/usr/local/bin/app": consumer,
		"/etc/systemd/system/certkeep.service.d/test.conf":       "[Service]\nRestartSec=100ms\nLoadCredential=p12:/etc/certkeep/p12\n",
		"/etc/systemd/system/certkeep.socket.d/test.conf":        "[Socket]\nListenStream=\nListenStream=" + b.http + "\n",
		"/etc/test/bare.conf":                                    "[Service]\nCapabilityBoundingSet=\nAmbientCapabilities=\n",
		"/etc/systemd/system/consumer.service.d/test.conf":       "[Service]\nStandardOutput=append:/share/consumer.log\n",
		"/etc/systemd/system/certkeep-setup.service.d/test.conf": "[Service]\nLoadCredential=p12:/etc/certkeep/p12\n",
		"/etc/systemd/system/certkeep-apply.service.d/test.conf": "[Service]\nLoadCredential=p12:/etc/certkeep/p12\n",
	}
}

// start boots the container, with files of the test and all units. Drop-ins lie
// in /etc/test.
func (b *boot) start(t *testing.T, files map[string]string, script string) {
	t.Helper()
	for name, text := range units(t, "systemd", "systemd/examples") {
		place := map[string]string{".conf": "/etc/test/", ".sysusers": "/etc/test/"}[filepath.Ext(name)]
		if place == "" {
			place = "/etc/systemd/system/"
		}
		files[place+name] = text
	}
	b.systemd = boottest.Boot(t, boottest.Machine{
		Files:  files,
		Links:  map[string]string{"/usr/local/bin/certkeep": "/share/certkeep"},
		Remove: []string{"/etc/certkeep", "/var/lib/certkeep", "/etc/ssl/certkeep", "/etc/letsencrypt"},
		Binds:  map[string]string{"/share": b.share},
		Script: scriptHead + script,
	})
}

const consumer = `#!/bin/sh
openssl x509 -in "$2" -noout -serial
[ "$(openssl x509 -in "$2" -noout -pubkey)" = "$(openssl pkey -in "$4" -pubout)" ] && echo key fits
exec sleep infinity
`

// scriptHead begins every script: each step leaves a file with what it said.
const scriptHead = `
exec > /share/log 2>&1
journalctl -f -o cat > /share/journal &
step() { name=$1; echo "step $name"; shift; "$@" > /share/$name.new 2>&1; mv /share/$name.new /share/$name; }
until_() { until "$@"; do sleep 0.05; done; }
`

// script does step by step what an administrator would.
const script = `
lines() { [ "$(cat /share/consumer.log 2>/dev/null | wc -l)" -ge $1 ]; }
active() { [ "$(systemctl show -P ActiveState $1)" = $2 ]; }

step verified systemd-analyze verify --man=no certkeep.service certkeep-apply.timer certkeep-finished@app.target consumer.service consumer-renewed.path

systemctl start certkeep-setup nginx
setup() { openssl s_client -connect 127.0.0.1:HTTPS < /dev/null 2> /dev/null | openssl x509 -noout -issuer; }
step setup setup
timer() { systemctl start certkeep-apply.timer; systemctl show -P Unit certkeep-apply.timer; systemctl show -P NextElapseUSecRealtime certkeep-apply.timer; systemctl stop certkeep-apply.timer; }
step timer timer
systemctl start --no-block consumer.service
waits() { until_ sh -c 'systemctl list-jobs | grep -q certkeep-finished@app.service'; systemctl is-active consumer.service; systemctl list-jobs --plain --no-legend | sed -n 's/^ *[0-9]* //p' | grep target; }
step waits waits
systemctl start certkeep
step started systemctl show certkeep -p Type,ActiveState,StatusText
rights() { grep CapEff /proc/$(systemctl show -P MainPID certkeep)/status; }
step rights rights
until_ lines 2
step consumer cat /share/consumer.log
unknown() { systemctl start certkeep-finished@nobody.target; systemctl is-failed certkeep-finished@nobody.service; systemctl show certkeep-finished@nobody.service -p ExecMainStatus; }
step unknown unknown

certkeep status --wait 20s www
certkeep verify www
step nginx certkeep status www
renewed() { certkeep renew www > /dev/null && systemctl is-active -q nginx && certkeep verify www > /dev/null && echo verified; }
step renewed renewed
certkeep renew app
until_ lines 4
step again cat /share/consumer.log
step pkcs12 openssl pkcs12 -in /etc/ssl/certkeep/java.p12 -passin file:/etc/certkeep/p12 -nodes -nokeys
systemctl stop consumer

systemctl reload certkeep
until_ grep -q 'the config was taken over' /share/journal
systemctl kill -s ALRM certkeep
until_ grep -q 'looking now' /share/journal
step told grep -E 'was taken over|looking now' /share/journal

before=$(systemctl show -P MainPID certkeep)
systemctl kill -s KILL certkeep
crash() { until_ sh -c "! [ $before = \$(systemctl show -P MainPID certkeep) ] && [ \$(systemctl show -P ActiveState certkeep) = active ]"; systemctl show certkeep -p ActiveState,NRestarts; }
step crash crash

cp /etc/certkeep/certkeep.yaml /etc/test/good
echo 'certificats: {}' > /etc/certkeep/certkeep.yaml
systemctl restart certkeep
refused() { until_ active certkeep failed; systemctl show certkeep -p ActiveState,ExecMainStatus; }
step refused refused
cp /etc/test/good /etc/certkeep/certkeep.yaml
systemctl start certkeep
systemctl stop certkeep
step stopped systemctl show certkeep -p Result,ExecMainStatus
systemctl start certkeep-apply
step pass systemctl show certkeep-apply -p Result,ExecMainStatus

serial=$(openssl x509 -in /etc/ssl/certkeep/app/cert.pem -noout -serial)
systemctl clean --what=state certkeep
cleaned() { [ -e /var/lib/certkeep ] || echo no state; }
step cleaned cleaned
systemctl start certkeep
certkeep status --wait 20s app
adopted() { [ "$serial" = "$(openssl x509 -in /etc/ssl/certkeep/app/cert.pem -noout -serial)" ] && echo same serial; certkeep history app; }
step adopted adopted

systemctl stop certkeep
systemctl clean --what=state certkeep
rm -r /etc/ssl/certkeep
cp /etc/certkeep/unprivileged.yaml /etc/certkeep/certkeep.yaml
systemd-sysusers /etc/test/certkeep.sysusers
cp /etc/test/unprivileged.conf /etc/systemd/system/certkeep.service.d/
systemctl daemon-reload
systemctl start certkeep
user() { certkeep status --wait 20s app > /dev/null; stat -c %U /etc/ssl/certkeep/app/privkey.pem; grep CapEff /proc/$(systemctl show -P MainPID certkeep)/status; certkeep status; }
step user user
systemctl stop certkeep-finished@app.service
systemctl start consumer consumer-renewed.path
until_ lines 6
runuser -u certkeep -- certkeep renew app
until_ lines 8
systemctl stop certkeep
cp /etc/test/bare.conf /etc/systemd/system/certkeep.service.d/zz-bare.conf
systemctl daemon-reload
systemctl start certkeep.socket certkeep
socket() { runuser -u certkeep -- certkeep renew app 2>&1; grep -E 'CapEff|CapBnd' /proc/$(systemctl show -P MainPID certkeep)/status; }
step socket socket
step signalled cat /share/consumer.log

systemctl stop certkeep consumer-renewed.path
systemctl clean --what=state certkeep
rm -r /etc/ssl/certkeep
cp /etc/certkeep/helped.yaml /etc/certkeep/certkeep.yaml
cp /etc/test/with-helper.conf /etc/systemd/system/certkeep.service.d/
systemctl daemon-reload
systemctl start certkeep
helped() {
  certkeep status --wait 20s www > /dev/null; certkeep status --wait 20s app > /dev/null
  stat -c '%U %a' /etc/ssl/certkeep/www/privkey.pem; stat -c '%G %a' /etc/ssl/certkeep/app/privkey.pem
  for unit in certkeep certkeep-helper; do stat -c %U /proc/$(systemctl show -P MainPID $unit); done
  certkeep status www | grep verified; grep CapEff /proc/$(systemctl show -P MainPID certkeep-helper)/status
}
step helped helped
`
