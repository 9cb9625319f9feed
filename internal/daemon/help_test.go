package daemon_test

import (
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
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return daemon.Help(t.Context(), daemon.Options{
		Load: func() (*config.Config, []config.Warning, error) { return config.Load(path) },
		Disk: durable.OS{}, Log: slog.New(slog.DiscardHandler), Relog: func(config.Log) {},
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

// What was replaced long ago is taken away from no folder in which others may put
// a symlink to another.
func TestHelperPrunesNoExposedArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign, archive := dir+"/foreign", dir+"/archive"
	old := foreign + "/2020_01_01_000000/certificate.pem"
	err := errors.Join(os.MkdirAll(filepath.Dir(old), 0o700), os.WriteFile(old, []byte("x"), 0o600), os.Mkdir(archive, 0o775), os.Chmod(archive, 0o775), os.Symlink(foreign, archive+"/www"))
	if err != nil {
		t.Fatal(err)
	}
	text := "state: " + dir + "/certkeep\nkeep: {archive: 30d, archive_directory: " + archive + "}\nhelper: {user: no-such-user-here, socket: " + dir + "/run/s, state: " + dir + "/state}\n"
	if err := help(t, text); err == nil || !strings.Contains(err.Error(), "unknown user") {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error(err)
	}
}
