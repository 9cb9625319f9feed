package config

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"

	programs "github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/keystore"
	"github.com/certkeep/certkeep/internal/service"
)

// mark remembers where something stands, for Check.
func (r *reader) mark(what string, n *node) {
	if r.cfg.marks == nil {
		r.cfg.marks = make(map[string]Finding)
	}
	r.cfg.marks[what] = r.out.finding(n.at, "", "")
}

// FindingAt is a finding about a part of the configuration, such as "dns.main".
func (c *Config) FindingAt(what, words, hint string) Finding {
	f := c.marks[what]
	f.Words, f.Hint = what+": "+words, hint
	return f
}

// Check looks at the files that a configuration speaks of: secrets have to be
// readable, and nobody else may write the programs that are run. Load does
// not do that, so that one missing file does not stop all certificates.
func (c *Config) Check() Errors {
	k := checker{cfg: c}
	k.checkStoreKey()
	for _, name := range slices.Sorted(maps.Keys(c.Issuers)) {
		i := c.Issuers[name]
		if i.EAB != nil {
			k.secret("issuers."+name, i.EAB.HMAC)
		}
		k.readable("issuers."+name, i.RootsFile)
	}
	k.readable("ct_logs", c.CTLogs.List)
	k.secretFile("listen.status", c.Listen.Status.Token)
	for _, name := range slices.Sorted(maps.Keys(c.DNS)) {
		k.readable("dns."+name, c.DNS[name].TSIGFile) // who may read it is for `doctor` to say
		k.variables("dns."+name, c.DNS[name])
		k.program("dns."+name, c.DNS[name].Command.Args, "")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		for _, a := range slices.Concat(s.Status, s.Check, s.Reload) {
			k.service("services."+name, a)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		k.hook("hooks."+name, c.Hooks[name])
	}
	k.manual(c.Challenges)
	k.checkNotify(c.Notify)
	for _, cert := range c.Certificates {
		if cert.CSR != nil && !k.leftToHelper(SecretRef{File: cert.CSR.KeyFile}) {
			k.secretFile("certificates."+cert.Name+".csr", cert.CSR.KeyFile)
		}
		for _, s := range cert.Static {
			k.readable("certificates."+cert.Name+".static", s.Certificate)
			k.secretFile("certificates."+cert.Name+".static", s.Key)
		}
		if cert.Passphrase.Secret.File != "" && !k.leftToHelper(cert.Passphrase.Secret) {
			what := "certificates." + cert.Name + ".passphrase"
			if _, err := cert.Passphrase.Read(); err != nil {
				k.add(what, err.Error())
			}
			k.exposed(what, cert.Passphrase.Secret)
		}
		for _, event := range slices.Sorted(maps.Keys(cert.Hooks)) {
			k.hook("certificates."+cert.Name+".hooks."+event, cert.Hooks[event])
		}
		k.manual(cert.Challenges)
		k.unreadableRoots(&cert)
		for _, f := range cert.Files {
			k.password("certificates."+cert.Name+".files", f)
		}
	}
	slices.SortStableFunc(k.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(k.found)
}

// password looks whether a key store can have its password.
func (k *checker) password(what string, f File) {
	if f.Password.IsZero() || len(f.Content) != 1 || k.leftToHelper(f.Password) {
		return
	}
	text, err := f.Password.Read()
	if err == nil {
		err = keystore.CheckPassword(keystore.Format(f.Content[0]), string(text))
	}
	if err != nil {
		k.add(what, err.Error())
	}
	k.exposed(what, f.Password)
}

// leftToHelper reports whether this user may not read a secret that files are
// made with, and need not, since a helper makes them.
func (k *checker) leftToHelper(s SecretRef) bool {
	if !k.cfg.Helper.On() || s.File == "" {
		return false
	}
	_, err := s.Read()
	return errors.Is(err, fs.ErrPermission)
}

type checker struct {
	cfg   *Config
	found Errors
}

// add records a finding at the place that was marked.
func (k *checker) add(what, words string) {
	k.found = append(k.found, k.cfg.FindingAt(what, words, ""))
}

// readable reports a file that cannot be read.
func (k *checker) readable(what, path string) {
	if path == "" {
		return
	}
	if _, err := readBounded(path, maxFile); err != nil {
		k.add(what, err.Error())
	}
}

func (k *checker) service(what string, a service.Action) {
	if _, configured := k.cfg.marks[what]; configured {
		k.program(what, a.Args, "")
	}
}

// hook reports programs of a hook that others may write, and a folder of them
// that is not there.
func (k *checker) hook(what string, h Hook) {
	k.program(what, h.Command.Args, h.User)
	programs, err := programs.InFolder(h.Directory)
	if err != nil {
		k.add(what, err.Error())
	}
	for _, program := range programs {
		k.program(what, []string{program}, h.User)
	}
}

// program reports a program that others may write, see the package command.
func (k *checker) program(what string, args []string, user string) {
	err := programs.Command{Args: args, User: user}.Trusted()
	if untrusted, ok := errors.AsType[*programs.UntrustedError](err); ok {
		k.add(what, untrusted.Path+" "+untrusted.Words)
		k.found[len(k.found)-1].Hint = untrusted.Hint
	} else if err != nil {
		k.add(what, err.Error())
	}
}
