package engine

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// TestServicesAreToldOnce: in a pass that ends by itself, each service hears
// once of all that came: of several certificates, of those on files of shared
// keys, and of what stands beside them.
func TestServicesAreToldOnce(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	log := newTestLog(t)
	said := fmt.Sprintf(`ocsp: {file: "%[1]s/{name}.{key_type}.ocsp"}, sct: {directory: "%[1]s/scts/{name}", logs: [one]}`, f.dir)
	f.configure(fmt.Sprintf(`
services:
  web: {check: "true", reload: %[2]s}
  mail: {reload: %[3]s}
  other: {reload: %[4]s}
ct_logs: {own: [%[5]s]}
keys: {both: {backup_key: true, files: [{path: %[1]s/both.key, content: key}]}}
certificates:
  a.test: {services: [web], %[6]s}
  b.test: {services: [mail, web], %[6]s}
  c.test: {key: both, services: [web], hpkp: {file: "%[1]s/pins", headers: {own: "{header}"}}, files: [{path: %[1]s/c.pem, content: fullchain}], %[6]s}
  d.test: {key: both, services: [mail], files: [{path: %[1]s/d.pem, content: fullchain}], %[6]s}
  e.test: {services: [other], %[6]s}
`, f.dir, f.noted("web"), f.noted("mail"), f.noted("other"), log.config("one"), said))
	f.apply()
	told := f.lines("log")
	if slices.Sort(told); !slices.Equal(told, []string{"mail", "other", "web"}) {
		t.Errorf("told %q", told)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
	f.ask(plan.AskRenew, "a.test", "c.test", "d.test")
	f.apply()
	told = f.lines("log")[len(told):]
	if slices.Sort(told); !slices.Equal(told, []string{"mail", "web"}) {
		t.Errorf("told of renewals %q", told)
	}
}

// noted is a command of a service that notes each time it is told.
func (f *fixture) noted(name string) string {
	return f.script(name, fmt.Sprintf("echo %s >>%s/log\n", name, f.dir))
}

// TestGatheredWaitIsBounded: an installation waits for others as long as one
// may, and for as many, but no longer.
func TestGatheredWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gathering
		if g.tooLate() != nil {
			t.Error("nobody waits, and it is late")
		}
		start := time.Now()
		g.join(gathered{})
		time.Sleep(time.Minute)
		g.join(gathered{})
		<-g.tooLate()
		if waited := time.Since(start); waited != gatherWait {
			t.Errorf("waited for %s", waited)
		}
	})
}

func TestConnected(t *testing.T) {
	t.Parallel()
	on := func(cert string, services ...string) gathered {
		job := deploy.Job{Target: deploy.Target{Cert: cert}}
		for _, name := range services {
			job.Target.Services = append(job.Target.Services, service.Service{Name: name})
		}
		return gathered{jobs: []deploy.Job{job}}
	}
	var got []string
	for _, group := range connected([]gathered{on("a", "web"), on("b", "mail"), on("c", "ftp"), on("d", "mail", "web"), on("e", "ftp")}) {
		var names string
		for _, w := range group {
			names += w.jobs[0].Target.Cert
		}
		got = append(got, names)
	}
	if want := []string{"dab", "ec"}; !slices.Equal(got, want) {
		t.Errorf("groups %q, want %q", got, want)
	}
}
