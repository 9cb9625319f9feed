package deploy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// theatre is a folder with targets and a service that is a shell script.
type theatre struct {
	dir string
	d   *Deployer
	ca  *testCA
}

func newTheatre(t *testing.T) *theatre {
	dir := t.TempDir()
	return &theatre{dir: dir, ca: newCA(t, "ca"), d: New(Options{State: dir + "/state", Disk: durable.NoSync{}, SystemdDir: dir + "/none"})}
}

// service is one whose check and reload are shell texts, in the folder of the
// theatre. Each call is written down in the file "calls".
func (h *theatre) service(name, check, reload string) service.Service {
	s := service.Service{Name: name}
	in := "cd " + h.dir + "; "
	if check != "" {
		s.Check = shell(in + "echo check " + name + " >> calls; " + check)
	}
	s.Reload = shell(in + "echo reload " + name + " >> calls; " + reload)
	return s
}

// calls counts what the services were asked, and forgets it.
func (h *theatre) calls(t *testing.T) map[string]int {
	t.Helper()
	count := map[string]int{}
	text, err := os.ReadFile(h.dir + "/calls")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		count[strings.TrimSpace(line)]++
	}
	if err := os.RemoveAll(h.dir + "/calls"); err != nil {
		t.Fatal(err)
	}
	return count
}

// target is one combined file.
func (h *theatre) target(name string, services ...service.Service) Target {
	return Target{Cert: name, Name: "default", Layout: LayoutHAProxy, Base: h.dir, KeyTypes: []string{p256}, Services: services}
}

// forbid makes a file that equals c's combined file: a script refuses with
// `cmp`.
func (h *theatre) forbid(t *testing.T, target Target, c Content) {
	t.Helper()
	image, err := Render(target, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.dir+"/forbidden", image.Files[0].Data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refuses is a shell text that fails when any file of the theatre is forbidden.
const refuses = `for f in *.pem; do if cmp -s $f forbidden; then echo "$f is forbidden" >&2; exit 1; fi; done`

func (h *theatre) old(t *testing.T, names ...string) map[string]Content {
	t.Helper()
	old := map[string]Content{}
	for _, name := range names {
		old[name] = h.ca.content(t, "v1", name)
		mustPut(t, h.d, h.target(name), old[name])
	}
	return old
}

func TestOneReloadForMany(t *testing.T) {
	h := newTheatre(t)
	web := h.service("web", "true", "true")
	var jobs []Job
	for n := range 7 {
		name := fmt.Sprintf("c%d", n)
		jobs = append(jobs, Job{Target: h.target(name, web), Content: h.ca.content(t, "v1", name)})
	}
	for _, r := range h.d.Batch(t.Context(), jobs) {
		if r.Fault != nil || len(r.Reloaded) != 1 || r.Reloaded[0] != "web" {
			t.Errorf("%s: %+v", r.Cert, r)
		}
	}
	if calls := h.calls(t); calls["reload web"] != 1 || calls["check web"] != 2 {
		t.Errorf("calls %v", calls)
	}
}

// The bad one among many is found in a few steps and put back; all others
// arrive. The refusal may come at the check or at the reload.
func TestBadOneBlocksNoOther(t *testing.T) {
	for name, script := range map[string][2]string{"at the check": {refuses, "true"}, "at the reload": {"true", refuses}} {
		t.Run(name, func(t *testing.T) {
			h := newTheatre(t)
			web := h.service("web", script[0], script[1])
			var jobs []Job
			var names []string
			for n := range 8 {
				names = append(names, fmt.Sprintf("c%d", n))
			}
			old := h.old(t, names...)
			fresh := map[string]Content{}
			for _, name := range names {
				fresh[name] = h.ca.content(t, "v2", name)
				jobs = append(jobs, Job{Target: h.target(name, web), Content: fresh[name]})
			}
			h.forbid(t, jobs[5].Target, fresh["c5"])
			for i, r := range h.d.Batch(t.Context(), jobs) {
				want := "v2"
				if i == 5 {
					want = "v1"
					if r.Fault == nil || r.Fault.Code != plan.CodeRolledBack || !r.RolledBack || r.Written || !strings.Contains(strings.Join(r.Fault.Detail, ""), "c5.pem is forbidden") {
						t.Errorf("the bad one: %+v, %+v", r, r.Fault)
					}
				} else if r.Fault != nil || r.RolledBack || !r.Written {
					t.Errorf("%s: %+v, %+v", r.Cert, r, r.Fault)
				}
				if got := shown(t, jobs[i].Target, old[r.Cert], fresh[r.Cert]); got != want {
					t.Errorf("%s shows %s, want %s", r.Cert, got, want)
				}
			}
			if calls := h.calls(t); calls["check web"]+calls["reload web"] > 24 {
				t.Errorf("calls %v: more than halving needs", calls)
			}
			noTemps(t, h.dir)
		})
	}
}

// A service that cannot be reloaded at all is not tried for each certificate.
func TestReloadThatNeverWorks(t *testing.T) {
	h := newTheatre(t)
	web := h.service("web", "true", "exit 3")
	names := []string{"a", "b", "c", "d"}
	old := h.old(t, names...)
	var jobs []Job
	for _, name := range names {
		jobs = append(jobs, Job{Target: h.target(name, web), Content: h.ca.content(t, "v2", name)})
	}
	for i, r := range h.d.Batch(t.Context(), jobs) {
		if r.Fault == nil || !r.RolledBack || shown(t, jobs[i].Target, old[r.Cert]) != "v1" {
			t.Errorf("%s: %+v", r.Cert, r)
		}
	}
	if calls := h.calls(t); calls["reload web"] != 2 {
		t.Errorf("calls %v, want one reload and one more after all was put back", calls)
	}
}

// Where nothing worked before, new files stay, unless they break what was sound.
func TestFirstInstallation(t *testing.T) {
	for name, test := range map[string]struct {
		check, reload string
		stays         bool
		code          plan.Code
	}{
		"the reload fails":                    {"true", "false", true, plan.CodeServiceReload},
		"no check, the reload fails":          {"", "false", true, plan.CodeServiceReload},
		"the check waits for the files":       {"test -e a.pem", "true", true, ""},
		"the check fails before and after":    {"false", "true", true, plan.CodeServiceCheck},
		"the check fails because of the file": {"! test -e a.pem", "true", false, plan.CodeRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTheatre(t)
			target := h.target("a", h.service("web", test.check, test.reload))
			c := h.ca.content(t, "v1", "a")
			r := h.d.Batch(t.Context(), []Job{{Target: target, Content: c}})[0]
			if (r.Fault == nil) != (test.code == "") || r.Fault != nil && r.Fault.Code != test.code {
				t.Errorf("fault %+v, want %q", r.Fault, test.code)
			}
			if there := shown(t, target, c) == "v1"; there != test.stays || r.Written != test.stays || r.RolledBack == test.stays {
				t.Errorf("there: %v, result %+v", there, r)
			}
		})
	}
}

// A first installation that breaks a reload is taken away again, so that it
// blocks no other.
func TestBadFirstInstallationBlocksNoOther(t *testing.T) {
	h := newTheatre(t)
	web := h.service("web", "true", refuses)
	h.old(t, "a", "c")
	var jobs []Job
	for _, name := range []string{"a", "b", "c"} {
		jobs = append(jobs, Job{Target: h.target(name, web), Content: h.ca.content(t, "v2", name)})
	}
	h.forbid(t, jobs[1].Target, jobs[1].Content)
	for i, r := range h.d.Batch(t.Context(), jobs) {
		if bad := r.Cert == "b"; r.RolledBack != bad || (r.Fault != nil) != bad || shows(t, jobs[i].Target, jobs[i].Content) == bad {
			t.Errorf("%s: %+v, %+v", r.Cert, r, r.Fault)
		}
	}
}

// Missing files of one certificate may be why the check fails; they are
// written first, then the others follow.
func TestMissingFilesFirst(t *testing.T) {
	h := newTheatre(t)
	web := h.service("web", "test -e new.pem", "true")
	h.old(t, "old")
	jobs := []Job{
		{Target: h.target("old", web), Content: h.ca.content(t, "v2", "old")},
		{Target: h.target("new", web), Content: h.ca.content(t, "v1", "new")},
	}
	for _, r := range h.d.Batch(t.Context(), jobs) {
		if r.Fault != nil || !r.Written {
			t.Errorf("%s: %+v", r.Cert, r.Fault)
		}
	}
}

// What is put back is what could be served. Where a file was missing before,
// new files that are whole stay, also when the service has other troubles.
func TestHalfOfItIsNotPutBack(t *testing.T) {
	h := newTheatre(t)
	target := Target{Cert: "a", Name: "default", Layout: LayoutStandard, Base: h.dir, KeyTypes: []string{p256}}
	content := h.ca.content(t, "v1", "a")
	mustPut(t, h.d, target, content)
	if err := os.Remove(h.dir + "/a/fullchain.pem"); err != nil {
		t.Fatal(err)
	}
	target.Services = []service.Service{h.service("web", "false", "true")}
	r := h.d.Batch(t.Context(), []Job{{Target: target, Content: content}})[0]
	if r.Fault == nil || r.RolledBack || !shows(t, target, content) {
		t.Errorf("the files are whole: %v; %+v", shows(t, target, content), r)
	}
}

// A service in trouble stops only its own certificates.
func TestTroubleStaysWhereItIs(t *testing.T) {
	h := newTheatre(t)
	web, mail, chat := h.service("web", "true", "true"), h.service("mail", "false", "true"), h.service("chat", "true", "true")
	old := h.old(t, "a", "b", "c", "d")
	fresh := map[string]Content{}
	var jobs []Job
	for name, services := range map[string][]service.Service{"a": {web}, "b": {web, mail}, "c": {mail, chat}, "d": {chat}} {
		fresh[name] = h.ca.content(t, "v2", name)
		jobs = append(jobs, Job{Target: h.target(name, services...), Content: fresh[name]})
	}
	for i, r := range h.d.Batch(t.Context(), jobs) {
		want := "v2"
		if r.Cert == "b" || r.Cert == "c" {
			want = "v1"
		}
		if got := shown(t, jobs[i].Target, old[r.Cert], fresh[r.Cert]); got != want || (r.Fault == nil) != (want == "v2") {
			t.Errorf("%s shows %s, want %s: %+v", r.Cert, got, want, r.Fault)
		}
	}
	if calls := h.calls(t); calls["reload mail"] != 0 || calls["reload web"] != 1 || calls["reload chat"] != 1 {
		t.Errorf("calls %v", calls)
	}
}

// What was put back is told to the services that had been told of the new.
func TestOldFilesAreToldAgain(t *testing.T) {
	h := newTheatre(t)
	first := h.service("first", "", "cp a.pem first.seen")
	second := h.service("second", "", refuses)
	old := h.old(t, "a")["a"]
	target := h.target("a", first, second)
	fresh := h.ca.content(t, "v2", "a")
	h.forbid(t, target, fresh)
	r := h.d.Batch(t.Context(), []Job{{Target: target, Content: fresh}})[0]
	if r.Fault == nil || !r.RolledBack || shown(t, target, old) != "v1" {
		t.Fatalf("result %+v", r)
	}
	seen, err := os.ReadFile(h.dir + "/first.seen")
	image, renderErr := Render(target, old)
	if err != nil || renderErr != nil || string(seen) != string(image.Files[0].Data) {
		t.Errorf("the first service still has the new file: %v, %v", err, renderErr)
	}
}

// Files that are in place already are told of when nobody knows whether they were.
func TestOwedReload(t *testing.T) {
	h := newTheatre(t)
	old := h.old(t, "a")["a"]
	target := h.target("a", h.service("web", "true", "true"))
	r := h.d.Batch(t.Context(), []Job{{Target: target, Content: old}})[0]
	if r.Fault != nil || r.Changed || !r.Written || len(r.Reloaded) != 1 {
		t.Errorf("result %+v", r)
	}
	r = h.d.Batch(t.Context(), []Job{{Target: target, Content: old, Told: true}})[0]
	if r.Fault != nil || len(r.Reloaded) != 0 {
		t.Errorf("told already: %+v", r)
	}
	if calls := h.calls(t); calls["reload web"] != 1 {
		t.Errorf("calls %v", calls)
	}
}

// The end of the context does not part a write from its reload.
func TestReloadOutlivesTheContext(t *testing.T) {
	h := newTheatre(t)
	ctx, cancel := context.WithCancel(t.Context())
	d := New(Options{State: h.dir + "/state", SystemdDir: h.dir + "/none", Disk: cancelling{durable.NoSync{}, h.dir + "/a.pem", cancel}})
	c := h.ca.content(t, "v1", "a")
	r := d.Batch(ctx, []Job{{Target: h.target("a", h.service("web", "true", "true")), Content: c}})[0]
	if ctx.Err() == nil || r.Fault != nil || len(r.Reloaded) != 1 {
		t.Errorf("result %+v, %+v", r, r.Fault)
	}
}

// cancelling ends a context when a path is switched.
type cancelling struct {
	durable.Disk
	path   string
	cancel func()
}

func (d cancelling) Rename(oldPath, newPath string) error {
	if newPath == d.path {
		d.cancel()
	}
	return d.Disk.Rename(oldPath, newPath)
}

// Batches of one service take turns, those of different ones need not.
func TestBatchesTakeTurns(t *testing.T) {
	h := newTheatre(t)
	web := h.service("web", "true", `mkdir turn || { echo "not alone" >&2; exit 1; }; rmdir turn`)
	var wg sync.WaitGroup
	for n := range 6 {
		name := fmt.Sprintf("c%d", n)
		job := Job{Target: h.target(name, web), Content: h.ca.content(t, "v1", name)}
		wg.Go(func() {
			if r := h.d.Batch(t.Context(), []Job{job})[0]; r.Fault != nil {
				t.Errorf("%s: %+v", name, r.Fault)
			}
		})
	}
	wg.Wait()
}
