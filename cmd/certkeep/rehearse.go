package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// rehearsal is what `apply --dry-run` prints; see docs/json.md.
type rehearsal struct {
	Time         time.Time       `json:"time"`
	ExitCode     int             `json:"exit_code"`
	Certificates []rehearsedCert `json:"certificates"`
}

type rehearsedCert struct {
	Name   string          `json:"name"`
	Issuer string          `json:"issuer,omitempty"`
	Pairs  []rehearsedPair `json:"pairs"`
	Fault  *plan.Fault     `json:"fault,omitempty"`
}

type rehearsedPair struct {
	KeyType  string    `json:"key_type"`
	CA       string    `json:"ca"`
	NotAfter time.Time `json:"not_after"`
}

// rehearse makes whole orders at the issuers' staging, one after another:
// each has the own listeners to itself. It needs no lock: nothing is read from
// the state, and nothing is kept.
func (a *app) rehearse(ctx context.Context, cfg *config.Config, names []string) error {
	names, err := ordered(cfg, names)
	if err != nil {
		return err
	}
	all := rehearsal{Certificates: make([]rehearsedCert, 0, len(names))}
	stop := a.ui.startLive()
	terms := a.agreeTerms(ctx)
	for _, name := range names {
		if ctx.Err() == nil {
			all.Certificates = append(all.Certificates, a.rehearseOne(ctx, cfg, name, terms))
		}
	}
	stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	all.Time = time.Now().UTC()
	if slices.ContainsFunc(all.Certificates, func(c rehearsedCert) bool { return c.Fault != nil }) {
		all.ExitCode = exitFailed
	}
	return a.show(all, func() string { return a.describeRehearsal(all) }, all.ExitCode)
}

func (a *app) rehearseOne(ctx context.Context, cfg *config.Config, name string, terms func(issuer, url string) error) rehearsedCert {
	result := rehearsedCert{Name: name, Pairs: []rehearsedPair{}}
	cert := cfg.Certificate(name)
	if len(cert.Issuers) > 0 {
		result.Issuer = cfg.Issuers[cert.Issuers[0]].Staging
	}
	step := plan.Step{Kind: plan.KindIssue, Cert: name, Issuer: result.Issuer}
	pairs, err := engine.IssueOnce(ctx, engine.Once{
		Config: cfg, Certificate: name, Staging: true, AgreeTerms: terms, UserAgent: userAgent(),
		Log: newCommandLog(a.ui, a.getenv, cfg.Log, a.verbose, a.quiet).logger(),
		Stage: func(words string) {
			a.ui.watch(engine.Progress{Time: time.Now(), Cert: name, Step: &step, Stage: words})
		},
	})
	result.Fault = faultOf(err)
	a.ui.watch(engine.Progress{Time: time.Now(), Cert: name, Step: &step, Fault: result.Fault})
	for _, p := range pairs {
		facts := p.Chain.Facts()
		result.Pairs = append(result.Pairs, rehearsedPair{KeyType: p.KeyType, CA: facts.CA, NotAfter: facts.NotAfter.UTC()})
	}
	return result
}

// faultOf makes a fact of an error.
func faultOf(err error) *plan.Fault {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*engine.FaultError](err); ok {
		return &f.Fault
	}
	return &plan.Fault{Code: plan.CodeUnexpected, Words: err.Error(), Blame: plan.BlameUs, At: time.Now().UTC()}
}

func (a *app) describeRehearsal(all rehearsal) string {
	r := renderer{now: all.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	var b strings.Builder
	for _, c := range all.Certificates {
		if c.Fault != nil {
			fmt.Fprintf(&b, "%s: failed\n", c.Name)
			b.WriteString(r.fault(*c.Fault))
			continue
		}
		if a.quiet {
			continue
		}
		for _, p := range c.Pairs {
			fmt.Fprintf(&b, "%s: %s would give a certificate (%s, signed by %s); nothing was kept\n", c.Name, c.Issuer, p.KeyType, p.CA)
		}
	}
	return b.String()
}
