package engine

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/dns"
)

// dnsVariables adds to an entry of `dns` what its variables say: to one for
// RFC 2136 what the config leaves open, and the key; to a command its
// environment.
func dnsVariables(c config.DNS) (_ config.DNS, key *dns.TSIG, env []string, err error) {
	variables, err := c.Variables()
	if err != nil {
		return c, nil, nil, err
	}
	if c.Provider == config.ProviderCommand {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			env = append(env, name+"="+variables[name])
		}
		return c, nil, env, nil
	}
	filled, given, err := c.WithRFC2136(variables)
	if err != nil {
		return c, nil, nil, err
	}
	if given == nil {
		key, err = tsigKey(filled)
		return filled, key, nil, err
	}
	signer, err := dns.NewTSIG(given.Name, given.Algorithm, given.Secret)
	if err != nil {
		return c, nil, nil, fmt.Errorf("%s: %w", c.Environment, err)
	}
	return filled, &signer, nil, nil
}

// UpdateKey reads the key that signs what an entry of `dns` changes. It is nil
// where nothing is signed.
func UpdateKey(c config.DNS) (*dns.TSIG, error) {
	_, key, _, err := dnsVariables(c)
	return key, err
}

// same reports whether a way to write records still is what the config says.
func (w *writer) same(c config.DNS, key *dns.TSIG, env []string) bool {
	return w != nil && reflect.DeepEqual(w.config, c) && reflect.DeepEqual(w.key, key) && slices.Equal(w.env, env)
}
