package packaging

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/boottest"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestDebian lives with the package on a Debian that runs systemd and nginx:
// it is installed by apt, obtains a certificate for Debian's own default site by
// the two commands that docs/webserver.md shows, is upgraded over a changed configuration, disabled,
// removed and purged.
func TestDebian(t *testing.T) {
	t.Parallel()
	d := newDebian(t)
	for _, c := range []struct{ step, want string }{
		{"booted", `^$`},
		{"installed", `^active\nenabled\n$`},
		{"version", `^certkeep 1\.2\.3 `},
		{"user", `^certkeep:x:\d+:\d+:[^:]*:/var/lib/certkeep:/usr/sbin/nologin\n$`},
		{"modes", `^755 root /usr/bin/certkeep\n755 root /etc/certkeep\n755 root /etc/certkeep/conf\.d\n644 root /etc/certkeep/certkeep\.yaml\n700 root /var/lib/certkeep\n$`},
		{"units", `^$`},
		{"program", `path=/usr/bin/certkeep ;`},
		{"manual", `(?s)^/usr/share/man/man5/certkeep\.yaml\.5\.gz\n.*NAME\n\s+certkeep-apply - Do everything`},
		{"completion", `^read\n$`},
		{"again", `^again\n$`},
		{"enabled", `(?s)written   /etc/certkeep/conf\.d/webserver\.yaml.*the patch adds the lines; then: certkeep apply www\.example\.test.*patching file etc/nginx/sites-available/default\n`},
		{"applied", `(?s)a daemon holds the state.*www\.example\.test +ok +issued, installed, verified`},
		{"presented", `(?s)Verification: OK\nVerified peername: www\.example\.test\n.*Verify return code: 0 \(ok\)`},
		{"checked", `ok +host www\.example\.test: its certificate is kept by Certkeep(?s:.*)nothing is wrong`},
		{"twice", `(?s)is there  /etc/certkeep/nginx/www\.example\.test\.conf.*included  include(?s:.*)\n0 bytes\n$`},
		{"given", `was given to www\.example\.test before`},
		{"upgraded", `^certkeep 1\.2\.4 .*\nactive\nenabled\nanother process\nsame node\n# mine\n1\nwww\.example\.test +ok `},
		{"disabled", `^inactive\ndisabled\n$`},
		{"removed", `^no program\n# mine\nsame node\ninactive\n$`},
		{"purged", `^no state\nno config\nno link\nno answers\nwhat servers read\nnginx starts\n$`},
	} {
		text := d.after(t, c.step)
		if !regexp.MustCompile(c.want).MatchString(text) {
			t.Errorf("%s, not %s:\n%s", c.step, c.want, text)
		}
	}
	if t.Failed() {
		t.Logf("script:\n%s", read(t, d.share+"/log"))
	}
}

// debian is a container whose script leaves a file for each step.
type debian struct {
	share   string
	systemd *servertest.Process
}

// after returns what a step said, once it is over.
func (d *debian) after(t *testing.T, step string) string {
	t.Helper()
	d.systemd.Ready(t, d.share+"/log", func(context.Context) error {
		_, err := os.Stat(filepath.Join(d.share, step))
		return err
	})
	return read(t, filepath.Join(d.share, step))
}

func newDebian(t *testing.T) *debian {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: starts a container")
	}
	for _, program := range []string{"nginx", "apt-get", "patch"} {
		servertest.Find(t, program)
	}
	ca := acmetest.Start(t, acmetest.Options{})
	// The next version comes with another configuration, too.
	next := elsewhere(t)
	put(t, next+"/packaging/certkeep.yaml", read(t, "certkeep.yaml")+"# new\n")
	d := &debian{share: t.TempDir()}
	if err := os.Chmod(d.share, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, d.share+"/certkeep.deb", read(t, built(t, "..", "1.2.3")+".deb"))
	put(t, d.share+"/next.deb", read(t, built(t, next, "1.2.4")+".deb"))
	put(t, d.share+"/roots.pem", string(ca.RootPEM()))
	roots, err := ca.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, d.share+"/issuing.pem", string(bytes.Join(roots, nil)))
	commands := documented(t)
	d.systemd = boottest.Boot(t, boottest.Machine{
		Files: map[string]string{
			// The CA of the test instead of Let's Encrypt, and ports of the test.
			"/etc/certkeep/conf.d/test.yaml": fmt.Sprintf(`
listen: {status: false, outside: {80: %d, 443: %d}}
issuers: {test: {directory: "%s", roots_file: /share/roots.pem}}
defaults: {issuer: [test], verify: [%d]}
`, ca.HTTPPort(), ca.TLSPort(), ca.DirectoryURL(), ca.TLSPort()),
			// apt has no lists to read, and needs none for a file.
			"/var/lib/apt/lists/partial/none": "", "/var/cache/apt/archives/partial/none": "",
			"/etc/nginx/sites-available/default": defaultSite(t, ca.HTTPPort()),
		},
		Links: map[string]string{"/etc/nginx/sites-enabled/default": "/etc/nginx/sites-available/default"},
		// Apache's program is there and not set up, as where its tools are used alone.
		Remove: []string{"/etc/apache2", "/etc/certkeep", "/var/lib/certkeep", "/etc/ssl/certkeep", "/usr/local/bin/certkeep", "/usr/sbin/policy-rc.d", "/etc/dpkg/dpkg.cfg.d", "/etc/nginx/sites-enabled/default", "/var/lib/man-db/auto-update", "/var/lib/apt/lists", "/var/cache/apt"},
		Binds:  map[string]string{"/share": d.share},
		Script: strings.NewReplacer(
			"FIRST", commands[0], "SECOND", commands[1],
			"HTTPS", fmt.Sprintf("127.0.0.1:%d", ca.TLSPort()),
		).Replace(script),
	})
	return d
}

// defaultSite is the site that Debian's nginx comes with, at a port of the test.
func defaultSite(t *testing.T, port int) string {
	t.Helper()
	text := read(t, "/etc/nginx/sites-available/default")
	const plain, six = "\tlisten 80 default_server;\n", "\tlisten [::]:80 default_server;\n"
	if !strings.Contains(text, plain+six) || !strings.Contains(text, "server_name _;") {
		t.Fatalf("Debian's default site is another one:\n%s", text)
	}
	return strings.Replace(text, plain+six, fmt.Sprintf("\tlisten 127.0.0.1:%d default_server;\n", port), 1)
}

// documented are the two commands of docs/webserver.md, with a name that the
// CA of the test can look at.
func documented(t *testing.T) []string {
	t.Helper()
	block := regexp.MustCompile("(?s)```\n(certkeep webserver enable [^\n]+)\n(certkeep [^\n]+)\n```").FindStringSubmatch(read(t, "../docs/webserver.md"))
	if block == nil {
		t.Fatal("docs/webserver.md does not show two commands")
	}
	return []string{strings.ReplaceAll(block[1], "example.com", "example.test"), strings.ReplaceAll(block[2], "example.com", "example.test")}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const script = `
exec > /share/log 2>&1
export DEBIAN_FRONTEND=noninteractive
step() { name=$1; echo "step $name at $(date +%T)"; shift; "$@" > /share/$name.new 2>&1; mv /share/$name.new /share/$name; }
is() { systemctl is-active certkeep; systemctl is-enabled certkeep; }
node() { cmp -s /var/lib/certkeep/node /node && echo same node; }

step booted true
cd /share && apt-get install -y ./certkeep.deb
step installed is
step version certkeep version
step user getent passwd certkeep
step modes stat -c '%a %U %n' /usr/bin/certkeep /etc/certkeep /etc/certkeep/conf.d /etc/certkeep/certkeep.yaml /var/lib/certkeep
step units systemd-analyze verify --man=yes certkeep.service certkeep-apply.timer certkeep-setup.service certkeep-webserver.timer certkeep-webserver.service certkeep-helper.service certkeep-finished@app.target
step program systemctl show certkeep -p ExecStart
manual() { man -w 5 certkeep.yaml; MANWIDTH=80 man --warnings=all certkeep-apply | cat; }
step manual manual
completion() { bash -n /usr/share/bash-completion/completions/certkeep && echo read; }
step completion completion
cp /var/lib/certkeep/node /node

find /etc/certkeep /var/lib/certkeep /usr/bin/certkeep | xargs stat -c '%a %U %n' > /before
again() { DPKG_MAINTSCRIPT_PACKAGE=certkeep /var/lib/dpkg/info/certkeep.postinst configure 1.2.3 && find /etc/certkeep /var/lib/certkeep /usr/bin/certkeep | xargs stat -c '%a %U %n' | cmp - /before && echo again; }
step again again

systemctl start nginx
enabled() { FIRST; }
applied() { SECOND; }
step enabled enabled
step applied applied
step presented openssl s_client -connect HTTPS -servername www.example.test -verify_hostname www.example.test -CAfile /share/issuing.pem -verify_return_error < /dev/null
step checked certkeep webserver check --server nginx
twice() { certkeep webserver enable www.example.test --force-ssl --write --patch > /diff; echo "$(cat /diff | wc -c) bytes"; }
step twice twice
step given certkeep webserver enable other.example.org --write

echo '# mine' >> /etc/certkeep/certkeep.yaml
chmod 0750 /var/lib/certkeep
before=$(systemctl show -P MainPID certkeep)
dpkg --force-confold -i next.deb
upgraded() { certkeep version; is; [ $before = $(systemctl show -P MainPID certkeep) ] || echo another process; node; tail -n 1 /etc/certkeep/certkeep.yaml; grep -c '# new' /etc/certkeep/certkeep.yaml.dpkg-dist; certkeep status; }
step upgraded upgraded

systemctl disable --now certkeep
dpkg --force-confold -i next.deb
step disabled is

systemctl start certkeep
dpkg -r certkeep
removed() { [ -e /usr/bin/certkeep ] || echo no program; tail -n 1 /etc/certkeep/certkeep.yaml; node; systemctl is-active certkeep; }
step removed removed
dpkg -P certkeep
purged() {
	[ -e /var/lib/certkeep ] || echo no state
	[ -e /etc/certkeep/certkeep.yaml ] || echo no config
	[ -L /etc/systemd/system/multi-user.target.wants/certkeep.service ] || echo no link
	[ -e /var/lib/certkeep-challenges ] || echo no answers
	[ -e /etc/ssl/certkeep/www.example.test/privkey.pem ] && [ -e /etc/certkeep/nginx/www.example.test.conf ] && echo what servers read
	nginx -t -q && systemctl restart nginx && echo nginx starts
}
step purged purged
`
