package sim

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// side is one of the pairs that a certificate installs: that of its first kind
// of key, under the plain names, or that of its second.
type side struct {
	cert   *cert
	second bool
}

// String is under which the judge remembers a side.
func (s side) String() string {
	if s.second {
		return s.cert.name + " (second)"
	}
	return s.cert.name
}

// keyType is the kind of key that a side is to have.
func (s side) keyType() string {
	if s.second {
		return otherKind(s.cert.keyType)
	}
	return s.cert.keyType
}

func otherKind(keyType string) string {
	if keyType == "ecdsa-p256" {
		return "ecdsa-p384"
	}
	return "ecdsa-p256"
}

// sides are the pairs that a certificate has.
func (p *cert) sides() []side {
	if p.second {
		return []side{{p, false}, {p, true}}
	}
	return []side{{p, false}}
}

// keyTypes are the kinds of key that a certificate has, the first one first.
func (p *cert) keyTypes() []string {
	var all []string
	for _, s := range p.sides() {
		all = append(all, s.keyType())
	}
	return all
}

// files are where a side is installed.
func (w *world) files(s side) (chain, key string) {
	p := s.cert
	switch {
	case !s.second:
		return w.chainFile(p), w.keyFile(p)
	case p.spread:
		return filepath.Join(w.root, "out/public", p.name+".second.pem"), filepath.Join(w.root, "out/private", p.name+".second.key")
	}
	folder := filepath.Join(w.root, "out", p.name)
	return filepath.Join(folder, "fullchain."+s.keyType()+".pem"), filepath.Join(folder, "privkey."+s.keyType()+".pem")
}

// fileConfig is what the config says of spread files.
func (w *world) fileConfig(p *cert) string {
	if !p.spread {
		return ""
	}
	var files []string
	for _, s := range p.sides() {
		chain, key := w.files(s)
		for path, content := range map[string]string{key: "key", chain: "fullchain"} {
			files = append(files, fmt.Sprintf("{path: %q, content: %s, key_type: %s}", path, content, s.keyType()))
		}
	}
	var params string
	if p.params {
		files = append(files, fmt.Sprintf("{path: %q, content: [dh-params, ec-params]}", w.paramsFile(p)))
		params = "    dh_params: ffdhe2048\n    ec_params: [secp384r1]\n"
	}
	slices.Sort(files)
	return params + "    files: [" + strings.Join(files, ", ") + "]\n"
}

// forget has a reader look at a certificate's second kind of key as if for the
// first time: it was put into the config, or taken out.
func (j *judge) forget(p *cert) { j.forgetSide(side{p, true}) }

// forgetAll does so with both: the files were taken away.
func (j *judge) forgetAll(p *cert) {
	j.forgetSide(side{p, false})
	j.forgetSide(side{p, true})
}

func (j *judge) forgetSide(side side) {
	s := side.String()
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.shown, s)
	delete(j.before, s)
	delete(j.read, s)
	delete(j.presented, s)
}

// on reports whether a certificate on names is good for one: a wildcard among them
// may cover it, which then is not named beside it.
func on(names []string, name string) bool {
	_, below, _ := strings.Cut(name, ".")
	return slices.Contains(names, name) || slices.Contains(names, "*."+below)
}

// together looks at whether all sides are on the names that are wanted, where
// all has been well for so long that they should be.
func (j *judge) together(p *cert) {
	now := j.world.now()
	j.mu.Lock()
	since := j.bad[p.name]
	if j.badNames[p.name].After(since) {
		since = j.badNames[p.name]
	}
	j.mu.Unlock()
	well := now.Sub(since)
	if p.window != nil && p.window.weekly {
		well -= 3 * 7 * day // it waits for that, and may fail there
	}
	for _, s := range p.sides() {
		seen, there := j.seen(s)
		lacks := slices.DeleteFunc(slices.Clone(p.names), func(name string) bool { return on(seen.names, name) })
		if there && !seen.placeholder && len(lacks) > 0 && well > p.grace(true) {
			j.breach("%s: its %s certificate is not on %q, though all was well for %v", s, s.keyType(), lacks, well)
			j.excuse(p, now)
		}
		if there && !seen.placeholder && seen.keyType != s.keyType() && well > p.grace(true) {
			j.breach("%s: it is a %s certificate, and to be %s, though all was well for %v", s, seen.keyType, s.keyType(), well)
			j.excuse(p, now)
		}
	}
}
