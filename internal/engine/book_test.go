package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/deploy"
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
		_, files, others, err := book.Installed(t.Context(), "a.test", name)
		if err != nil || slices.ContainsFunc(files, func(f plan.File) bool { return f.Path == foreign }) || len(files) == 0 && name == "default" || !slices.Equal(others, []string{foreign}) {
			t.Errorf("%s: %+v, %v, %v", name, files, others, err)
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
	leaf := f.leaf(f.dir + "/ssl/a.test/cert.pem")
	r := f.handed(handover.Job{Cert: "a.test", Target: "default", Version: "whatever", Spare: true})[0]
	if r.Fault == nil || r.Changed || f.leaf(f.dir+"/ssl/a.test/cert.pem") != leaf {
		t.Errorf("a placeholder in the place of a certificate: %+v", r)
	}
}

// A kind of key is a part of paths, and so is the name of a version: what the
// state says there is refused, be it in the record of the certificate or in that
// of the version.
func TestBookBelievesNoKindsOfKey(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {files: [{path: \"" + f.dir + "/ssl/a.{key_type}.pem\", content: [key, fullchain]}], ocsp: {file: \"" + f.dir + "/ocsp/{name}.{key_type}.ocsp\"}}}\n")
	f.apply()
	published := f.known("a.test").Published
	record, err := f.Store.Version(t.Context(), "a.test", published)
	if err != nil {
		t.Fatal(err)
	}
	const kind = "sub/evil" // below the folder of the config, and yet no path of it
	record.Version.ID = "evil"
	record.Version.Pairs = slices.Clone(record.Version.Pairs)
	record.Chains = map[string]string{kind: record.Chains[record.Version.Pairs[0].KeyType]}
	record.Version.Pairs[0].KeyType = kind
	if err := f.Store.PutVersion(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{false, true} {
		version := record.Version
		if !known { // the record of the certificate looks as it should
			version.Pairs = slices.Clone(version.Pairs)
			version.Pairs[0].KeyType = ec256
		}
		err := f.Store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
			k.Versions, k.Published = []plan.Version{version}, version.ID
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		results := f.handed(handover.Job{Cert: "a.test", Target: "default", Version: version.ID}, handover.Job{Cert: "a.test", Target: plan.CompanionOCSP, Version: "v"})
		if r := results[0]; r.Fault == nil || r.Changed {
			t.Errorf("files (%v): %+v", known, r)
		}
		if r := results[1]; known && (r.Fault == nil || r.Changed) {
			t.Errorf("responses: %+v", r)
		}
	}
}

// Where the user could exchange a folder on the way, nothing is installed.
func TestBookKeepsOutOfTheUsersFolders(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a folder to another user")
	}
	f := newFixture(t, acmetest.Options{})
	own, led := f.dir+"/own", f.dir+"/led"
	if err := errors.Join(os.MkdirAll(own+"/below", 0o755), os.Symlink(own+"/below", led), os.Chown(own, somebodyElse, somebodyElse)); err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {path: " + f.dir + "/ssl}}\n")
	f.apply()
	published := f.known("a.test").Published
	for _, path := range []string{own, own + "/below", led} {
		f.configure("certificates: {a.test: {path: " + path + "}}\n")
		r := f.handed(handover.Job{Cert: "a.test", Target: "default", Version: published})[0]
		if r.Fault == nil || !strings.Contains(r.Fault.Words, own) || !strings.Contains(r.Fault.Words, "chown root") {
			t.Errorf("%s: %+v", path, r)
		}
		if _, _, _, err := f.book().Installed(t.Context(), "a.test", "default"); err == nil || !strings.Contains(err.Error(), own) {
			t.Errorf("taken away from %s: %v", path, err)
		}
	}
	if names, err := os.ReadDir(own + "/below"); err != nil || len(names) > 0 {
		t.Errorf("written: %v, %v", names, err)
	}
}

// A folder that a group may write is one that the user may, for all that anybody
// knows of his groups: there he puts a folder or symlink in the way to where
// files are made, be it before any are.
func TestBookKeepsOutOfFoldersOfGroups(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {path: " + f.dir + "/ssl}}\n")
	f.apply()
	published := f.known("a.test").Published
	secret := f.dir + "/secret"
	if err := os.Mkdir(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mode fs.FileMode // of the base folder
		make func(base string) error
		says string // "" where it is installed
	}{
		"open to its group":        {0o775, nil, "chmod go-w"},
		"open to its group, above": {0o755, func(base string) error { return os.Chmod(filepath.Dir(base), 0o775) }, "chmod go-w"},
		"sticky, and empty":        {0o777 | fs.ModeSticky, nil, "chmod go-w"},
		"below one that is sticky": {0o755, func(base string) error { return os.Chmod(filepath.Dir(base), 0o777|fs.ModeSticky) }, ""},
		"led elsewhere":            {0o755, func(base string) error { return os.Symlink(secret, base+"/.versions") }, "is a symlink"},
		"led elsewhere, below": {0o755, func(base string) error {
			return errors.Join(os.Mkdir(base+"/.versions", 0o755), os.Symlink(secret, base+"/.versions/a.test"))
		}, "is a symlink"},
		"closed but for what is below": {0o755, func(base string) error {
			return errors.Join(os.Mkdir(base+"/.versions", 0o755), os.Chmod(base+"/.versions", 0o775))
		}, "chmod go-w"},
	} {
		base := f.dir + "/" + strings.NewReplacer(" ", "-", ",", "").Replace(name) + "/ssl"
		err := errors.Join(os.MkdirAll(base, 0o755), os.Chmod(base, c.mode))
		if err == nil && c.make != nil {
			err = c.make(base)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.configure("certificates: {a.test: {path: " + base + "}}\n")
		r := f.handed(handover.Job{Cert: "a.test", Target: "default", Version: published})[0]
		if c.says == "" && r.Fault != nil || c.says != "" && (r.Fault == nil || !strings.Contains(r.Fault.Words, c.says) || r.Changed) {
			t.Errorf("%s: %+v, %+v", name, r, r.Fault)
		}
		if _, _, _, err := f.book().Installed(t.Context(), "a.test", "default"); (err == nil) != (c.says == "") {
			t.Errorf("%s: taken away: %v", name, err)
		}
	}
	if names, err := os.ReadDir(secret); err != nil || len(names) > 0 {
		t.Errorf("written: %v, %v", names, err)
	}
}

// somebodyElse is a user who is not us.
const somebodyElse = 65534

// handed carries out jobs as a helper does.
func (f *fixture) handed(asked ...handover.Job) []deploy.Result {
	f.Helper()
	d, book := deploy.New(deploy.Options{State: f.dir + "/helper", Disk: f.disk}), f.book()
	results := make([]deploy.Result, len(asked))
	for i, q := range asked {
		job, fault := book.Job(f.Context(), q)
		job.Told, job.Staged, job.Spare = q.Told, q.Staged, q.Spare
		if results[i].Fault = fault; fault == nil {
			results[i] = d.Batch(f.Context(), []deploy.Job{job})[0]
		}
	}
	return results
}

// Names that mean nothing are refused in words that say which.
func TestBookRefuses(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {path: " + f.dir + "/ssl}}\n")
	f.apply()
	published := f.known("a.test").Published
	record, err := f.Store.Version(t.Context(), "a.test", published)
	if err != nil {
		t.Fatal(err)
	}
	record.Version.ID = deploy.PlaceholderVersion
	err = errors.Join(f.Store.PutVersion(t.Context(), record), f.Store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		k.Versions = append(k.Versions, record.Version)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	book := f.book()
	for _, q := range []handover.Job{
		{Cert: "b.test", Target: "default", Version: published},
		{Cert: "../a.test", Target: "default", Version: published},
		{Cert: "a.test", Target: "other", Version: published},
		{Cert: "a.test", Target: "default", Version: "../../etc/passwd"},
		{Cert: "a.test", Target: "default"},
		{Cert: "a.test", Target: "default", Version: deploy.PlaceholderVersion}, // stored under that name
		{Cert: "a.test", Target: plan.CompanionOCSP, Version: "v", Spare: true},
		{Cert: "a.test", Target: plan.CompanionSCT, Version: "v", Spare: true},
	} {
		if _, fault := book.Job(t.Context(), q); fault == nil || !strings.Contains(fault.Words, "no") {
			t.Errorf("%+v: %+v", q, fault)
		}
	}
	if _, _, _, err := book.Installed(t.Context(), "a.test", "../x"); err == nil {
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
	return NewBook(e, somebodyElse)
}
