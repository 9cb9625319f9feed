package config

import (
	"fmt"
)

// Helper is a process of root that installs files, and tells services, for a
// Certkeep that runs as another user: `certkeep helper`.
type Helper struct {
	User   string // that Certkeep runs as; who may ask, besides root. "" where there is no helper
	Socket string // where it is asked
	State  string // folder of its journal and archive: nobody but root may write there
}

// On reports whether files are installed by a helper.
func (h Helper) On() bool { return h.User != "" }

// Where a helper is asked, and keeps what it has to, unless the config says
// otherwise.
const (
	DefaultHelperSocket = "/run/certkeep-helper/socket"
	DefaultHelperState  = "/var/lib/certkeep-helper"
)

// helperKey is the key `helper`.
func helperKey() key[Config] {
	table := either("a table or false", "{user: certkeep}", helperTable(), off(Helper{}, func(h Helper) bool { return !h.On() }))
	return fieldOr("helper", table, func(c *Config) *Helper { return &c.Helper }, Helper{Socket: DefaultHelperSocket, State: DefaultHelperState}, about{
		doc: "A process of root, `certkeep helper`, that installs files and tells services where Certkeep itself runs as another user. It is told names of targets and versions; paths, owners and commands it reads in this configuration, which must be root's then. With `false` Certkeep does it itself.",
	})
}

func helperTable() shape[Helper] {
	s := object("helper", "The process of root that installs files.", []key[Helper]{
		field("user", userName(), func(h *Helper) *string { return &h.User }, about{
			doc: "User that Certkeep runs as: who may ask, besides root. Required.", example: "certkeep",
		}),
		fieldOr("socket", absolute(DefaultHelperSocket), func(h *Helper) *string { return &h.Socket }, DefaultHelperSocket, about{
			doc: "Unix socket where it is asked, in a folder where nobody but root may write.",
		}),
		fieldOr("state", absolute(DefaultHelperState), func(h *Helper) *string { return &h.State }, DefaultHelperState, about{
			doc: "Folder where it keeps which files it wrote, what it is about to do, and what it replaced.",
		}),
	}, func(r *reader, n *node, h *Helper) {
		if h.User == "" && !n.has("user") {
			r.out.add(n.at, "helper has no user", "name the one that Certkeep runs as, for example {user: certkeep}")
		}
	})
	s.kinds = table
	show := s.show
	s.show = func(h Helper) *node {
		if !h.On() {
			return nil
		}
		return show(h)
	}
	return s
}

// finishHelper refuses what a helper cannot do: it talks to nobody, and what
// Certkeep has to read again and again it cannot read for it.
func finishHelper(r *reader, n *node, c *Config) {
	if !c.Helper.On() {
		c.Helper = Helper{}
		return
	}
	const otherwise = "or leave out helper, and run Certkeep as root"
	if liesIn(c.State, c.Helper.State) || liesIn(c.Helper.State, c.State) {
		r.out.add(n.placeOf("helper"), "the helper's state and the state lie in each other", "keep them apart: who writes one must not write the other")
	}
	for _, name := range declaredNames(c.Keys) {
		if len(c.Keys[name].Files) > 0 {
			r.out.add(n.placeOf("keys"), fmt.Sprintf("keys %q have files, which Certkeep reads again and again; with a helper it may not", name), "leave out their files, "+otherwise)
		}
		if c.Keys[name].Passphrase.Ask != "" {
			r.out.add(n.placeOf("keys"), fmt.Sprintf("a person is to be asked for the passphrase of keys %q, and a helper asks nobody", name), "name a passphrase_file, "+otherwise)
		}
	}
	for _, cert := range c.Certificates {
		if cert.Passphrase.Ask != "" {
			r.out.add(n.placeOf("certificates"), fmt.Sprintf("a person is to be asked for the passphrase of certificate %q, and a helper asks nobody", cert.Name), "name a passphrase_file, "+otherwise)
		}
	}
}
