package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

const revokeHelp = "Issues new certificates, installs and verifies them, and then has the CA revoke the old\n" +
	"ones; with --now the CA is asked first. The key is a new one unless the config lets keys\n" +
	"outlive certificates: those stay for every reason but keyCompromise.\n" +
	"\n" +
	"What cannot be done yet is done by the next run. While a revocation is under way, asking\n" +
	"again may change its reason and hasten it, and never revokes the replacement. With --reason\n" +
	"keyCompromise every certificate on the key is replaced and revoked, and the key is never\n" +
	"used again; where the next key is ready, it takes its place.\n" +
	"\n" +
	"With --withdraw, which acmebot's configuration implies, every certificate on the key is\n" +
	"revoked at once, its files and TLSA records go away, and the next run issues others, on the\n" +
	"next key where it is ready. NAME may then be that of a key.\n" +
	"\n" +
	"With --cert a certificate is revoked that is served by nothing here, and nothing replaces\n" +
	"it. The account signs, or with --key the certificate's own private key."

func (a *app) revokeCommand() *cobra.Command {
	var file fileRevocation
	var yes, first, withdraw bool
	reason := string(plan.RevokeUnspecified)
	cmd := &cobra.Command{
		Use:   "revoke NAME… | --cert FILE",
		Short: "Replace certificates, then have them revoked",
		Long:  revokeHelp,
		Args: func(cmd *cobra.Command, names []string) error {
			if file.cert != "" {
				return nil
			}
			return atLeast(1, "the name of a certificate")(cmd, names)
		},
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			why, err := revocationReason(reason)
			if err != nil {
				return err
			}
			if err := file.check(names, first); err != nil {
				return err
			}
			if file.cert != "" {
				file.reason, file.yes = why, yes
				return a.revokeFile(cmd.Context(), file)
			}
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			withdraw = withdraw || !cmd.Flags().Changed("withdraw") && cfg.Revoke == config.RevokeWithdraw
			if names, err = ofKeys(cfg, w, names); err != nil {
				return err
			}
			about, err := toRevoke(w, names)
			if err != nil {
				return err
			}
			wished := wish{ask: plan.AskRevoke, names: names, revoke: engine.RevokeWish{Reason: why, First: first, Withdraw: withdraw}}
			if why == plan.RevokeCompromise {
				wished.also = alsoOnKeys(w, cfg, names, about)
			}
			if withdraw {
				wished.withdrawing(cfg, w)
			}
			a.noteAll(notRevoked(w, about))
			if err := a.ui.confirm(cmd.Context(), yes, revokeQuestion(about, wished)); err != nil {
				return err
			}
			return a.converge(cmd.Context(), cfg, wished)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", reason, "`WHY`: "+strings.Join(reasonWords(), ", "))
	cmd.Flags().BoolVar(&first, "now", false, "revoke before the replacement is in place")
	cmd.Flags().BoolVar(&withdraw, "withdraw", false, "revoke at once, and take files and TLSA records away (default: the config's `revoke`)")
	file.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func reasonWords() []string {
	var words []string
	for _, r := range plan.RevocationReasons() {
		words = append(words, string(r))
	}
	return words
}

// revocationReason reads a reason, in whatever case it is written.
func revocationReason(word string) (plan.RevocationReason, error) {
	for _, r := range plan.RevocationReasons() {
		if strings.EqualFold(word, string(r)) {
			return r, nil
		}
	}
	return "", unknownName("reason", word, reasonWords())
}

// toRevoke are the certificates that would be revoked, by name.
func toRevoke(w plan.World, names []string) (map[string][]plan.Pair, error) {
	about := map[string][]plan.Pair{}
	for _, name := range names {
		known := w.Known.Cert(name)
		if known.Damage != "" {
			return nil, usage(fmt.Sprintf("the record of %q cannot be read: %s", name, known.Damage), "look at `certkeep status "+name+"`")
		}
		about[name] = known.ToRevoke(time.Now(), w.Known.Banned)
		if len(about[name]) == 0 {
			return nil, usage(fmt.Sprintf("nothing valid of %q is published that could be revoked", name), "look at `certkeep status "+name+"`")
		}
	}
	return about, nil
}

// noteAll says several things beside the output.
func (a *app) noteAll(lines []string) {
	for _, line := range lines {
		a.ui.note("%s", line)
	}
}

// notRevoked says of certificates whose revocation is under way already that what
// replaced them stays: nobody is to think that it was revoked, too.
func notRevoked(w plan.World, about map[string][]plan.Pair) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(about)) {
		known := w.Known.Cert(name)
		version, _ := known.Version(known.Published)
		for _, p := range version.Pairs {
			among := slices.ContainsFunc(about[name], func(r plan.Pair) bool { return r.SHA256 == p.SHA256 })
			if !among && !p.Revoked && p.NotAfter.After(time.Now()) {
				lines = append(lines, fmt.Sprintf("%s: this is about an earlier certificate, whose revocation is under way; serial %s stays. To have that one revoked as well: certkeep revoke --cert FILE", name, p.Serial))
			}
		}
	}
	return lines
}

// alsoOnKeys are further certificates of the config on the same keys.
func alsoOnKeys(w plan.World, cfg *config.Config, names []string, about map[string][]plan.Pair) []string {
	var keys, also []string
	for _, pairs := range about {
		for _, p := range pairs {
			keys = append(keys, p.Key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Known.Certs)) {
		if !slices.Contains(names, name) && cfg.Certificate(name) != nil && w.Known.Certs[name].OnKeys(time.Now(), keys) {
			also = append(also, name)
		}
	}
	return also
}

// revokeQuestion lists what is about to end.
func revokeQuestion(about map[string][]plan.Pair, w wish) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(about)) {
		for _, p := range about[name] {
			fmt.Fprintf(&b, "%s: %s, serial %s, valid until %s\n", name, p.KeyType, p.Serial, minute(p.NotAfter))
		}
	}
	if len(w.also) > 0 {
		fmt.Fprintf(&b, "on the same key, and revoked too: %s\n", strings.Join(w.also, ", "))
	}
	switch {
	case w.revoke.Withdraw:
		b.WriteString("Revoke them now, and take their files and TLSA records away? The next run brings others.")
	case w.revoke.First:
		b.WriteString("Revoke them now, while they are served?")
	case w.revoke.Reason == plan.RevokeCompromise:
		b.WriteString("Replace them, revoke every certificate on their keys, and ban the keys for ever?")
	default:
		b.WriteString("Replace and revoke them?")
	}
	return b.String()
}

// isBanned reports whether a certificate is on a key that is never used again.
func isBanned(p plan.Pair, banned map[string]plan.Ban) bool {
	_, is := banned[p.Key]
	return is
}
