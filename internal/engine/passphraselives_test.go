package engine

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// guard is a disk below the faults that looks, after each change, for private
// keys in the clear outside the state: at no instant may one lie there, not
// even under the name of a temporary.
type guard struct {
	durable.NoSync
	*testing.T
	dir  string
	seen int // encrypted keys, so that a test knows that the guard looked
}

func (g *guard) Create(path string, data []byte, a durable.Attr) error {
	defer g.look()
	return g.NoSync.Create(path, data, a)
}

func (g *guard) Rename(from, to string) error {
	defer g.look()
	return g.NoSync.Rename(from, to)
}

func (g *guard) Symlink(target, link string) error {
	defer g.look()
	return g.NoSync.Symlink(target, link)
}

func (g *guard) Append(path string, line []byte) error {
	defer g.look()
	return g.NoSync.Append(path, line)
}

// look reads all files, also those that a link leads to. Half a key counts.
func (g *guard) look() {
	err := filepath.WalkDir(g.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == filepath.Join(g.dir, "state") {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			return nil // a link to nothing, or to a folder, whose files are looked at there
		}
		text, err := os.ReadFile(path)
		sealed := []byte("ENCRYPTED PRIVATE KEY")
		g.seen += bytes.Count(text, sealed)
		if bytes.Contains(bytes.ReplaceAll(text, sealed, nil), []byte("PRIVATE KEY")) {
			g.Errorf("%s holds a private key in the clear", path)
		}
		return err
	})
	if err != nil {
		g.Error(err)
	}
}

const lifePassphrase = "correct horse"

// rarely is a sweep without a fault, unless all are asked for: to make a key of a
// passphrase takes a good part of a second, on purpose, and many of them where
// races are looked for.
const rarely = 10_000

// guarded has a guard stand below the faults, and gives the keys a passphrase.
func (l *life) guarded(t *testing.T) {
	t.Helper()
	g := &guard{T: t, dir: l.dir}
	l.under = g
	if err := os.WriteFile(filepath.Join(l.dir, "secret"), []byte(lifePassphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if g.seen == 0 {
			t.Error("the guard saw no key at all")
		}
	})
}

// TestSweepPassphrase sweeps a renewal in a folder whose key is under a
// passphrase at every instant.
func TestSweepPassphrase(t *testing.T) {
	l := newLife(t)
	l.guarded(t)
	l.config = "certificates: {a.test: {passphrase_file: $DIR/secret}}\n"
	var before string
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkPair("out/a.test/fullchain.pem", "out/a.test/privkey.pem")
		k := f.known("a.test")
		if target := k.Targets["default"]; k.Published == before || target.Version != k.Published || target.State != plan.TargetReloaded {
			f.Errorf("published %s after %s, target %+v", k.Published, before, target)
		}
	}
	l.prepare(t, func(f *fixture) {
		f.apply()
		before = f.known("a.test").Published
		f.ask(plan.AskRenew, "a.test")
	})
	l.sweep(t, rarely)
}

// TestSweepPassphraseOfARollover sweeps a change of the keys of two
// certificates, whose files are all under a passphrase at every instant. It is
// tried with CERTKEEP_SWEEP=all only: a life makes some ninety keys of it.
func TestSweepPassphraseOfARollover(t *testing.T) {
	if os.Getenv("CERTKEEP_SWEEP") != "all" {
		return
	}
	l := newLife(t)
	l.guarded(t)
	l.rollover(t, "passphrase_file: $DIR/secret")
	l.sweep(t, rarely)
}
