package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// DNSTest is one record to be written, seen and removed.
type DNSTest struct {
	Name string // in DNS
	Type string // TXT or TLSA
	Via  string // entry in the config's `dns`

	subject challenge.Identifier
}

// DNSTests lists what certificates need to have written, each once.
func DNSTests(cfg *config.Config, certs []string) []DNSTest {
	var tests []DNSTest
	add := func(t DNSTest) {
		if !slices.ContainsFunc(tests, func(other DNSTest) bool { return other.Name == t.Name && other.Type == t.Type && other.Via == t.Via }) {
			tests = append(tests, t)
		}
	}
	for _, name := range certs {
		cert := cfg.Certificate(name)
		for _, host := range cert.Names {
			base, wildcard := strings.CutPrefix(host, "*.")
			for _, m := range cfg.MethodsFor(name, base, wildcard) {
				if m.Type == config.MethodDNS01 && m.Manual == nil {
					add(DNSTest{Name: "_acme-challenge." + base, Type: "TXT", Via: m.Via, subject: challenge.Identifier{Value: base, Wildcard: wildcard}})
				}
			}
		}
		for _, t := range cert.TLSA {
			add(DNSTest{Name: t.Name, Type: "TLSA", Via: t.Via})
		}
	}
	return tests
}

// undoTime bounds the removal of a test record.
const undoTime = 30 * time.Second

// TryDNS writes a record that means nothing, looks whether all servers show it,
// and removes it. No CA and no state is needed. It returns nil where all went
// well, else what a person has to mend. Killed in between, it leaves a record
// that nobody goes by.
func TryDNS(ctx context.Context, cfg *config.Config, t DNSTest, stage func(words string)) *plan.Fault {
	p, err := newParts(cfg, nil, Options{Disk: durable.OS{}, Network: network.OS{}})
	if err == nil {
		if w := p.writers[t.Via]; t.Type == "TXT" {
			err = tryTXT(ctx, w.solver, t, stage)
		} else {
			err = tryTLSA(ctx, w, t, stage)
		}
	}
	if err == nil {
		return nil
	}
	fault := dnsFault(err)
	return &fault
}

// tryTXT does what an order does.
func tryTXT(ctx context.Context, solver challenge.Solver, t DNSTest, stage func(words string)) error {
	c := challenge.Challenge{Type: challenge.TypeDNS01, Identifier: t.subject, Token: rand.Text(), KeyAuthorization: rand.Text()}
	stage("writing a record")
	if err := solver.Present(ctx, c); err != nil {
		return err
	}
	var err error
	if w, waits := solver.(challenge.Waiter); waits {
		stage("waiting until all servers show it")
		err = w.Wait(ctx, c)
	}
	stage("removing it")
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	return left(err, solver.CleanUp(undo, c))
}

// tryTLSA adds a record that no client can use, so that it shuts out nobody:
// its numbers are private ones (RFC 7218 section 2), which validators pass over
// (RFC 6698 section 4.1).
func tryTLSA(ctx context.Context, w *writer, t DNSTest, stage func(words string)) error {
	z := w.zone
	if z.err != nil {
		return z.err
	}
	stage("looking at what is there")
	if _, err := z.resolver.Agreed(ctx, t.Name, t.Type); err != nil {
		return err
	}
	r := dns.Record{Name: t.Name, Type: t.Type, Value: "255 255 255 " + hex.EncodeToString([]byte(rand.Text()))}
	stage("writing a record")
	err := z.writer.Add(ctx, r)
	if err == nil {
		stage("waiting until all servers show it")
		err = z.untilShown(ctx, r)
	}
	stage("removing it")
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	return left(err, z.writer.Remove(undo, r))
}

// left is what a person is told where a record could not be removed either.
func left(err, undone error) error {
	switch {
	case err == nil:
		return undone
	case undone == nil:
		return err
	}
	fault := dnsFault(err)
	fault.Detail = append(fault.Detail, "it may be there still: "+undone.Error())
	return &FaultError{Fault: fault, Err: err}
}

// untilShown waits until all servers show a record.
func (z zone) untilShown(ctx context.Context, r dns.Record) error {
	servers, err := z.resolver.Authorities(ctx, r.Name)
	if err != nil {
		return err
	}
	for start, pause := time.Now(), firstPause; ; pause = min(2*pause, lastPause) {
		lacking := z.resolver.Lacking(ctx, servers, r)
		if len(lacking) == 0 {
			return nil
		}
		if time.Since(start) > z.timeout || !wait(ctx, pause) {
			var words []string
			for _, l := range lacking {
				words = append(words, l.String())
			}
			return &dns.Error{Op: fmt.Sprintf("wait for the %s record of %s", r.Type, r.Name), Code: plan.CodeDNSPropagation, Err: errors.New(strings.Join(words, "; "))}
		}
	}
}

// CAAOf asks a CA by which domains CAA records name it (RFC 8659).
func CAAOf(ctx context.Context, cfg *config.Config, issuer, userAgent string) ([]string, error) {
	p, err := newParts(cfg, nil, Options{Disk: durable.OS{}, Network: network.OS{}, UserAgent: userAgent})
	if err != nil {
		return nil, err
	}
	ca, err := p.issuers[issuer].client()
	if err != nil {
		return nil, err
	}
	meta, err := ca.Meta(ctx)
	return meta.CAA, err
}
