package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// DefaultHookTimeout bounds a hook that sets no time of its own.
const DefaultHookTimeout = 2 * time.Minute

// Hook is an administrator's program that is run at an event.
type Hook struct {
	Event string
	Args  []string // the program, then its exact arguments
	Shell string   // instead of Args: text for /bin/sh -c
	// Directory holds programs that are run before, in the order of their
	// names; "" is none.
	Directory string
	User      string // "" is the running user
	Timeout   time.Duration
	// Arguments adds the event, as mod_md calls it, and the certificate's name to Args.
	Arguments bool
}

// Payload is what a hook is told: as JSON on its stdin, and as the variables
// that hooks of certbot and lego expect. It holds no secret.
type Payload struct {
	Event       string         `json:"event"`
	At          time.Time      `json:"at"`
	Certificate string         `json:"certificate"`
	Names       []string       `json:"names,omitempty"`
	Target      string         `json:"target,omitempty"`
	Version     string         `json:"version,omitempty"`
	Issuer      string         `json:"issuer,omitempty"`
	NotAfter    time.Time      `json:"not_after,omitzero"`
	Lineage     string         `json:"lineage,omitempty"` // folder of the files, where the layout makes one
	Files       []HookFile     `json:"files,omitempty"`
	Services    []string       `json:"services,omitempty"`
	Challenge   *HookChallenge `json:"challenge,omitempty"`
	Fault       *plan.Fault    `json:"fault,omitempty"`
	Attempt     int            `json:"attempt,omitempty"` // a hook may be run again for the same event

	Fields map[string]string `json:"fields,omitempty"` // of acmebot's events; variables under these names
}

// HookFile is an installed file.
type HookFile struct {
	Path    string `json:"path"`
	Content []Part `json:"content"`
	KeyType string `json:"key_type"`
}

// HookChallenge is a challenge that is being answered.
type HookChallenge struct {
	Type       string `json:"type"`
	Domain     string `json:"domain"`
	Token      string `json:"token"`
	Validation string `json:"validation"` // content of the file or of the TXT record
}

// HookFiles lists a target's files for a Payload.
func (t Target) HookFiles() ([]HookFile, error) {
	s, err := t.shape(t.KeyTypes)
	if err != nil {
		return nil, err
	}
	var files []HookFile
	for _, slot := range s.slots {
		files = append(files, HookFile{Path: slot.name, Content: slot.parts, KeyType: slot.keyType})
	}
	return files, nil
}

// HookError is a hook that did not succeed.
type HookError struct {
	Event    string
	Program  string
	Missing  bool // it could not be started
	TimedOut bool // it hung, and was ended
	Code     int  // its exit status, else -1
	Said     []string
	Err      error
}

// Error says which hook failed and how.
func (e *HookError) Error() string {
	switch {
	case e.TimedOut:
		return fmt.Sprintf("hook %s (%s): it hung and was ended", e.Event, e.Program)
	case e.Code >= 0:
		return fmt.Sprintf("hook %s (%s): it ended with exit status %d", e.Event, e.Program, e.Code)
	default:
		return fmt.Sprintf("hook %s (%s): %v", e.Event, e.Program, e.Err)
	}
}

// Unwrap returns what went wrong.
func (e *HookError) Unwrap() error { return e.Err }

// Veto reports whether the hook itself said no, with exit status 1. One that
// is missing or hangs says nothing.
func (e *HookError) Veto() bool { return e.Code == 1 && !e.TimedOut && !e.Missing }

// Fault is the failure as a fact.
func (e *HookError) Fault(at time.Time) plan.Fault {
	return plan.Fault{Code: plan.CodeHook, Blame: plan.BlameAdmin, Words: e.Error(), Detail: e.Said, At: at}
}

// Run runs a hook and waits for it: the programs in its folder, each whatever
// became of the others, then its own unless that was among them. The error, a
// *HookError, is of the first that failed. It may be run again for the same
// event: a crash can hide that it succeeded.
func Run(ctx context.Context, h Hook, p Payload) error {
	programs, err := command.InFolder(h.Directory)
	if err != nil {
		err = &HookError{Event: h.Event, Program: h.Directory, Code: -1, Missing: true, Err: err}
	}
	keep := func(failed error) {
		if err == nil {
			err = failed
		}
	}
	for _, program := range programs {
		one := h
		one.Args, one.Shell = []string{program}, ""
		keep(runProgram(ctx, one, p))
	}
	ran := len(h.Args) == 1 && slices.Contains(programs, h.Args[0])
	if h.Directory == "" || !ran && (len(h.Args) > 0 || h.Shell != "") {
		keep(runProgram(ctx, h, p))
	}
	return err
}

// runProgram runs a hook's own program. Its environment holds PATH and what the
// payload says, nothing of ours. One that others may write is not run: they
// would run as we do. The error is a *HookError.
func runProgram(ctx context.Context, h Hook, p Payload) error {
	if h.Timeout <= 0 {
		h.Timeout = DefaultHookTimeout
	}
	stdin, err := json.Marshal(p)
	if err != nil {
		return &HookError{Event: h.Event, Code: -1, Err: err}
	}
	c := command.Command{
		Args: h.Args, Shell: h.Shell, User: h.User, Timeout: h.Timeout,
		Env: p.environment(), Stdin: append(stdin, '\n'),
	}
	if h.Arguments {
		c = c.With(p.reason(), p.Certificate)
	}
	var result command.Result
	if err = c.Trusted(); err == nil {
		result, err = command.Run(ctx, c)
	}
	if err == nil {
		return nil
	}
	e := &HookError{Event: h.Event, Program: c.Name(), Code: -1, Missing: true, Err: err}
	if failed, ok := errors.AsType[*command.Error](err); ok {
		e.TimedOut, e.Code = failed.TimedOut, failed.Code
		e.Missing = failed.Code < 0 && !failed.TimedOut && ctx.Err() == nil
	}
	if e.TimedOut {
		e.Code = -1
	}
	e.Said = command.Tail(slices.Concat(result.Stdout, result.Stderr), 10, 500)
	return e
}

// reason is the event as mod_md calls it.
func (p Payload) reason() string {
	if c := p.Challenge; c != nil {
		return p.Event + ":" + c.Type + ":" + c.Domain
	}
	var code plan.Code
	if p.Fault != nil {
		code = p.Fault.Code
	}
	return plan.OldReason(p.Event, code)
}

// environment are the payload's variables. Those that have no value are left
// out, so that a script can tell.
func (p Payload) environment() []string {
	plain := p.file(func(f HookFile) bool { return !f.has(PartKey) && (f.has(PartFullchain) || f.has(PartCertificate)) }, PartFullchain)
	combined := p.file(func(f HookFile) bool { return f.has(PartKey) && len(f.Content) > 1 }, "")
	key := p.file(func(f HookFile) bool { return f.has(PartKey) }, PartKey)
	pfx := p.file(func(f HookFile) bool { return f.has(PartPKCS12) || f.has(PartPKCS12Legacy) }, "")
	chain := p.file(func(f HookFile) bool { return slices.Equal(f.Content, []Part{PartChain}) }, "")
	if plain == "" {
		plain = combined
	}
	domains := strings.Join(p.Names, ",")
	renewed, failed := strings.Join(p.Names, " "), ""
	if p.Event == "errored" { // to a script of certbot's it is not renewed
		renewed, failed = "", renewed
	}
	variables := [][2]string{
		{"CERTKEEP_EVENT", p.Event},
		{"CERTKEEP_CERTIFICATE", p.Certificate},
		{"CERTKEEP_TARGET", p.Target},
		{"CERTKEEP_VERSION", p.Version},
		{"RENEWED_LINEAGE", p.Lineage},
		{"RENEWED_DOMAINS", renewed},
		{"FAILED_DOMAINS", failed},
		{"CERTBOT_ALL_DOMAINS", domains},
		{"CERTBOT_ALL_IDENTIFIERS", domains},
		{"LEGO_CERT_DOMAIN", first(p.Names)},
		{"LEGO_CERT_PATH", plain},
		{"LEGO_CERT_KEY_PATH", key},
		{"LEGO_CERT_PFX_PATH", pfx},
		{"LEGO_CERT_PEM_PATH", combined},
		{"LEGO_ISSUER_CERT_PATH", chain},
		{"LEGO_HOOK_CERT_NAME", p.Certificate},
		{"LEGO_HOOK_CERT_NAME_SANITIZED", p.Certificate}, // it has letters, digits, dots and the like
		{"LEGO_HOOK_CERT_KEY_TYPE", p.legoKeyType()},
		{"LEGO_HOOK_CERT_DOMAINS", domains},
		{"LEGO_HOOK_CERT_PATH", plain},
		{"LEGO_HOOK_CERT_KEY_PATH", key},
		{"LEGO_HOOK_CERT_PEM_PATH", combined},
		{"LEGO_HOOK_CERT_PFX_PATH", pfx},
		{"LEGO_HOOK_ISSUER_CERT_PATH", chain},
	}
	if c := p.Challenge; c != nil {
		variables = append(variables,
			[2]string{"CERTBOT_DOMAIN", c.Domain}, [2]string{"CERTBOT_IDENTIFIER", c.Domain}, [2]string{"CERTBOT_TOKEN", c.Token}, [2]string{"CERTBOT_VALIDATION", c.Validation})
	}
	var env []string
	for _, v := range variables {
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1])
		}
	}
	return append(env, p.variables()...)
}

// file returns the path of the first fitting file, preferably one that holds
// nothing but only. It is one of the first file's key type, so that key and
// certificate belong together.
func (p Payload) file(fits func(HookFile) bool, only Part) string {
	var fallback string
	for _, f := range p.Files {
		switch {
		case !fits(f) || f.KeyType != p.Files[0].KeyType:
		case len(f.Content) == 1 && f.Content[0] == only:
			return f.Path
		case fallback == "":
			fallback = f.Path
		}
	}
	return fallback
}

func (f HookFile) has(part Part) bool { return slices.Contains(f.Content, part) }

// legoKeyType is what lego calls the kind of the key in the files; "" where it knows
// none.
func (p Payload) legoKeyType() string {
	if len(p.Files) == 0 {
		return ""
	}
	algorithm, size, _ := strings.Cut(p.Files[0].KeyType, "-")
	switch curve, onCurve := strings.CutPrefix(size, "p"); {
	case algorithm == "ecdsa" && onCurve && curve != "521":
		return "EC" + curve
	case algorithm == "rsa":
		return "RSA" + size
	}
	return ""
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
