package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// onceName is what the certificate of `issue` is called where a config needs
// a name.
const onceName = "issue"

// onceOptions are the options of `issue`.
type onceOptions struct {
	csr, keyOut, keyType  string
	issuer, directory     string
	roots, email, profile string
	webroot, http, tls    string
	accountKey            string
	agreeTerms            bool
}

func (a *app) issueCommand() *cobra.Command {
	var o onceOptions
	var t tinyOptions
	cmd := &cobra.Command{
		Use:   "issue NAME… --key-out KEY | --csr FILE",
		Short: "Get one certificate, without a config",
		Long: "Orders one certificate and prints its chain (PEM), leaf first, on standard output; nothing\n" +
			"else is printed there, and nothing at all after a failure. Nothing is stored. A config is\n" +
			"not needed; where there is one, its issuers, `dns` and `challenges` count, and options win.\n\n" +
			"With --acme-dir, or when the program is called `acme-tiny`, it takes acme-tiny's options, prints\n" +
			"its progress, and ends with 2 where they are wrong, else with 1 after a failure.",
		Example: "  certkeep issue www.example.com --key-out www.key --agree-terms > www.pem\n" +
			"  certkeep issue --csr www.csr --webroot /var/www/html --account-key account.key > www.pem\n" +
			"  certkeep issue --account-key account.key --csr www.csr --acme-dir /var/www/challenges > www.pem",
		RunE: func(cmd *cobra.Command, names []string) error {
			given := t.given(cmd)
			switch {
			case t.dir != "" || a.tiny:
				return a.issueTiny(cmd.Context(), o, t, names)
			case given != "":
				return usage(given+" needs --acme-dir", "without it, name the CA by --directory, and a contact by --email")
			}
			return a.issue(cmd.Context(), o, names)
		},
	}
	t.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.keyOut, "key-out", "", "write the new private key to this `FILE`")
	f.StringVar(&o.keyType, "key-type", "ecdsa-p256", "kind of the new key")
	f.StringVar(&o.csr, "csr", "", "use the names and the key of this signing request (PKCS#10) `FILE`")
	f.StringVar(&o.issuer, "issuer", "", "name of the CA (default letsencrypt)")
	f.StringVar(&o.directory, "directory", "", "`URL` of the ACME directory of a CA that is not built in")
	f.StringVar(&o.roots, "roots", "", "trust the web server of --directory by the roots in this `FILE`")
	f.StringVar(&o.email, "email", "", "contact for the account")
	f.BoolVar(&o.agreeTerms, "agree-terms", false, "agree to the CA's terms of service")
	f.StringVar(&o.accountKey, "account-key", "", "private key of the account; made when the `FILE` is missing (default: a new one each time)")
	f.StringVar(&o.profile, "profile", "", "certificate profile of the CA")
	f.StringVar(&o.webroot, "webroot", "", "answer http-01 below this `FOLDER` of a web server")
	f.StringVar(&o.http, "http", "", "answer http-01 at this `ADDRESS` (default :80)")
	f.StringVar(&o.tls, "tls", "", "answer tls-alpn-01 at this `ADDRESS`")
	return cmd
}

func (a *app) issue(ctx context.Context, o onceOptions, names []string) error {
	switch {
	case o.csr == "" && len(names) == 0:
		return usage("`certkeep issue` needs a name or --csr", "use it as: certkeep issue NAME… --key-out KEY, or certkeep issue --csr FILE")
	case o.csr != "" && len(names) > 0:
		return usage("--csr and names exclude each other", "the names are those of the request")
	case o.csr != "" && o.keyOut != "":
		return usage("--csr and --key-out exclude each other", "the key is the one that signed the request")
	case o.csr == "" && o.keyOut == "":
		return usage("`certkeep issue` needs --key-out", "name the file that the new private key is written to")
	case o.issuer != "" && o.directory != "":
		return usage("--issuer and --directory exclude each other", "give one of them")
	case o.roots != "" && o.directory == "":
		return usage("--roots needs --directory", "built-in CAs are trusted by the roots of the system")
	}
	if err := o.checkKeyOut(); err != nil {
		return err
	}
	cfg, err := a.onceConfig(o, names)
	if err != nil {
		return err
	}
	accountKey, err := o.account()
	if err != nil {
		return err
	}
	stop := a.ui.startLive()
	step := plan.Step{Kind: plan.KindIssue, Cert: onceName}
	pairs, err := engine.IssueOnce(ctx, engine.Once{
		Config: cfg, Certificate: onceName, Account: accountKey, AgreeTerms: a.agreeTerms(ctx), UserAgent: userAgent(),
		Log: newCommandLog(a.ui, a.getenv, config.Log{}, a.verbose, a.quiet).logger(),
		Stage: func(words string) {
			a.ui.watch(engine.Progress{Time: time.Now(), Cert: onceName, Step: &step, Stage: words})
		},
	})
	stop()
	if err != nil {
		return err
	}
	if o.keyOut != "" {
		if err := writeKey(o.keyOut, pairs[0].Key); err != nil {
			return err
		}
	}
	a.ui.print(string(pairs[0].Chain.PEM()))
	return nil
}

// checkKeyOut refuses to replace a file that is no private key, before a
// certificate is spent.
func (o onceOptions) checkKeyOut() error {
	if o.keyOut == "" {
		return nil
	}
	old, err := os.ReadFile(o.keyOut)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = keys.Parse(old)
	}
	if err != nil {
		return usage(fmt.Sprintf("--key-out: %s is there and no private key", o.keyOut), "name a new file, or one that holds a key to replace")
	}
	return nil
}

func writeKey(path string, key crypto.Signer) error {
	text, err := keys.Marshal(key)
	if err != nil {
		return err
	}
	return durable.Write(durable.OS{}, path, text, durable.Private())
}

// parseAccountKey reads a private key of a kind in which requests to CAs are signed.
func parseAccountKey(text []byte) (crypto.Signer, error) {
	key, err := keys.Parse(text)
	if err != nil {
		return nil, err
	}
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		return key, nil
	}
	return nil, errors.New("the key of an account is RSA or ECDSA, and this one is of another kind")
}

// account reads the account's key, and makes it where it is missing. nil
// leaves it to a key that is forgotten.
func (o onceOptions) account() (crypto.Signer, error) {
	if o.accountKey == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.accountKey)
	if err == nil {
		key, err := parseAccountKey(text)
		if err != nil {
			return nil, usage(fmt.Sprintf("--account-key: %s: %v", o.accountKey, err), "name a PEM file with a private key, or a file that does not exist yet")
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the account's key: %w", err)
	}
	key, err := keys.Generate("ecdsa-p256")
	if err != nil {
		return nil, err
	}
	text, err = keys.Marshal(key)
	if err != nil {
		return nil, err
	}
	return key, createPrivate(o.accountKey, text)
}

// onceConfig makes a config with the one certificate: from the config file
// where there is one, changed by the options. Both forms meet in the config's
// own text, so that everything is checked as if it had been written there.
func (a *app) onceConfig(o onceOptions, names []string) (*config.Config, error) {
	tree := map[string]any{}
	if _, there := a.configFile(); there {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal([]byte(cfg.Show()), &tree); err != nil {
			return nil, fmt.Errorf("read the config's own form: %w", err)
		}
	}
	if err := o.change(tree, names); err != nil {
		return nil, err
	}
	return loadTree(tree, func(w config.Warning) { a.ui.say("%s", w.Words) })
}

// loadTree checks a config that was made of options.
func loadTree(tree map[string]any, warn func(config.Warning)) (*config.Config, error) {
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("make a config of the options: %w", err)
	}
	cfg, warnings, err := config.LoadBytes("", text)
	for _, w := range warnings {
		warn(w)
	}
	if wrong, ok := errors.AsType[config.Errors](err); ok {
		return nil, usage(wrong[0].Words, wrong[0].Hint)
	}
	return cfg, err
}

// change writes the options into the tree of a config.
func (o onceOptions) change(tree map[string]any, names []string) error {
	set := func(key, value string) {
		if value != "" {
			tree[key] = value
		}
	}
	set("email", o.email)
	if o.agreeTerms {
		tree["accept_terms"] = true
	}
	cert := map[string]any{"files": []any{}, "verify": []any{}}
	switch {
	case o.csr != "":
		path, err := filepath.Abs(o.csr)
		if err != nil {
			return fmt.Errorf("find %s: %w", o.csr, err)
		}
		cert["csr"] = map[string]any{"file": path}
	default:
		cert["names"] = names
		cert["key_types"] = []string{o.keyType}
	}
	if o.profile != "" {
		cert["profile"] = o.profile
	}
	if err := o.changeIssuer(tree, cert); err != nil {
		return err
	}
	tree["certificates"] = map[string]any{onceName: cert}
	return o.changeChallenges(tree)
}

func (o onceOptions) changeIssuer(tree, cert map[string]any) error {
	if o.issuer != "" {
		cert["issuer"] = o.issuer
	}
	if o.directory == "" {
		return nil
	}
	issuer := map[string]any{"directory": o.directory}
	if o.roots != "" {
		path, err := filepath.Abs(o.roots)
		if err != nil {
			return fmt.Errorf("find %s: %w", o.roots, err)
		}
		issuer["roots_file"] = path
	}
	issuers, _ := tree["issuers"].(map[string]any)
	if issuers == nil {
		issuers = map[string]any{}
	}
	issuers["given"] = issuer
	tree["issuers"], cert["issuer"] = issuers, "given"
	return nil
}

// changeChallenges makes the ways that the options name the only ones.
func (o onceOptions) changeChallenges(tree map[string]any) error {
	var ways []any
	listen, _ := tree["listen"].(map[string]any)
	if listen == nil {
		listen = map[string]any{}
	}
	if o.webroot != "" {
		path, err := filepath.Abs(o.webroot)
		if err != nil {
			return fmt.Errorf("find %s: %w", o.webroot, err)
		}
		ways = append(ways, map[string]any{"http-01": map[string]any{"webroot": path}})
	}
	if o.http != "" {
		listen["http"] = address(o.http)
		ways = append(ways, map[string]any{"http-01": map[string]any{}})
	}
	if o.tls != "" {
		listen["tls"] = address(o.tls)
		ways = append(ways, map[string]any{"tls-alpn-01": map[string]any{}})
	}
	if len(ways) == 0 {
		return nil
	}
	tree["listen"] = listen
	tree["challenges"] = []any{map[string]any{"try": ways}}
	return nil
}

// address lets a bare port stand for all addresses.
func address(s string) string {
	if !strings.Contains(s, ":") {
		return ":" + s
	}
	return s
}
