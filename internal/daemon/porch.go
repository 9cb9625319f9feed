package daemon

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/front"
	"github.com/certkeep/certkeep/internal/plan"
)

// porchRetry is how long until a port that was taken is tried again.
const porchRetry = 30 * time.Second

// porch is the own listener of http-01 where it is kept: to send visitors on to
// HTTPS, or because its socket was handed over and is open anyway, so that they
// would wait for an answer. All but problem belongs to the loop.
type porch struct {
	d       *daemon
	cfg     *config.Config
	kept    *challenge.HTTP01 // nil where nothing is kept
	tried   time.Time
	problem atomic.Pointer[plan.Problem]
}

// follow does what a config says that the engine has taken over. That there
// can be no listener is a problem for a person, and no failure.
func (p *porch) follow(ctx context.Context, cfg *config.Config) {
	p.cfg = cfg
	next := p.d.engine.Listener()
	redirects := cfg.Listen.HTTP.Redirect != ""
	if p.d.Embedded != nil || !redirects && !p.d.Network.Has(cfg.Listen.HTTP.Address) {
		next = nil
	}
	if p.kept != nil && p.kept != next {
		p.end()
	}
	p.tried = time.Now()
	if next == nil {
		p.solved()
		return
	}
	site := http.NotFoundHandler()
	if redirects {
		site = front.Handler(rulesOf(cfg), noAnswer, site)
	}
	err := next.Keep(ctx, site)
	if err == nil {
		p.kept = next
		p.solved()
		return
	}
	if p.problem.Load() == nil {
		p.d.log.Warn("visitors cannot be sent on to HTTPS", "error", err)
	}
	p.problem.Store(&plan.Problem{
		Code: plan.CodeRedirect, Severity: plan.Warning, Since: p.tried.UTC(),
		Words: fmt.Sprintf("visitors cannot be sent on to HTTPS: %v", err), Remedy: plan.CodeRedirect.Remedy(),
	})
	p.d.engine.Stirred()
}

// solved ends the problem, if there was one.
func (p *porch) solved() {
	if p.problem.Swap(nil) != nil {
		p.d.engine.Stirred()
	}
}

// again tries once more what failed.
func (p *porch) again(ctx context.Context) {
	if p.problem.Load() != nil && time.Since(p.tried) >= porchRetry {
		p.follow(ctx, p.cfg)
	}
}

// end closes what is kept.
func (p *porch) end() {
	if p.kept == nil {
		return
	}
	if err := p.kept.Leave(); err != nil {
		p.d.log.Debug("close the listener that sends visitors on", "error", err)
	}
	p.kept = nil
}

// noAnswer: challenges have been answered before.
func noAnswer(http.ResponseWriter, *http.Request) bool { return false }

// rulesOf are what a config says of visitors.
func rulesOf(cfg *config.Config) func() front.Rules {
	names := map[string]bool{}
	for _, c := range cfg.Certificates {
		for _, name := range c.Names {
			names[name] = true
		}
	}
	is := front.Rules{
		Redirect: front.Temporary,
		Ours: func(name string) bool {
			_, parent, _ := strings.Cut(name, ".")
			return names[name] || names["*."+parent]
		},
		Placeholder: func(string) bool { return false }, // only asked over HTTPS
	}
	if cfg.Listen.HTTP.Redirect == config.Permanent {
		is.Redirect = front.Permanent
	}
	return func() front.Rules { return is }
}
