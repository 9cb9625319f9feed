package guix

import (
	"context"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestDaemon runs what the Shepherd would, and its action after the system was
// reconfigured: nginx then has what it needs for the site that is new.
func TestDaemon(t *testing.T) {
	m := machine{T: t, dir: t.TempDir()}
	m.build()
	inDir := strings.NewReplacer("/etc/certkeep/", m.dir+"/", "/var/run/", m.dir+"/", "/var/lib/certkeep", m.dir+"/state", "/etc/letsencrypt", m.dir+"/etc", "/var/www", m.dir)
	reconfigure := func(certificates string) expanded {
		e := mustExpand(t, "nginx", strings.ReplaceAll(`
(certkeep-configuration
  (package "DIR/certkeep") (server "https://127.0.0.1:1/nobody") (extra-options '((listen . ((http . #f) (status . #f)))))
  (certificates (list `, "DIR", m.dir)+certificates+")))")
		m.write("certkeep.json", inDir.Replace(e.read("certkeep.json")))
		return e
	}
	e := reconfigure(`(certkeep-certificate-configuration (domains '("a.test")))`)
	shepherd := inDir.Replace(e.read("shepherd.scm"))
	command := regexp.MustCompile(`\(list ("[^)]*")\)`).FindStringSubmatch(shepherd)
	reload := regexp.MustCompile(`\(reload (\(lambda .*?SIGHUP\)\))\)`).FindStringSubmatch(shepherd)
	if command == nil || reload == nil {
		t.Fatal(shepherd)
	}
	args := strings.Split(strings.Trim(command[1], `"`), `" "`)
	p := servertest.Start(t, syscall.SIGTERM, args[0], args[1:]...)
	there := func(path string) func(context.Context) error {
		return func(context.Context) error {
			_, err := os.Stat(path)
			return err
		}
	}
	p.Ready(t, "", there(m.dir+"/etc/live/a.test/privkey.pem"))
	reconfigure(`(certkeep-certificate-configuration (domains '("a.test"))) (certkeep-certificate-configuration (domains '("b.test")))`)
	if said, err := guile(t, m.dir, "-c", "("+reload[1]+" #t)"); err != nil || said != "" {
		t.Fatalf("reload: %v\n%s", err, said)
	}
	p.Ready(t, "", there(m.dir+"/etc/live/b.test/privkey.pem"))
}
