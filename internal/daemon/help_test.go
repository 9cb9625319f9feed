package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
)

// help runs a helper by a config until it gives up.
func help(t *testing.T, text string) error {
	t.Helper()
	return helpUntil(t.Context(), t, text, slog.DiscardHandler)
}

// helpUntil is help that logs, until ctx ends.
func helpUntil(ctx context.Context, t *testing.T, text string, log slog.Handler) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return daemon.Help(ctx, daemon.Options{
		Load: func() (*config.Config, []config.Warning, error) { return config.Load(path) },
		Disk: durable.OS{}, Log: slog.New(log), Relog: func(config.Log) {},
	})
}

// A helper begins only where nobody else can say what it does: not by a journal
// in its state, not by another socket in its place.
func TestHelperRefuses(t *testing.T) {
	t.Parallel()
	us, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := help(t, "state: /nowhere\n"); !errors.Is(err, daemon.ErrNoHelper) {
		t.Errorf("without a helper: %v", err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range []struct{ user, socket, state, want string }{
		{us.Username, dir + "/run/s", open + "/state", "the helper's state: " + open + ": may be written by everybody"},
		{us.Username, open + "/s", dir + "/state", "the helper's socket: " + open + ": may be written by everybody"},
		{"no-such-user-here", dir + "/run/s", dir + "/state", "unknown user no-such-user-here"},
	} {
		err := help(t, "state: "+dir+"/certkeep\nhelper: {user: "+c.user+", socket: "+c.socket+", state: "+c.state+"}\n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// onceReady is a log that calls something when a helper is ready.
type onceReady struct {
	slog.Handler
	do func()
}

func (h onceReady) Enabled(context.Context, slog.Level) bool { return true }

func (h onceReady) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "helping" {
		h.do()
	}
	return nil
}

// helpOnce runs a helper that ends as soon as it could be asked.
func helpOnce(t *testing.T, text string) error {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	return helpUntil(ctx, t, text, onceReady{slog.DiscardHandler, end})
}

// A second helper neither finishes nor undoes what the first one is doing, nor
// takes its temporaries away; what a killed one left is taken away.
func TestHelperIsAlone(t *testing.T) {
	t.Parallel()
	us, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := "state: " + dir + "/certkeep\nhelper: {user: " + us.Username + ", socket: " + dir + "/run/s, state: " + dir + "/state}\n"
	left := durable.Temp(dir + "/state/archive/www/20261122T203330.580Z-v/x.pem")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var second error
	err = helpUntil(ctx, t, text, onceReady{slog.DiscardHandler, func() {
		if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("x"), 0o600)); err != nil {
			t.Error(err)
		}
		second = help(t, strings.ReplaceAll(text, "/run/s", "/other/s"))
		end()
	}})
	if err != nil || second == nil || !strings.Contains(second.Error(), "another helper") {
		t.Errorf("%v; the second one: %v", err, second)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("the second helper took away what the first one writes: %v", err)
	}
	if err := os.WriteFile(dir+"/state/lock", []byte("1"), 0o600); err != nil { // as a killed one leaves it
		t.Fatal(err)
	}
	if err := helpOnce(t, text); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a temporary of a killed helper is left: %v", err)
	}
}

// What was replaced long ago is taken away from no folder in which others may put
// a symlink to another.
func TestHelperPrunesNoExposedArchive(t *testing.T) {
	t.Parallel()
	us, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	foreign, archive := dir+"/foreign", dir+"/archive"
	old := foreign + "/2020_01_01_000000/certificate.pem"
	err = errors.Join(os.MkdirAll(filepath.Dir(old), 0o700), os.WriteFile(old, []byte("x"), 0o600), os.Mkdir(archive, 0o775), os.Chmod(archive, 0o775), os.Symlink(foreign, archive+"/www"))
	if err != nil {
		t.Fatal(err)
	}
	text := "state: " + dir + "/certkeep\nkeep: {archive: 30d, archive_directory: " + archive + "}\nhelper: {user: " + us.Username + ", socket: " + dir + "/run/s, state: " + dir + "/state}\n"
	if err := helpOnce(t, text); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error(err)
	}
}
