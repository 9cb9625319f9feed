package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

func (a *app) rolloverCommand() *cobra.Command {
	var all, yes, force, cancel bool
	cmd := &cobra.Command{
		Use:   "rollover NAME…|--all",
		Short: "Change private keys",
		Long: "Issues certificates on other keys, the ones that were kept ready where there are, then\n" +
			"installs and verifies them. A certificate's name means its key: all certificates on it change\n" +
			"together once each of them is there on the new one, and until then nothing changes. What\n" +
			"cannot be done yet is done by the next run, or given up with --cancel. A change that keys came of\n" +
			"age for is then left for 30 days; one that the config asks for is begun again.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := namesOrAll("rollover", names, all); err != nil {
				return err
			}
			if force && cancel {
				return usage("--force and --cancel exclude each other", "give one of them")
			}
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			if names, err = named(cfg, names); err != nil {
				return err
			}
			if names, err = changeable(cfg, names); err != nil {
				return err
			}
			wished := wish{ask: plan.AskRollover, names: names, also: alsoRolled(cfg, names)}
			var young []youngKey
			switch {
			case cancel:
				wished.version = engine.RolloverCancelled
				return a.converge(cmd.Context(), cfg, wished)
			case force:
				wished.version = engine.RolloverForced
			default:
				young = wished.leaveOut(w)
				if len(wished.names) == 0 {
					return young[0].refused()
				}
			}
			return a.rollover(cmd.Context(), cfg, wished, young, yes)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "change the keys of every certificate of the config")
	cmd.Flags().BoolVar(&force, "force", false, "use the next keys however young they are")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "give up a change that is under way")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// rollover changes keys, once whoever is concerned was told, and says which are
// too young for it.
func (a *app) rollover(ctx context.Context, cfg *config.Config, wished wish, young []youngKey, yes bool) error {
	if len(wished.also) > 0 {
		a.ui.say("on the same keys, and changed with them: %s", strings.Join(wished.also, ", "))
		if err := a.ui.confirm(ctx, yes, "Change the keys of all of them?"); err != nil {
			return err
		}
	}
	for _, y := range young {
		a.ui.note("not changed: %s: %s", strings.Join(y.certs, ", "), y.words())
	}
	if err := a.converge(ctx, cfg, wished); err != nil || len(young) == 0 {
		return err
	}
	return exitWith(exitFailed)
}

// changeable are the certificates whose keys can be changed here: those that
// were named, which have to be, or all that are. Who brings a key of their own
// changes it themselves.
func changeable(cfg *config.Config, names []string) ([]string, error) {
	refused := map[string]error{}
	for _, k := range cfg.Wanted().Keys {
		for _, cert := range k.Certs {
			if k.Provided {
				refused[cert] = usage(fmt.Sprintf("the key of %q is provided by you, and never changed here", cert), "put another key at the path in keys."+k.Name+".files: it is followed")
			}
		}
	}
	for i := range cfg.Certificates {
		if cert := &cfg.Certificates[i]; cert.CSR != nil {
			refused[cert.Name] = usage(fmt.Sprintf("the key of %q is not held here: its csr is given", cert.Name), "make a csr with another key, and name it in the config")
		}
	}
	if _, err := ordered(cfg, names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if refused[name] != nil {
			return nil, refused[name]
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	all, _ := ordered(cfg, nil) // of all there is no error
	all = slices.DeleteFunc(all, func(name string) bool { return refused[name] != nil })
	if len(all) == 0 {
		return nil, usage("no certificate of the config is on a key that can be changed here", "see certkeep status")
	}
	return all, nil
}

// alsoRolled are further certificates on the keys of some.
func alsoRolled(cfg *config.Config, names []string) []string {
	var also []string
	for _, k := range cfg.Wanted().Keys {
		if !slices.ContainsFunc(k.Certs, func(c string) bool { return slices.Contains(names, c) }) {
			continue
		}
		for _, c := range k.Certs {
			if !slices.Contains(names, c) && !slices.Contains(also, c) {
				also = append(also, c)
			}
		}
	}
	return also
}

// youngKey is a next key that may not be used yet: who pinned the keys, or looks
// at their TLSA records, may not have heard of it.
type youngKey struct {
	keys, keyType string
	certs         []string // on the keys
	since, free   time.Time
}

func (y youngKey) words() string {
	return fmt.Sprintf("the next %s key of %s has been ready since %s only; it may be used from %s on", y.keyType, y.keys, minute(y.since), minute(y.free))
}

func (y youngKey) refused() error { return usage(y.words(), "wait until then, or give --force") }

// leaveOut takes the certificates out whose next keys are too young. Those of
// others are not held up by them.
func (w *wish) leaveOut(world plan.World) []youngKey {
	var young []youngKey
	for _, k := range world.Wanted.Keys {
		y, is := tooYoung(k, world.Known.KeysOf(k.Name))
		on := func(cert string) bool { return slices.Contains(k.Certs, cert) }
		if !is || !slices.ContainsFunc(w.names, on) {
			continue
		}
		young = append(young, y)
		w.names = slices.DeleteFunc(slices.Clone(w.names), on)
		w.also = slices.DeleteFunc(slices.Clone(w.also), on)
	}
	return young
}

// tooYoung is the next key that has to wait for longest, if one has to.
func tooYoung(want plan.WantedKeys, known *plan.KnownKeys) (young youngKey, is bool) {
	for _, keyType := range want.KeyTypes {
		next := known.Keys[keyType].Next
		free := next.Made.Add(want.MinBackupAge)
		if next.IsZero() || want.MinBackupAge <= 0 || !free.After(time.Now()) || !free.After(young.free) {
			continue
		}
		young, is = youngKey{keys: want.Name, keyType: keyType, certs: want.Certs, since: next.Made, free: free}, true
	}
	return young, is
}
