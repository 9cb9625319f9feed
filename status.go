package certkeep

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

// The problems of a program: it cannot order and renew, or not all that
// visitors asked for.
const (
	codeNotKept plan.Code = "not-kept"
	codeUnfit   plan.Code = "names-do-not-fit"
)

// StatusHandler is the status page with its JSON and metrics, as the daemon
// shows it, read-only. It belongs at the root of a listener of its own: its
// links begin with "/". As the daemon does, it answers only who asks for
// loopback, for the address that he connected to, or for one of the names in
// `listen.status.hosts`, and wants the token of `listen.status.token_file` where
// one is configured. Its metrics count what this process does; while another one
// has the state, that one counts. Its error is that of reading the token.
func (k *Keeper) StatusHandler() (http.Handler, error) {
	cfg := k.config.Load()
	token, err := cfg.Listen.Status.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("certkeep: read the token of the status page: %w", err)
	}
	return web.New(web.Options{
		Snapshots: status.NewSnapshots(k.ctx, status.Source{Read: k.world, Problems: k.problems, Events: status.History(k.reader)}),
		Build:     build(), Counters: &k.counters, Hosts: cfg.Listen.Status.Hosts, Token: token, Directories: cfg.Directories(), Email: cfg.Email, Emails: cfg.Emails(), Declared: cfg.Declared, Log: k.log,
	}), nil
}

// world is what the status is made of.
func (k *Keeper) world(ctx context.Context) (plan.World, error) {
	known, err := k.reader.Known(ctx)
	if err != nil {
		return plan.World{}, err
	}
	wanted := k.config.Load().Wanted()
	wanted.Node = k.reader.Node()
	return plan.World{Wanted: wanted, Known: known}, nil
}

// problems are what only this process knows.
func (k *Keeper) problems() []plan.Problem {
	var all []plan.Problem
	for _, now := range []*plan.Problem{k.trouble.Load(), k.unfit.Load()} {
		if now != nil {
			all = append(all, *now)
		}
	}
	return all
}

// leftOut takes note of the names on demand that the configuration does not
// take, and why it does not take the first of them.
func (k *Keeper) leftOut(names []string, why error) {
	if len(names) == 0 {
		k.unfit.Store(nil)
		return
	}
	k.log.Error("names that visitors asked for do not fit the configuration, and are not renewed", "names", len(names), "such as", names[0], "error", why)
	k.unfit.Store(&plan.Problem{
		Code: codeUnfit, Severity: plan.Warning, Since: time.Now().UTC(),
		Words:  fmt.Sprintf("%d names that visitors asked for do not fit the configuration, and are not renewed, such as %s: %v", len(names), names[0], why),
		Remedy: "Change the configuration so that it takes them, or have OnDemand refuse them with ErrNotAllowed.",
	})
}

// failed takes note of why this process does not renew, besides another one
// that does; nil where it does.
func (k *Keeper) failed(err error) {
	if err == nil {
		k.trouble.Store(nil)
		return
	}
	k.trouble.Store(&plan.Problem{
		Code: codeNotKept, Severity: plan.Warning, Since: time.Now().UTC(),
		Words:  "this process serves what is stored, and does not renew it: " + err.Error(),
		Remedy: "Mend what it says; it is tried again every half minute. What is in memory is served meanwhile.",
	})
}

// build says which version of the library a program was made with.
func build() status.Build {
	b := status.Build{Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	for _, dep := range append(info.Deps, &info.Main) {
		if dep.Path == "github.com/certkeep/certkeep" {
			b.Version = dep.Version
		}
	}
	return b
}
