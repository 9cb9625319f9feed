package deploy

import (
	"context"
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// put installs a content at a target without services.
func put(t testing.TB, d *Deployer, target Target, c Content) Result {
	t.Helper()
	target.Services = nil
	return d.Batch(t.Context(), []Job{{Target: target, Content: c}})[0]
}

// mustPut is put where nothing may go wrong.
func mustPut(t testing.TB, d *Deployer, target Target, c Content) Result {
	t.Helper()
	r := put(t, d, target, c)
	if r.Fault != nil || !r.Written || r.Untidy != nil {
		t.Fatalf("installing %s: %+v, %v", c.Version, r.Fault, r.Untidy)
	}
	return r
}

// tree lists what is below a folder: names, modes, link texts and the digests
// and times of files, so that two trees are alike only if nobody wrote.
func tree(t testing.TB, root string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		node, err := look(path)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		lines = append(lines, strings.Join([]string{
			path, info.Mode().String(), info.ModTime().String(), node.Link, node.SHA256, string(rune(stat.Ino)),
		}, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// spread is a target whose key, certificate and combination lie in three folders.
func spread(dir string) Target {
	return Target{Cert: "c", Name: "d", KeyTypes: []string{p256}, Files: []File{
		{Path: dir + "/private/key.pem", Content: []Part{PartKey}},
		{Path: dir + "/certs/cert.pem", Content: []Part{PartFullchain}},
		{Path: dir + "/mail/tls.pem", Content: []Part{PartKey, PartCertificate, PartChain}, Mode: 0o640},
	}}
}

// shapes are the targets that most tests go through, each below dir.
func shapes(dir string) map[string]Target {
	folder := func(l Layout) Target {
		return Target{Cert: "c", Name: "d", Layout: l, Base: dir, KeyTypes: []string{p256}}
	}
	return map[string]Target{
		"standard": folder(LayoutStandard), "certbot": folder(LayoutCertbot), "nixos": folder(LayoutNixOS),
		"haproxy": folder(LayoutHAProxy), "spread": spread(dir),
	}
}

// shows reports whether the target's files are exactly those of c.
func shows(t testing.TB, target Target, c Content) bool {
	t.Helper()
	form, err := target.shape(target.filled(c).KeyTypes)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range form.slots {
		pair, ok := c.pair(slot.keyType)
		if !ok {
			t.Fatalf("%s has no %s pair", c.Version, slot.keyType)
		}
		want, err := pair.render(slot.parts, Params{})
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(slot.name); err != nil || string(data) != string(want) {
			return false
		}
	}
	return true
}

// shown names the content that the target shows: its version, "nothing", or
// "a mixture".
func shown(t testing.TB, target Target, among ...Content) string {
	t.Helper()
	for _, c := range among {
		if shows(t, target, c) {
			return c.Version
		}
	}
	paths, err := target.Paths()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(paths, stands) {
		return "nothing"
	}
	return "a mixture"
}

func TestInstall(t *testing.T) {
	ca := newCA(t, "ca")
	v1, v2, v3 := ca.content(t, "v1", "a.test"), ca.content(t, "v2", "a.test"), ca.content(t, "v3", "a.test")
	for name := range shapes("") {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := shapes(dir + "/etc")[name]
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})

			r := mustPut(t, d, target, v1)
			if !r.Changed || !shows(t, target, v1) || len(r.Files) == 0 {
				t.Fatalf("v1 is not there: %+v", r)
			}
			if altered := NewInspector().Altered(r.Files); altered != nil {
				t.Errorf("an inspection finds %v", altered)
			}
			checkModes(t, target)

			before := tree(t, dir)
			if r := mustPut(t, d, target, v1); r.Changed {
				t.Error("installing the same again claims a change")
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("installing the same again wrote:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}

			mustPut(t, d, target, v2)
			mustPut(t, d, target, v3)
			if got := shown(t, target, v1, v2, v3); got != "v3" {
				t.Fatalf("%s is there after v3", got)
			}
			checkArchive(t, dir, v1, v2)
			checkVersions(t, target, 2)
			if left, _ := filepath.Glob(dir + "/state/journal/*"); len(left) > 0 {
				t.Errorf("journals left: %v", left)
			}
			noTemps(t, dir)
		})
	}
}

// checkModes: keys are for their owner, the rest for everybody.
func checkModes(t *testing.T, target Target) {
	t.Helper()
	files, err := target.HookFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o644)
		switch {
		case filepath.Base(f.Path) == "tls.pem":
			want = 0o640 // as the administrator says
		case f.has(PartKey):
			want = 0o600
		}
		if got := info.Mode(); got != want {
			t.Errorf("%s has mode %v, want %v", f.Path, got, want)
		}
	}
}

// checkArchive: the keys of replaced versions are kept, for their owner only.
func checkArchive(t *testing.T, dir string, replaced ...Content) {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir+"/state/archive", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !e.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all = append(all, data...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range replaced {
		if !strings.Contains(string(all), string(c.Pairs[0].Key)) {
			t.Errorf("the key of %s is not in the archive", c.Version)
		}
	}
}

// checkVersions: of version folders only so many are kept.
func checkVersions(t *testing.T, target Target, want int) {
	t.Helper()
	link := target.Lineage()
	if link == "" {
		return
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Fatalf("%s is no symlink: %v, %v", link, info, err)
	}
	entries, err := os.ReadDir(versions(link))
	if err != nil || len(entries) != want {
		t.Errorf("version folders: %v, %v, want %d", entries, err, want)
	}
	names, err := os.ReadDir(filepath.Dir(link))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		if e.Name() != filepath.Base(link) && e.Name() != versionsFolder {
			t.Errorf("%s is beside the symlink", e.Name())
		}
	}
}

// noTemps: nothing that was staged is left.
func noTemps(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasSuffix(path, "/state/archive") {
			return fs.SkipDir // the store sweeps it when it is opened
		}
		if err == nil && durable.IsTemp(e.Name()) {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Key, certificate and chain of a target can be loaded as a pair, by each of
// the key types.
func TestSeveralKeyTypes(t *testing.T) {
	ca := newCA(t, "ca")
	c := Content{Version: "v1", Pairs: []Pair{ca.pair(t, p256, "a.test"), ca.pair(t, rsa2, "a.test")}}
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	target := Target{Cert: "c", Name: "d", Base: dir + "/etc", KeyTypes: []string{rsa2, p256}}
	mustPut(t, d, target, c)
	for _, pair := range [][2]string{
		{"fullchain.pem", "privkey.rsa-2048.pem"},
		{"fullchain.rsa-2048.pem", "privkey.pem"},
		{"fullchain.ecdsa-p256.pem", "privkey.ecdsa-p256.pem"},
	} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(target.Lineage(), pair[0]), filepath.Join(target.Lineage(), pair[1])); err != nil {
			t.Errorf("%v: %v", pair, err)
		}
	}
	target.Layout = LayoutHAProxy
	mustPut(t, d, target, c)
	for _, kind := range []string{"rsa", "ecdsa"} {
		path := dir + "/etc/c.pem." + kind
		if _, err := tls.LoadX509KeyPair(path, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What somebody changed is put right, in a new folder where there is one.
func TestAlteredIsWrittenAgain(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	for name := range shapes("") {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := shapes(dir + "/etc")[name]
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			inspector := NewInspector()
			files := mustPut(t, d, target, c).Files
			victim := files[0].Path
			for n, damage := range []func() error{
				func() error { return os.WriteFile(victim, []byte("mine"), 0o600) },
				func() error { return os.Remove(victim) },
				func() error { return os.Chmod(victim, 0o644) },
				func() error { return os.WriteFile(victim, []byte("mine again"), 0o600) },
			} {
				if altered := inspector.Altered(files); altered != nil {
					t.Fatalf("before damage %d, %v is altered", n, altered)
				}
				if err := damage(); err != nil {
					t.Fatal(err)
				}
				if altered := inspector.Altered(files); n != 2 && !slices.Equal(altered, []string{victim}) {
					t.Errorf("after damage %d, %v is altered", n, altered)
				}
				if r := mustPut(t, d, target, c); !r.Changed {
					t.Errorf("damage %d was not noticed", n)
				}
				checkModes(t, target)
			}
			checkVersions(t, target, 2)
		})
	}
}

func TestOwners(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	target := Target{Cert: "c", Name: "d", Base: dir + "/etc", Owner: "nobody-of-that-name"}
	r := put(t, d, target, c)
	if r.Fault == nil || r.Fault.Code != plan.CodeDeploy || !strings.Contains(r.Fault.Words, "nobody-of-that-name") {
		t.Fatalf("an unknown owner: %+v", r.Fault)
	}
	target.Owner, target.Group = "", "no-such-group"
	if r := put(t, d, target, c); r.Fault == nil || !strings.Contains(r.Fault.Words, "no-such-group") {
		t.Fatalf("an unknown group: %+v", r.Fault)
	}
	if stands(dir + "/etc") {
		t.Error("something was written for them")
	}
	if os.Geteuid() != 0 {
		t.Skip("giving files to others needs root")
	}
	target.Owner, target.Group = "65534", "65533"
	mustPut(t, d, target, c)
	node, err := look(target.Lineage() + "/privkey.pem")
	if err != nil || node.UID != 65534 || node.GID != 65533 || node.Mode != 0o640 {
		t.Errorf("the key is %+v, %v", node, err)
	}
	target.Owner = "65532"
	if r := mustPut(t, d, target, c); !r.Changed {
		t.Error("another owner changes nothing")
	}
}

func TestTwoTargetsOfOnePath(t *testing.T) {
	ca := newCA(t, "ca")
	c := ca.content(t, "v1", "a.test")
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	other := spread(dir)
	other.Cert = "c2"
	results := d.Batch(t.Context(), []Job{{Target: spread(dir), Content: c}, {Target: other, Content: ca.content(t, "w1", "b.test")}})
	if results[0].Fault != nil || results[1].Fault == nil || !shows(t, spread(dir), c) {
		t.Errorf("results %+v", results)
	}
}

func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := New(Options{State: dir + "/state", Disk: durable.NoSync{}}).Batch(ctx, []Job{{Target: spread(dir), Content: c}})[0]
	if r.Fault == nil || r.Written || stands(dir+"/private") {
		t.Errorf("result %+v", r)
	}
}
