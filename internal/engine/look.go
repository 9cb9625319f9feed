package engine

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// LookAtClock asks a CA for its directory, and says how far its clock is ahead
// of ours. It is not known of a CA that sends no Date.
func LookAtClock(ctx context.Context, cfg *config.Config, issuer, userAgent string) (ahead time.Duration, known bool, fault *plan.Fault) {
	p, err := newParts(cfg, nil, Options{Disk: durable.OS{}, Network: network.OS{}, UserAgent: userAgent})
	if err == nil {
		ahead, known, err = p.issuers[issuer].clock(ctx)
	}
	if err != nil {
		f, _ := faultOf(err)
		return 0, false, &f
	}
	return ahead, known, nil
}

func (a *authority) clock(ctx context.Context) (ahead time.Duration, known bool, err error) {
	ca, err := a.client()
	if err != nil {
		return 0, false, err
	}
	if _, err := ca.Meta(ctx); err != nil {
		return 0, false, err
	}
	ahead, known = ca.ClockSkew()
	return ahead, known, nil
}

// LookAtDNS looks whether an entry of `dns` can be used: its key can be read,
// its program is there. For each of the names its server is asked for the
// zone; where there are none nobody is asked. Nothing is written. It returns
// nil where all is well, else what a person has to mend.
func LookAtDNS(ctx context.Context, cfg *config.Config, entry string, names []string) *plan.Fault {
	p, err := newParts(cfg, nil, Options{Disk: durable.OS{}, Network: network.OS{}})
	if err == nil {
		err = p.writers[entry].look(ctx, names)
	}
	if err == nil {
		return nil
	}
	fault := dnsFault(err)
	return &fault
}

func (w *writer) look(ctx context.Context, names []string) error {
	if w.zone.err != nil {
		return w.zone.err
	}
	if args := w.config.Command.Args; len(args) > 0 {
		if _, err := exec.LookPath(args[0]); err != nil {
			return &dns.Error{Op: "find the program of dns." + w.config.Name, Code: plan.CodeDNSUpdate, Err: err}
		}
	}
	ask := func(name string) error {
		_, err := w.zone.resolver.Zone(ctx, name)
		return err
	}
	if updates, ok := w.zone.writer.(*dns.RFC2136); ok {
		ask = func(name string) error {
			_, err := updates.Look(ctx, name)
			return err
		}
	}
	for _, name := range names {
		if err := ask(name); err != nil {
			if _, ok := errors.AsType[*dns.Error](err); ok {
				return err
			}
			return &dns.Error{Op: "use dns." + w.config.Name, Code: plan.CodeDNSUpdate, Err: err}
		}
	}
	return nil
}

// LookAtService runs the check of a service, as it is run before files are
// installed.
func LookAtService(ctx context.Context, cfg *config.Config, s service.Service) *plan.Fault {
	err := deploy.New(deploy.Options{State: cfg.State, Disk: durable.OS{}}).CheckService(ctx, s)
	if err == nil {
		return nil
	}
	failed, ok := errors.AsType[*deploy.ServiceError](err)
	if !ok {
		f, _ := faultOf(err)
		return &f
	}
	failed.Before = true
	fault := newFault(plan.CodeServiceCheck, plan.BlameAdmin, failed.Error())
	fault.Detail = failed.Said
	return &fault
}
