package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/store"
)

// acmebot's names of the files of an account, in its resource folder.
const (
	acmebotKey          = "client_key.json"
	acmebotRegistration = "registration.json"
)

// mod_md's names of the key of an account, and of the file that holds the key of
// its store.
const (
	modMDKey   = "account.pem"
	modMDStore = "md_store.json"
)

// The formats of an exported account.
const (
	formatPEM     = "pem"
	formatAcmebot = "acmebot"
)

// registration is acmebot's registration.json, as far as it says anything.
type registration struct {
	Body struct {
		Contact []string `json:"contact,omitempty"`
	} `json:"body"`
	URI   string `json:"uri"`
	Terms string `json:"terms_of_service,omitempty"`
}

func (a *app) accountExportCommand() *cobra.Command {
	out, format := "", formatPEM
	cmd := &cobra.Command{
		Use:   "export [ISSUER] --out FILE",
		Short: "Write an account's private key to a file",
		Long: "Writes the private key of an account to a new file that only its owner may read, or to\n" +
			"standard output with --out -. Whoever has it can act as the account. With --format acmebot\n" +
			"an account with an RSA key is written into a folder, as client_key.json and\n" +
			"registration.json.",
		Args:              atMost(1),
		ValidArgsFunction: a.completeIssuers,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usage("`certkeep account export` needs --out", "name a new file, or - for standard output")
			case format != formatPEM && format != formatAcmebot:
				return unknownName("format", format, []string{formatPEM, formatAcmebot})
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			issuer, err := oneIssuer(cfg, args)
			if err != nil {
				return err
			}
			stored, err := storedAccount(cmd.Context(), cfg, issuer)
			if err != nil {
				return err
			}
			if format == formatAcmebot {
				return exportToAcmebot(stored, out)
			}
			return a.exportPEM(stored, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, - for standard output; with --format acmebot, a folder")
	cmd.Flags().StringVar(&format, "format", format, "`FORMAT`: pem or acmebot")
	return cmd
}

// storedAccount reads an account.
func storedAccount(ctx context.Context, cfg *config.Config, issuer string) (store.Account, error) {
	s, err := openReader(ctx, cfg)
	if err != nil {
		return store.Account{}, err
	}
	stored, err := s.Account(ctx, issuer)
	if errors.Is(err, store.ErrNotFound) {
		return store.Account{}, usage(fmt.Sprintf("no account at %s is stored", issuer), "`certkeep account show` lists those that are")
	}
	return stored, err
}

// exportPEM writes the private key of an account.
func (a *app) exportPEM(stored store.Account, out string) error {
	signer, err := stored.Signer()
	if err != nil {
		return err
	}
	key, err := keys.Marshal(signer)
	if err != nil {
		return err
	}
	if out == "-" {
		a.ui.print(string(key))
		return nil
	}
	return createPrivate(out, key)
}

// exportToAcmebot writes an account as acmebot keeps it. The registration comes
// first: killed in between, acmebot finds no key, and says so.
func exportToAcmebot(stored store.Account, folder string) error {
	signer, err := stored.Signer()
	if err != nil {
		return err
	}
	key, err := keys.MarshalJWK(signer)
	if errors.Is(err, keys.ErrNotRSA) {
		return usage("acmebot reads RSA keys only, and this account has another one", "export it as PEM; acmebot has to register an account of its own")
	}
	if err != nil {
		return err
	}
	var r registration
	r.Body.Contact, r.URI, r.Terms = stored.Contact, stored.URL, stored.Terms
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the registration: %w", err)
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{acmebotRegistration, append(text, '\n')}, {acmebotKey, key}} {
		if err := createPrivate(filepath.Join(folder, file.name), file.data); err != nil {
			return err
		}
	}
	return nil
}

// createPrivate writes a new file that only its owner may read.
func createPrivate(path string, data []byte) error {
	err := (durable.OS{}).Create(path, data, durable.Private())
	switch {
	case errors.Is(err, os.ErrExist):
		return usage(path+" exists", "name a file that does not")
	case errors.Is(err, os.ErrNotExist):
		return usage(filepath.Dir(path)+" does not exist", "make the folder")
	}
	return err
}

func (a *app) accountImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import ISSUER FILE",
		Short: "Take over an account by its private key",
		Long: "Takes over the account that a CA knows by the private key in FILE, from another client or\n" +
			"from `account export`: PEM, or JSON (an RSA key, as acmebot's client_key.json and certbot's\n" +
			"private_key.json). A folder stands for the client_key.json in it, or for mod_md's account.pem,\n" +
			"which is opened by the key of the store that it lies in. An account that is stored already is\n" +
			"put aside.",
		Args: allArgs(atLeast(2, "an issuer and a file"), atMost(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			issuer, err := oneIssuer(cfg, args[:1])
			if err != nil {
				return err
			}
			key, err := readAccountKey(args[1])
			if err != nil {
				return err
			}
			return a.changeAccount(cmd.Context(), cfg, daemon.AccountRequest{Op: daemon.AccountImport, Issuer: issuer, Key: string(key)})
		},
	}
}

// readAccountKey reads the private key of an account in any form, as PEM. What
// a registration beside it says is not needed: the CA says which account it is.
func readAccountKey(path string) ([]byte, error) {
	const hint = "name a file with a private key, in PEM or as acmebot's client_key.json"
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		folder := path
		path = filepath.Join(folder, acmebotKey)
		if _, err := os.Stat(filepath.Join(folder, modMDKey)); err == nil {
			path = filepath.Join(folder, modMDKey)
		}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(path) == acmebotKey {
		return nil, usage("the account's key: "+err.Error(), "acmebot keeps it in its resource folder, /var/local/acmebot")
	}
	if err != nil {
		return nil, usage("the account's key: "+err.Error(), hint)
	}
	parse := keys.Parse
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		parse = keys.ParseJWK
	}
	key, err := parse(text)
	if _, encrypted := errors.AsType[*keys.EncryptedError](err); encrypted && filepath.Base(path) == modMDKey {
		return openModMDKey(path, text)
	}
	if err != nil {
		return nil, usage(fmt.Sprintf("%s: %v", path, err), hint)
	}
	return keys.Marshal(key)
}

// openModMDKey opens the key of an account in a store of mod_md,
// STORE/accounts/ACCOUNT/account.pem, which is under the key of the store.
func openModMDKey(path string, text []byte) ([]byte, error) {
	const hint = "leave the account where mod_md keeps it, in STORE/accounts, or copy the store as a whole"
	at := filepath.Join(filepath.Dir(path), "..", "..", modMDStore)
	written, err := os.ReadFile(at)
	if err != nil {
		return nil, usage(path+" is under the key of mod_md's store: "+err.Error(), hint)
	}
	var stored struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(written, &stored); err != nil {
		return nil, usage(at+" is not as mod_md writes it", hint) // the error might quote the key
	}
	passphrase, err := base64.RawURLEncoding.DecodeString(stored.Key)
	if err != nil || len(passphrase) == 0 {
		return nil, usage(at+" holds no key of the store", hint)
	}
	key, err := keys.ParseWith(text, passphrase)
	if err != nil {
		return nil, usage(fmt.Sprintf("%s, with the key in %s: %v", path, at, err), hint)
	}
	return keys.Marshal(key)
}
