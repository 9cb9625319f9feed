package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// ofKeys puts the certificates on a key in the place of its name, as far as
// they can be revoked. Other names have to be those of certificates that are
// ordered here.
func ofKeys(cfg *config.Config, w plan.World, names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		i := slices.IndexFunc(w.Wanted.Keys, func(k plan.WantedKeys) bool { return k.Name == name })
		if cfg.Certificate(name) != nil || i < 0 {
			all = append(all, name)
			continue
		}
		on := slices.DeleteFunc(slices.Clone(w.Wanted.Keys[i].Certs), func(cert string) bool {
			return !revocable(w, cert)
		})
		if len(on) == 0 {
			return nil, usage(fmt.Sprintf("nothing valid on the key %q is published that could be revoked", name), "look at `certkeep status`")
		}
		all = append(all, on...)
	}
	all, err := named(cfg, all)
	if err != nil {
		return nil, err
	}
	_, err = ordered(cfg, all)
	return all, err
}

// revocable reports whether something of a certificate is left to revoke.
func revocable(w plan.World, cert string) bool {
	return len(w.Known.Cert(cert).ToRevoke(time.Now(), w.Known.Banned)) > 0
}

// withdrawing has a revocation reach all certificates on the keys, and do
// nothing else: what takes the place of what is withdrawn comes with the next
// run, as acmebot's.
func (w *wish) withdrawing(cfg *config.Config, world plan.World) {
	for _, cert := range alsoRolled(cfg, w.names) {
		if !slices.Contains(w.also, cert) && revocable(world, cert) {
			w.also = append(w.also, cert)
		}
	}
	w.only.Kinds = []plan.Kind{plan.KindRevoke, plan.KindWithdraw, plan.KindLookTLSA, plan.KindTLSA, plan.KindHook, plan.KindAnswer}
}
