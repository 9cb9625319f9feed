package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/seal"
)

func (a *app) storeKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key [FILE]",
		Short: "Make a store key, which seals every secret in the store",
		Long: "Makes a new file that only its owner may read, with a new store key; without FILE the one\n" +
			"that the config names by store_key_file, and with - it goes to standard output, as for\n" +
			"systemd-creds. Keep a copy of it in another place than backups of the store: without it\n" +
			"nobody can read them. Nothing is sealed by this command.",
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := ""
			if len(args) > 0 {
				path = args[0]
			} else {
				cfg, err := a.load()
				if err != nil {
					return err
				}
				if path = cfg.StoreKey.File; path == "" {
					return usage("the config names no store_key_file", "name the file: certkeep store key FILE")
				}
			}
			key := seal.NewKey()
			text := keyLines(key, "store key "+key.ID()+" of Certkeep")
			if path == "-" {
				a.ui.print(string(text))
				return nil
			}
			path, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			if err := createPrivate(path, text); err != nil {
				return err
			}
			a.ui.say("%s holds store key %s. Keep a copy elsewhere: without it the sealed store, and its backups, are lost", path, key.ID())
			return nil
		},
	}
}

// keyLines is a key as it stands in a file, below a line for people.
func keyLines(key seal.Key, words string) []byte {
	return fmt.Appendf(nil, "# %s, made %s\n%s\n", words, time.Now().UTC().Format(time.DateOnly), key.Text())
}

func (a *app) storeRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Seal the store under a new store key",
		Long: "Puts a new key before the others in the file that the config names by store_key_file, and\n" +
			"brings every secret of the store under it, also while the daemon runs. Killed at any point,\n" +
			"it goes on where it was. The former key stays in the file, for backups that were made\n" +
			"before; `certkeep store drop-keys` takes it out.",
		Args: atMost(0),
		RunE: a.rotating(a.rotate),
	}
}

func (a *app) storeDropKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drop-keys",
		Short: "Take former store keys out of the key file",
		Long: "Leaves the key that seals as the only one in the file that the config names by\n" +
			"store_key_file. Refused while some secret of the store is not under it. Backups that were\n" +
			"made under a former key cannot be read afterwards, unless you keep a copy of that key.",
		Args: atMost(0),
		RunE: a.rotating(a.dropKeys),
	}
}

// rotating is a command that changes the key file.
func (a *app) rotating(change func(ctx context.Context, cfg *config.Config, file string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.load()
		if err != nil {
			return err
		}
		return a.rotateAlone(cmd.Context(), cfg, change)
	}
}

// rotateAlone changes the key file while nobody else does: of two that read it
// and then wrote it one key would be lost.
func (a *app) rotateAlone(ctx context.Context, cfg *config.Config, change func(ctx context.Context, cfg *config.Config, file string) error) error {
	switch {
	case !cfg.Sealed():
		return usage("no store key is configured", "make one (`certkeep store key FILE`), and name it by store_key_file")
	case cfg.StoreKey.File == "" || strings.Contains(cfg.StoreKey.File, "#/"):
		return usage(fmt.Sprintf("the store key is in %s, which Certkeep does not write", cfg.StoreKey),
			"put a new key (`certkeep store key -`) before the old one there, and reload or run `certkeep store seal`")
	}
	if _, err := a.sealedStore(ctx, cfg); err != nil {
		return err
	}
	file, err := filepath.EvalSymlinks(cfg.StoreKey.File)
	if err != nil {
		return err
	}
	path := filepath.Join(cfg.State, "rotate.lock")
	if err := (durable.OS{}).Create(path, nil, durable.Private()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	lock, _, err := durable.TryLock(path)
	if _, others := errors.AsType[*durable.LockedError](err); others {
		return usage("another process changes the store key", "wait until it has ended")
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // it ends with the process at the latest
	return change(ctx, cfg, file)
}

// sealedStore reads how the store is sealed, and that it can be opened.
func (a *app) sealedStore(ctx context.Context, cfg *config.Config) (*plan.KnownSeal, error) {
	s, err := openReader(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.CheckKeys(ctx); err != nil {
		return nil, err
	}
	known, err := s.KnownSeal(ctx)
	if err == nil && known == nil {
		err = usage("the store is not sealed yet", "`certkeep store seal` seals it")
	}
	return known, err
}

// rotate puts a new key into the file, unless one that was put there before has
// not sealed everything yet. A crash after it leaves a file whose first key is
// new, by which the next process that holds the state seals.
func (a *app) rotate(ctx context.Context, cfg *config.Config, file string) error {
	known, err := a.sealedStore(ctx, cfg)
	if err != nil {
		return err
	}
	ring, err := cfg.StoreKeys()
	if err != nil {
		return err
	}
	if known.Key == ring.First() && len(known.Others) == 0 {
		next := seal.NewKey()
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := keyLines(next, "store key "+next.ID()+" of Certkeep")
		lines = fmt.Appendf(lines, "# until %s; it only opens what was sealed before\n", time.Now().UTC().Format(time.DateOnly))
		if err := replaceKeys(file, append(lines, text...)); err != nil {
			return err
		}
	} else {
		a.ui.say("a change to store key %s was begun, and is gone on with", ring.First())
	}
	if err := a.sealNow(ctx, cfg); err != nil {
		return err
	}
	a.ui.say("the former key stands in %s still, for backups that were made before; `certkeep store drop-keys` takes it out", file)
	return nil
}

// dropKeys leaves the first key as the only one in the file.
func (a *app) dropKeys(ctx context.Context, cfg *config.Config, file string) error {
	known, err := a.sealedStore(ctx, cfg)
	if err != nil {
		return err
	}
	ring, err := cfg.StoreKeys()
	if err != nil {
		return err
	}
	if known.Key != ring.First() || len(known.Others) > 0 || len(known.Left) > 0 {
		return usage(fmt.Sprintf("not all secrets of the store are under store key %s yet", ring.First()), "`certkeep store seal` brings them there; `certkeep store status` tells how far it is")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var kept []byte
	first := true
	for line := range bytes.Lines(text) {
		one := bytes.TrimSpace(line)
		if len(one) == 0 || one[0] == '#' {
			if first {
				kept = append(kept, line...)
			}
			continue
		}
		if first {
			kept = append(kept, line...)
		}
		first = false
	}
	if err := replaceKeys(file, kept); err != nil {
		return err
	}
	a.ui.say("%s holds store key %s alone; taken out: %d", file, ring.First(), len(ring.IDs())-1)
	return a.reloadDaemon(ctx, cfg)
}

// replaceKeys writes the file of keys anew, for the owner and mode it has.
func replaceKeys(file string, text []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if _, err := seal.ParseKeys(text); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	attr := durable.Attr{Mode: info.Mode().Perm(), UID: -1, GID: -1}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		attr.UID, attr.GID = int(owner.Uid), int(owner.Gid)
	}
	if err := durable.Write(durable.OS{}, file, text, attr); err != nil {
		return fmt.Errorf("write the store key: %w", err)
	}
	return nil
}
