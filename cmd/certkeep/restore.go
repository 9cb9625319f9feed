package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// heldVersions are what `restore NAME` prints; see docs/json.md.
type heldVersions struct {
	Certificate string        `json:"certificate"`
	Held        bool          `json:"held"`
	Versions    []heldVersion `json:"versions"`
}

type heldVersion struct {
	ID         string     `json:"id"`
	Created    time.Time  `json:"created"`
	Published  bool       `json:"published"`
	Adopted    bool       `json:"adopted"`
	NotAfter   time.Time  `json:"not_after,omitzero"`
	Restorable bool       `json:"restorable"`
	WhyNot     string     `json:"why_not,omitempty"`
	Pairs      []heldPair `json:"pairs"`
}

type heldPair struct {
	KeyType  string    `json:"key_type"`
	Issuer   string    `json:"issuer,omitempty"`
	NotAfter time.Time `json:"not_after"`
	Serial   string    `json:"serial"`
	SHA256   string    `json:"sha256"`
	Names    []string  `json:"names"`
}

func (a *app) restoreCommand() *cobra.Command {
	release := false
	cmd := &cobra.Command{
		Use:   "restore NAME [VERSION]",
		Short: "List kept versions, or go back to one",
		Long: "Without a version it lists those that are kept. With one it installs it and holds it until\n" +
			"it is due, or until --release. Versions that have ended, were revoked or cannot be read\n" +
			"are refused, and those on former keys where the files of shared keys are written with the\n" +
			"certificate's own: all certificates on them would have to go back.",
		Args:              allArgs(atLeast(1, "the name of a certificate"), atMost(2)),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if release && len(args) > 1 {
				return usage("--release and a version exclude each other", "give one of them")
			}
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			name, err := single(cfg, args[0], "versions are kept of each certificate")
			if err != nil {
				return err
			}
			held := listVersions(time.Now(), name, w)
			switch {
			case release && !held.Held:
				return usage(fmt.Sprintf("no version of %q is held", name), "look at `certkeep status "+name+"`")
			case release:
				return a.converge(cmd.Context(), cfg, wish{ask: plan.AskRelease, names: []string{name}})
			case len(args) == 1:
				return a.showVersions(held)
			}
			if err := restorable(held, args[1]); err != nil {
				return err
			}
			return a.restore(cmd, cfg, name, args[1])
		},
	}
	cmd.Flags().BoolVar(&release, "release", false, "end the hold: go on as if nothing had been restored")
	return cmd
}

func (a *app) restore(cmd *cobra.Command, cfg *config.Config, name, version string) error {
	return a.converge(cmd.Context(), cfg, wish{ask: plan.AskRestore, names: []string{name}, version: version})
}

// listVersions gathers the versions that are kept, newest first.
func listVersions(now time.Time, name string, w plan.World) heldVersions {
	known := w.Known.Cert(name)
	all := heldVersions{Certificate: name, Held: known.Held, Versions: []heldVersion{}}
	for _, v := range slices.Backward(known.Versions) {
		h := heldVersion{
			ID: v.ID, Created: v.Created.UTC(), Published: v.ID == known.Published, Adopted: v.Adopted,
			NotAfter: v.NotAfter().UTC(), WhyNot: cmp.Or(whyNot(now, v, known, w.Known.Banned), offKeys(w, name, v)), Pairs: []heldPair{},
		}
		h.Restorable = h.WhyNot == ""
		for _, p := range v.Pairs {
			names := p.Request.Names
			if names == nil {
				names = []string{}
			}
			h.Pairs = append(h.Pairs, heldPair{p.KeyType, p.Issuer, p.NotAfter.UTC(), p.Serial, p.SHA256, names})
		}
		all.Versions = append(all.Versions, h)
	}
	return all
}

// whyNot says why a version must not be served; "" when it may.
func whyNot(now time.Time, v plan.Version, known *plan.KnownCert, banned map[string]plan.Ban) string {
	switch {
	case len(v.Pairs) == 0:
		return "it holds no certificate"
	case v.Broken != "":
		return v.Broken
	case !v.NotAfter().After(now):
		return "it ended " + minute(v.NotAfter())
	case slices.ContainsFunc(v.Pairs, func(p plan.Pair) bool { return p.Revoked }):
		return "it was revoked"
	case slices.ContainsFunc(v.Pairs, func(p plan.Pair) bool { return isBanned(p, banned) }):
		return "its key was said to be compromised"
	case slices.ContainsFunc(v.Pairs, known.IsToBeRevoked):
		return "it is to be revoked"
	}
	return ""
}

// offKeys says that a version is on keys beside whose files it cannot be served;
// "" when it is not.
func offKeys(w plan.World, name string, v plan.Version) string {
	i := slices.IndexFunc(w.Wanted.Certs, func(c plan.WantedCert) bool { return c.Name == name })
	if i < 0 || !plan.OffKeys(w.Wanted.Certs[i], w.Known.KeysOf(w.Wanted.Certs[i].Keys), v) {
		return ""
	}
	return fmt.Sprintf("it is not on the keys %q as they are now, and its files are written with theirs", w.Wanted.Certs[i].Keys)
}

// restorable checks the version that a command line names.
func restorable(held heldVersions, id string) error {
	ids := make([]string, 0, len(held.Versions))
	for _, v := range held.Versions {
		if v.ID == id && !v.Restorable {
			return usage(fmt.Sprintf("version %s of %q cannot be restored: %s", id, held.Certificate, v.WhyNot), "`certkeep restore "+held.Certificate+"` lists those that can")
		}
		if v.ID == id {
			return nil
		}
		ids = append(ids, v.ID)
	}
	return unknownName("kept version of "+held.Certificate, id, ids)
}

func (a *app) showVersions(held heldVersions) error {
	if a.json {
		return a.ui.printJSON(held)
	}
	if len(held.Versions) == 0 {
		a.ui.print("no version of " + held.Certificate + " is kept")
		return nil
	}
	rows := make([][]string, 0, len(held.Versions))
	for _, v := range held.Versions {
		var notes []string
		if v.Published && held.Held {
			notes = append(notes, "published, held")
		} else if v.Published {
			notes = append(notes, "published")
		}
		if v.Adopted {
			notes = append(notes, "adopted")
		}
		if !v.Restorable {
			notes = append(notes, "not restorable: "+v.WhyNot)
		}
		rows = append(rows, []string{v.ID, minute(v.Created), "until " + minute(v.NotAfter), strings.Join(notes, ", ")})
	}
	a.ui.print(table(rows))
	return nil
}
