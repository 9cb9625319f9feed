package deploy

import (
	"maps"
	"slices"
	"strings"
)

// With is the payload with further fields: variables of the hook under the
// names that are given, as acmebot's hooks have them.
func (p Payload) With(fields ...map[string]string) Payload {
	all := maps.Clone(p.Fields)
	if all == nil {
		all = make(map[string]string)
	}
	for _, more := range fields {
		maps.Copy(all, more)
	}
	p.Fields = all
	return p
}

// variables are the fields as an environment, sorted.
func (p Payload) variables() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		env = append(env, name+"="+p.Fields[name])
	}
	return env
}

// Kind is what acmebot calls a file of such content: private_key, certificate,
// full_certificate and so on. It is "" where acmebot has no such file.
func (f HookFile) Kind() string {
	whole := f.has(PartCertificate) || f.has(PartFullchain)
	params := !slices.ContainsFunc(f.Content, func(p Part) bool { return p != PartDHParams && p != PartECParams })
	switch key := f.has(PartKey); {
	case len(f.Content) == 0:
		return ""
	case key && whole:
		return "full_key"
	case key && len(f.Content) == 1:
		return "private_key"
	case slices.Equal(f.Content, []Part{"backup-key"}):
		return "backup_key"
	case slices.Equal(f.Content, []Part{"previous-key"}):
		return "previous_key"
	case whole && f.has(PartRoot):
		return "full_certificate"
	case whole:
		return "certificate"
	case f.has(PartChain):
		return "chain"
	case params:
		return "params"
	}
	return ""
}

// Algorithm is what acmebot calls the kind of key: rsa or ecdsa.
func (f HookFile) Algorithm() string {
	algorithm, _, _ := strings.Cut(f.KeyType, "-")
	return algorithm
}
