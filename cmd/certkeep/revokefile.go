package main

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// fileRevocation are the options of `revoke --cert`.
type fileRevocation struct {
	cert, key, issuer string
	reason            plan.RevocationReason
	yes               bool
}

func (o *fileRevocation) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.cert, "cert", "", "revoke the certificate in this `FILE` (PEM), which nothing replaces")
	cmd.Flags().StringVar(&o.key, "key", "", "sign with the certificate's private key in this `FILE`, not by the account")
	cmd.Flags().StringVar(&o.issuer, "issuer", "", "the CA to ask about --cert, as the config names it (default: the first in `defaults`)")
}

// check refuses options that exclude each other.
func (o fileRevocation) check(names []string, first bool) error {
	switch {
	case o.cert == "" && (o.key != "" || o.issuer != ""):
		return usage("--key and --issuer need --cert", "a certificate that is named is revoked by its own issuer")
	case o.cert != "" && len(names) > 0:
		return usage("--cert and names exclude each other", "give one of them")
	case o.cert != "" && first:
		return usage("--cert and --now exclude each other", "nothing replaces the certificate, so it is revoked at once")
	}
	return nil
}

// revoked is what `revoke --cert` prints; see docs/json.md.
type revoked struct {
	Issuer string                `json:"issuer"`
	Serial string                `json:"serial"`
	SHA256 string                `json:"sha256"`
	Names  []string              `json:"names"`
	Reason plan.RevocationReason `json:"reason"`
}

// revokeFile has a certificate revoked that nothing here replaces. The state is
// held only where a former version has the certificate, and is to know.
func (a *app) revokeFile(ctx context.Context, o fileRevocation) error {
	cfg, w, err := a.read(ctx)
	if err != nil {
		return err
	}
	r := engine.FileRevocation{Reason: o.reason}
	var named []string
	if o.issuer != "" {
		named = []string{o.issuer}
	}
	if r.Issuer, err = oneIssuer(cfg, named); err != nil {
		return err
	}
	if r.Certificate, err = certificateFile(o.cert); err != nil {
		return err
	}
	if o.key != "" {
		if r.Key, err = a.keyFile(ctx, o.key); err != nil {
			return err
		}
		if err := r.Certificate.Fits(r.Key.Public()); err != nil {
			return usage(fmt.Sprintf("%s is not the private key of %s", o.key, o.cert), "give the key of the certificate, or none and have the account sign")
		}
	}
	facts := r.Certificate.Facts()
	name, served := whoHas(w, facts, o.reason)
	if served && cfg.Certificate(name) != nil {
		return usage(fmt.Sprintf("%q is served on it", name), fmt.Sprintf("`certkeep revoke --reason %s %s` replaces it, and then has it revoked", o.reason, name))
	}
	question := fmt.Sprintf("%s, serial %s, by %s, valid until %s\nHave %s revoke it? Nothing replaces it.", strings.Join(facts.Names, ", "), facts.Serial, facts.CA, minute(facts.NotAfter), r.Issuer)
	if err := a.ui.confirm(ctx, o.yes, question); err != nil {
		return err
	}
	if name != "" {
		err = a.revokeKept(ctx, cfg, name, r)
	} else {
		err = a.revokeUnknown(ctx, cfg, r)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.ui.printJSON(revoked{r.Issuer, facts.Serial, facts.SHA256, facts.Names, r.Reason})
	}
	a.ui.print(fmt.Sprintf("%s revoked certificate %s (%s)\n", r.Issuer, facts.Serial, r.Reason))
	return nil
}

// whoHas is the name under which a certificate is known, "" for none, and
// whether what is served there would not outlive it: it is the published one,
// or on a key that is said to be compromised.
func whoHas(w plan.World, facts chain.Facts, reason plan.RevocationReason) (name string, served bool) {
	for _, known := range slices.Sorted(maps.Keys(w.Known.Certs)) {
		cert := w.Known.Certs[known]
		for _, v := range cert.Versions {
			for _, p := range v.Pairs {
				is := p.SHA256 == facts.SHA256
				if v.ID == cert.Published && (is || reason == plan.RevokeCompromise && p.Key == facts.SPKI) {
					return known, true
				}
				if is {
					name = known
				}
			}
		}
	}
	return name, false
}

// revokeUnknown needs the config, and the account as it is stored.
func (a *app) revokeUnknown(ctx context.Context, cfg *config.Config, r engine.FileRevocation) error {
	s, err := openReader(ctx, cfg)
	if err != nil {
		return err
	}
	e := engine.New(engine.Options{Store: s, Disk: durable.OS{}, Log: newCommandLog(a.ui, a.getenv, cfg.Log, a.verbose, a.quiet).logger(), UserAgent: userAgent()})
	if err := e.Configure(cfg); err != nil {
		return fmt.Errorf("take over the config: %w", err)
	}
	return e.RevokeFile(ctx, r)
}

// revokeKept revokes what a former version has, and takes note of it.
func (a *app) revokeKept(ctx context.Context, cfg *config.Config, name string, r engine.FileRevocation) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	if state.client != nil {
		return usage(fmt.Sprintf("a former version of %q has the certificate, and the daemon holds the state that is to know of its end", name), "stop the daemon for as long as this takes")
	}
	e, err := a.engine(ctx, cfg, state.store, nil, nil)
	if err != nil {
		return err
	}
	if err := e.RevokeFile(ctx, r); err != nil {
		return err
	}
	return e.NoteRevoked(context.WithoutCancel(ctx), name, r)
}

// certificateFile reads the certificate to revoke: the first one in a file.
func certificateFile(path string) (chain.Chain, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return chain.Chain{}, usage(fmt.Sprintf("read the certificate: %v", err), "")
	}
	var blocks []byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" { // beside which a server's file may have its key
			blocks = append(blocks, pem.EncodeToMemory(block)...)
		}
	}
	certificate, err := chain.Parse(blocks)
	if err != nil {
		return chain.Chain{}, usage(fmt.Sprintf("read the certificate in %s: %v", path, err), "it has to be in PEM")
	}
	if ended := certificate.Leaf().NotAfter; !ended.After(time.Now()) {
		return chain.Chain{}, usage(fmt.Sprintf("the certificate in %s ended on %s, and needs no revocation", path, minute(ended)), "")
	}
	return certificate, nil
}

// keyFile reads a private key, and asks for its passphrase where it has one.
func (a *app) keyFile(ctx context.Context, path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usage(fmt.Sprintf("read the private key: %v", err), "")
	}
	key, err := keys.Parse(text)
	if _, encrypted := errors.AsType[*keys.EncryptedError](err); encrypted {
		passphrase, asked := a.ui.askSecret(ctx, fmt.Sprintf("Passphrase of the private key in %s:", path))
		if asked != nil {
			return nil, usage(fmt.Sprintf("the private key in %s has a passphrase: %v", path, asked), "run it on a terminal, or decrypt the key first")
		}
		key, err = keys.ParseWith(text, passphrase)
	}
	if err != nil {
		return nil, usage(fmt.Sprintf("read the private key in %s: %v", path, err), "")
	}
	return key, nil
}
