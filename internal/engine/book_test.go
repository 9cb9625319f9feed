package engine

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// A helper takes no path from the state, which another user writes: neither to
// take a file away, nor to write one.
func TestBookBelievesNoPaths(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {path: " + f.dir + "/ssl, ocsp: {file: \"" + f.dir + "/ocsp/{name}.{key_type}.ocsp\"}}}\n")
	f.apply()
	published := f.known("a.test").Published
	foreign := f.dir + "/foreign"
	if err := os.WriteFile(foreign, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := f.Store.UpdateTargets(t.Context(), "a.test", func(targets map[string]plan.Target) error {
		for _, name := range []string{"default", plan.CompanionOCSP} {
			to := targets[name]
			to.Files = append(slices.Clone(to.Files), plan.File{Path: foreign, SHA256: sha256Hex([]byte("x")), Size: 1})
			targets[name] = to
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	book := f.book()
	for _, name := range []string{"default", plan.CompanionOCSP} {
		_, files, err := book.Installed(t.Context(), handover.Target{Cert: "a.test", Name: name})
		if err != nil || slices.ContainsFunc(files, func(f plan.File) bool { return f.Path == foreign }) || len(files) == 0 && name == "default" {
			t.Errorf("%s: %+v, %v", name, files, err)
		}
	}
	job, fault := book.Job(t.Context(), handover.Job{Cert: "a.test", Target: "default", Version: published})
	if fault != nil || job.Target.Base != f.dir+"/ssl" || len(job.Content.Pairs) != 1 || job.Content.Pairs[0].Key == nil {
		t.Errorf("job %+v, %+v", job, fault)
	}
	spare, fault := book.Job(t.Context(), handover.Job{Cert: "a.test", Target: "default", Version: "whatever", Spare: true})
	if fault != nil || spare.Content.Version == published || len(spare.Content.Pairs) != 1 {
		t.Errorf("placeholder %+v, %+v", spare, fault)
	}
}

// Names that mean nothing are refused in words that say which.
func TestBookRefuses(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {path: " + f.dir + "/ssl}}\n")
	f.apply()
	book := f.book()
	published := f.known("a.test").Published
	for _, q := range []handover.Job{
		{Cert: "b.test", Target: "default", Version: published},
		{Cert: "../a.test", Target: "default", Version: published},
		{Cert: "a.test", Target: "other", Version: published},
		{Cert: "a.test", Target: "default", Version: "../../etc/passwd"},
		{Cert: "a.test", Target: "default"},
	} {
		if _, fault := book.Job(t.Context(), q); fault == nil || !strings.Contains(fault.Words, "no ") {
			t.Errorf("%+v: %+v", q, fault)
		}
	}
	if _, _, err := book.Installed(t.Context(), handover.Target{Cert: "a.test", Name: "../x"}); err == nil {
		t.Error("files of a target that is not in the config")
	}
}

// book is what a helper would know.
func (f *fixture) book() Book {
	f.Helper()
	s, err := store.Open(context.WithoutCancel(f.Context()), f.dir+"/state", f.disk, f.Store.Node(), store.Reader)
	if err != nil {
		f.Fatal(err)
	}
	options := f.Options
	options.Store, options.Helps = s, true
	e := New(options)
	if err := e.Configure(f.current().cfg); err != nil {
		f.Fatal(err)
	}
	return NewBook(e)
}
