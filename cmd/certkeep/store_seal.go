package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store"
)

func (a *app) storeSealCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "seal",
		Short: "Seal every secret of the store under the store key, now",
		Long: "Brings private keys, accounts and copies of replaced files under the store key that the\n" +
			"config names. What is new is sealed at once in any case; a daemon and `certkeep apply` see\n" +
			"to the rest by themselves. Killed at any point, it goes on where it was. Blocks of the disk\n" +
			"on which secrets were in the clear before are not wiped.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if !cfg.Sealed() {
				return usage("no store key is configured", "make one (`certkeep store key FILE`), and name it by store_key_file")
			}
			return a.sealNow(cmd.Context(), cfg)
		},
	}
}

// sealNow has every secret sealed, here or by the daemon, and tells how it went.
func (a *app) sealNow(ctx context.Context, cfg *config.Config) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	if state.client == nil {
		report, err := state.store.Seal(ctx, a.sealing())
		if err != nil {
			return err
		}
		return a.tellSealed(report)
	}
	a.ui.say("a daemon holds the state, and seals")
	return a.sealThere(ctx, cfg, state.client)
}

// sealing shows how far it is, every few seconds.
func (a *app) sealing() func(done, all int) {
	last := time.Now()
	return func(done, all int) {
		if time.Since(last) > 3*time.Second {
			last = time.Now()
			a.ui.say("%d of %d", done, all)
		}
	}
}

// tellSealed says what became of it.
func (a *app) tellSealed(r store.SealReport) error {
	words := fmt.Sprintf("all %d secrets of the store are under store key %s", r.All, r.Key)
	if r.Key == "" {
		words = fmt.Sprintf("all %d secrets of the store are in the clear, and the store key is needed no more", r.All)
	}
	if len(r.Left) == 0 {
		a.ui.say("%s; %d were changed", words, r.Changed)
		return nil
	}
	a.ui.say("%d of %d secrets stay as they are:", len(r.Left), r.All)
	for _, left := range r.Left {
		a.ui.say("  %s", left)
	}
	return exitWith(exitFailed)
}

// sealThere has the daemon read the store key again, and waits until it has
// sealed everything.
func (a *app) sealThere(ctx context.Context, cfg *config.Config, client *daemon.Client) error {
	ring, err := cfg.StoreKeys()
	if err != nil {
		return err
	}
	if err := client.Reload(ctx); err != nil {
		return err
	}
	s, err := openReader(ctx, cfg)
	if err != nil {
		return err
	}
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		known, err := s.KnownSeal(ctx)
		if err != nil {
			return err
		}
		if known != nil && known.Key == ring.First() && (len(known.Others) == 0 || len(known.Left) > 0) {
			all, err := s.Seals(ctx)
			if err != nil {
				return err
			}
			return a.tellSealed(store.SealReport{Key: known.Key, All: all[known.Key], Changed: all[known.Key], Left: known.Left})
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reloadDaemon has a daemon, if there is one, read its config and store key
// again.
func (a *app) reloadDaemon(ctx context.Context, cfg *config.Config) error {
	client, err := daemon.Dial(ctx, cfg.State)
	if errors.Is(err, daemon.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(client.Reload(ctx), client.Close())
}

func (a *app) storeUnsealCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "unseal --key-file FILE",
		Short: "Take every secret of the store out of its seal",
		Long: "Leaves all secrets of the store in the clear, guarded by the permissions of the state folder\n" +
			"alone. Take the store key out of the config first, and end the daemon; the key is read from\n" +
			"FILE. Killed at any point, it goes on where it was.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if file == "" {
				return usage("`certkeep store unseal` needs --key-file", "name the file that holds the store key")
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if cfg.Sealed() {
				return usage("the config names a store key, by which all would be sealed again", "take store_key_file or its like out of the config first")
			}
			path, err := filepath.Abs(file)
			if err != nil {
				return err
			}
			cfg.StoreKey = config.SecretRef{File: path}
			s, err := store.OpenSealed(cmd.Context(), store.Options{Path: cfg.State, Disk: durable.OS{}, Node: cfg.Node, Mode: store.Holder, Keys: cfg.StoreKeys, Unseal: true})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			known, err := s.KnownSeal(cmd.Context())
			if err != nil {
				return err
			}
			if known == nil {
				return usage("the store is not sealed", "nothing is to be done")
			}
			report, err := s.Seal(cmd.Context(), a.sealing())
			if err != nil {
				return err
			}
			return a.tellSealed(report)
		},
	}
	cmd.Flags().StringVar(&file, "key-file", "", "`FILE` that holds the store key")
	return cmd
}

// storeStatus is what `store status` prints; see docs/json.md.
type storeStatus struct {
	Sealed  bool           `json:"sealed"`
	Key     string         `json:"key,omitempty"`
	Since   time.Time      `json:"since,omitzero"`
	Others  []string       `json:"others"`
	Left    []string       `json:"left"`
	Keys    []string       `json:"keys"`
	Secrets []secretsUnder `json:"secrets"`
}

// secretsUnder is how many secrets are under one key.
type secretsUnder struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
}

func (a *app) storeStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show under which store keys secrets are",
		Long:  "Shows whether the store is sealed, under which key, and how many secrets are under which.\nNo secret is opened for it.",
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, s, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			known, err := s.KnownSeal(cmd.Context())
			if err != nil {
				return err
			}
			count, err := s.Seals(cmd.Context())
			if err != nil {
				return err
			}
			st := storeStatus{Others: []string{}, Left: []string{}, Keys: []string{}, Secrets: []secretsUnder{}}
			if known != nil {
				st.Sealed, st.Key, st.Since = known.Key != "" && len(known.Others) == 0 && len(known.Left) == 0, known.Key, known.Since
				st.Others, st.Left = append(st.Others, known.Others...), append(st.Left, known.Left...)
			}
			if ring, err := cfg.StoreKeys(); err != nil {
				a.ui.say("%s %v", a.ui.painter(a.ui.stderr)(yellow, "warning:"), err)
			} else {
				st.Keys = append(st.Keys, ring.IDs()...)
			}
			for _, id := range slices.Sorted(maps.Keys(count)) {
				st.Secrets = append(st.Secrets, secretsUnder{id, count[id]})
			}
			if a.json {
				return a.ui.printJSON(st)
			}
			a.ui.print(st.text(cfg))
			return nil
		},
	}
}

// text is the status for people.
func (s storeStatus) text(cfg *config.Config) string {
	var b strings.Builder
	switch {
	case s.Key == "" && len(s.Others) == 0:
		b.WriteString("not sealed\n")
	case s.Key == "":
		fmt.Fprintf(&b, "being taken out of its seal; store key %s is still needed\n", strings.Join(s.Others, ", "))
	case len(s.Others) > 0:
		fmt.Fprintf(&b, "being sealed under store key %s, since %s\n", s.Key, s.Since.Format(time.DateOnly))
	default:
		fmt.Fprintf(&b, "sealed under store key %s, since %s\n", s.Key, s.Since.Format(time.DateOnly))
	}
	for _, u := range s.Secrets {
		words := "under " + u.Key
		switch {
		case u.Key == "none":
			words = "in the clear"
		case u.Key == "unreadable":
			words = "in records that cannot be read"
		case !slices.Contains(s.Keys, u.Key):
			words += ", which is not at hand"
		}
		fmt.Fprintf(&b, "%6d %s\n", u.Count, words)
	}
	for _, left := range s.Left {
		fmt.Fprintf(&b, "stays as it is: %s\n", left)
	}
	if len(s.Keys) > 0 {
		fmt.Fprintf(&b, "keys at hand: %s (%s)\n", strings.Join(s.Keys, ", "), cfg.StoreKey)
	}
	return b.String()
}

func (a *app) storeOpenCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "open FILE --out FILE",
		Short: "Write a sealed file of the state folder in the clear",
		Long: "Copies of files that an installation replaced (STATE/archive), and damaged records of\n" +
			"accounts that were put aside, are sealed as whole files. This writes one of them to a new\n" +
			"file that only its owner may read, or to standard output with --out -.",
		Args: allArgs(atLeast(1, "a file below the state folder"), atMost(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("`certkeep store open` needs --out", "name a new file, or - for standard output")
			}
			_, s, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil && !seal.IsFile(text) {
				err = usage(path+" is not sealed", "read it as it is")
			}
			if err == nil {
				text, err = s.OpenFile(path, text)
			}
			if err != nil {
				return err
			}
			if out == "-" {
				a.ui.print(string(text))
				return nil
			}
			return createPrivate(out, text)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, - for standard output")
	return cmd
}
