package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/issuer"
)

// tinyOptions are those that acme-tiny has: with --acme-dir, or under its name,
// `issue` does what acme-tiny does.
type tinyOptions struct {
	dir          string
	directoryURL string
	ca           string   // of old: --directory-url without its "/directory"; wins, but for tinyCA
	contact      []string // nil leaves the account's as they are
	port         int
	unchecked    bool
}

func (t *tinyOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.dir, "acme-dir", "", "do as acme-tiny: answer http-01 in this `FOLDER` itself; needs --csr and --account-key")
	f.StringVar(&t.directoryURL, "directory-url", "", "with --acme-dir: `URL` of the CA's directory (default Let's Encrypt)")
	f.StringVar(&t.ca, "ca", "", "with --acme-dir: as --directory-url, without the \"/directory\" at its end")
	f.StringArrayVar(&t.contact, "contact", nil, "with --acme-dir: replace the account's contacts by what follows (`mailto:…`), or remove them")
	f.Lookup("contact").NoOptDefVal = contactsFollow
	f.BoolVar(&t.unchecked, "disable-check", false, "with --acme-dir: have the CA look without looking at the answer before")
	f.IntVar(&t.port, "check-port", 0, "with --acme-dir: `PORT` of the web server in that look (default 80)")
}

// tinyCA is what acme-tiny takes for --ca where it is not given, and so cannot tell
// from that.
const tinyCA = "https://acme-v02.api.letsencrypt.org"

// contactsFollow stands for --contact without "=": what follows are contacts.
const contactsFollow = " "

// given is the first of these options that a command line has, or "".
func (t *tinyOptions) given(cmd *cobra.Command) string {
	for _, name := range []string{"acme-dir", "directory-url", "ca", "contact", "disable-check", "check-port"} {
		if cmd.Flags().Changed(name) {
			return "--" + name
		}
	}
	return ""
}

// asTiny reports whether the program was called by acme-tiny's name.
func asTiny(program string) bool {
	name := strings.TrimSuffix(filepath.Base(program), ".py")
	return name == "acme-tiny" || name == "acme_tiny"
}

// unabbreviated writes acme-tiny's options in full, which may be cut short where it
// is clear which one is meant.
func unabbreviated(args []string) []string {
	full := slices.Clone(args)
	for i, arg := range args {
		given, value, valued := strings.Cut(arg, "=")
		if given == "--" {
			break
		}
		fits := slices.DeleteFunc(tinyNames(), func(name string) bool { return !strings.HasPrefix("--"+name, given) })
		if !strings.HasPrefix(given, "--") || len(fits) != 1 {
			continue
		}
		if full[i] = "--" + fits[0]; valued {
			full[i] += "=" + value
		}
	}
	return full
}

func tinyNames() []string {
	return []string{"account-key", "csr", "acme-dir", "quiet", "disable-check", "directory-url", "ca", "contact", "check-port", "help"}
}

// check finds what cannot be carried out, and takes the contacts from among
// the arguments.
func (t *tinyOptions) check(o onceOptions, rest []string) error {
	for _, f := range [][2]string{{"--account-key", o.accountKey}, {"--csr", o.csr}, {"--acme-dir", t.dir}} {
		if f[1] == "" {
			return usage(f[0]+" is missing", "use it as: acme-tiny --account-key KEY --csr CSR --acme-dir FOLDER")
		}
	}
	if len(rest) > 0 && t.contact == nil {
		return usage(fmt.Sprintf("there is no argument %q", rest[0]), "the names are those of the request; contacts follow --contact")
	}
	if t.contact != nil {
		t.contact = slices.DeleteFunc(slices.Concat(t.contact, rest), func(c string) bool { return c == contactsFollow })
	}
	return nil
}

// tinyRun is one call as acme-tiny. It tells of its progress in acme-tiny's
// words: others read them.
type tinyRun struct {
	ui    *ui
	names []string

	mu      sync.Mutex
	ordered bool
	proving map[string]bool // names that the CA wants proven
}

// issueTiny gets a certificate as acme-tiny does: on the given account key,
// which agrees to the terms, for a request, by a folder that a web server shows.
// No config is read. Whatever goes wrong after the options were understood ends
// with 1, and prints nothing on standard output.
func (a *app) issueTiny(ctx context.Context, o onceOptions, t tinyOptions, rest []string) error {
	if err := t.check(o, rest); err != nil {
		return err
	}
	text, err := a.orderTiny(ctx, o, t)
	if err != nil {
		said := tell(err)
		return &hintedError{code: exitUnexpected, words: strings.Join(said.lines, "\n"), hint: said.remedy, err: err}
	}
	a.ui.print(text)
	return nil
}

func (a *app) orderTiny(ctx context.Context, o onceOptions, t tinyOptions) (string, error) {
	r := &tinyRun{ui: a.ui, proving: make(map[string]bool)}
	r.say("Parsing account key...")
	text, err := os.ReadFile(o.accountKey)
	if err != nil {
		return "", fmt.Errorf("read the account's key: %w", err)
	}
	account, err := parseAccountKey(text)
	if err != nil {
		return "", fmt.Errorf("read the account's key %s: %w", o.accountKey, err)
	}
	r.say("Parsing CSR...")
	cfg, err := t.config(o)
	if err != nil {
		return "", err
	}
	r.names = slices.Sorted(slices.Values(cfg.Certificate(onceName).Names))
	r.say("Found domains: %s", strings.Join(r.names, ", "))
	r.say("Getting directory...")
	once := engine.Once{
		Config: cfg, Certificate: onceName, Account: account, AgreeTerms: func(string, string) error { return nil }, UserAgent: userAgent(),
		Log:   newCommandLog(a.ui, a.getenv, config.Log{}, a.verbose, a.quiet).logger(),
		Stage: r.stage, Contact: t.contact, Registered: r.registered, Updated: r.updated, Proving: r.prover(t),
	}
	pairs, err := engine.IssueOnce(ctx, once)
	if err != nil {
		return "", err
	}
	r.say("Certificate signed!")
	return string(pairs[0].Chain.PEM()), nil
}

// config is one with the options, and with nothing else.
func (t *tinyOptions) config(o onceOptions) (*config.Config, error) {
	if _, err := os.Stat(o.csr); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	folder, err := filepath.Abs(t.dir)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", t.dir, err)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, errors.Join(err, fmt.Errorf("%s is no folder", t.dir))
	}
	o.agreeTerms = true
	if t.ca != "" && t.ca != tinyCA {
		t.directoryURL = t.ca + "/directory"
	}
	if t.directoryURL != "" {
		o.directory = t.directoryURL
	}
	tree := map[string]any{}
	if err := o.change(tree, nil); err != nil {
		return nil, err
	}
	tree["challenges"] = []any{map[string]any{"try": []any{map[string]any{"http-01": map[string]any{"folder": folder}}}}}
	return loadTree(tree, func(config.Warning) {})
}

func (r *tinyRun) say(format string, args ...any) { r.ui.say(format, args...) }

func (r *tinyRun) registered(url string, before bool) {
	word := "Registered!"
	if before {
		word = "Already registered!"
	}
	r.say("%s Account ID: %s", word, url)
}

func (r *tinyRun) updated(contact []string) {
	r.say("Updated contact details:\n%s", strings.Join(contact, "\n"))
}

// stage says in acme-tiny's words how far it has come.
func (r *tinyRun) stage(stage string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch stage {
	case engine.StageAccount:
		r.say("Directory found!")
		r.say("Registering account...")
	case string(issuer.StageOrder):
		r.say("Creating new order...")
	case string(issuer.StageChallenge):
		r.created()
	case string(issuer.StageFinalize):
		r.created()
		for _, name := range r.names {
			if r.proving[name] {
				r.say("%s verified!", name)
			} else {
				r.say("Already verified: %s, skipping...", name)
			}
		}
		r.say("Signing certificate...")
	}
}

// created says once that there is an order. The caller holds mu.
func (r *tinyRun) created() {
	if !r.ordered {
		r.ordered = true
		r.say("Order created!")
	}
}

// prover takes note of the names that are to be proven, and has their answers
// looked at before the CA does. A proxy of the environment is asked, as
// acme-tiny does.
func (r *tinyRun) prover(t tinyOptions) func(challenge.Identifier, challenge.Solver) challenge.Solver {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	return func(name challenge.Identifier, s challenge.Solver) challenge.Solver {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.proving[name.Value] {
			r.proving[name.Value] = true
			r.say("Verifying %s...", name.Value)
		}
		if t.unchecked {
			return s
		}
		return challenge.Checked(s, client, t.port)
	}
}
