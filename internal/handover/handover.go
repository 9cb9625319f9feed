// Package handover lets a process of root install files, and tell services, for a
// Certkeep that runs as another user.
//
// A Client asks; it stands in where a deploy.Deployer would. A Server answers.
// Over the socket go names of certificates, targets and versions, and what came
// of them: where files belong, whose they are, what they hold and which commands
// are run, the helper reads for itself, in a configuration that nobody but root
// may write and in the state. Who takes over the Certkeep that asks can so have
// installed what is wanted anyway, with the keys that it holds anyway.
//
// Known limits: a request that was begun is carried out, also when whoever asked
// has gone. They compare when they come again, as after any crash.
package handover

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
)

// Job names what is to be brought to a target; see [deploy.Job].
type Job struct {
	Cert    string `json:"certificate"`
	Target  string `json:"target"`
	Version string `json:"version"`
	Told    bool   `json:"told,omitempty"`
	Staged  bool   `json:"staged,omitempty"`
	Spare   bool   `json:"spare,omitempty"`
}

// request is what one connection carries: one of its fields.
type request struct {
	Look     bool  `json:"look,omitempty"` // whether the helper could do anything
	Install  []Job `json:"install,omitempty"`
	Withdraw *Job  `json:"withdraw,omitempty"`
}

// answer is what comes back.
type answer struct {
	Results []result `json:"results,omitempty"` // of Install, in its order
	Left    []string `json:"left,omitempty"`    // by Withdraw: paths that somebody else changed
	Error   string   `json:"error,omitempty"`   // why nothing was done
}

// result is a [deploy.Result] on its way.
type result struct {
	Files      []plan.File `json:"files,omitempty"`
	Written    bool        `json:"written,omitempty"`
	Changed    bool        `json:"changed,omitempty"`
	Wrote      []string    `json:"wrote,omitempty"`
	Reloaded   []string    `json:"reloaded,omitempty"`
	Stopped    []string    `json:"stopped,omitempty"`
	RolledBack bool        `json:"rolled_back,omitempty"`
	Fault      *plan.Fault `json:"fault,omitempty"`
	Untidy     string      `json:"untidy,omitempty"`
}

func resultOf(r deploy.Result) result {
	to := result{
		Files: r.Files, Written: r.Written, Changed: r.Changed, Wrote: r.Wrote, Reloaded: r.Reloaded,
		Stopped: r.Stopped, RolledBack: r.RolledBack, Fault: r.Fault,
	}
	if r.Untidy != nil {
		to.Untidy = r.Untidy.Error()
	}
	return to
}

func (r result) deployed(j deploy.Job) deploy.Result {
	to := deploy.Result{
		Cert: j.Target.Cert, Target: j.Target.Name, Version: j.Content.Version,
		Files: r.Files, Written: r.Written, Changed: r.Changed, Wrote: r.Wrote, Reloaded: r.Reloaded,
		Stopped: r.Stopped, RolledBack: r.RolledBack, Fault: r.Fault,
	}
	if r.Untidy != "" {
		to.Untidy = errors.New(r.Untidy)
	}
	return to
}

// mostJobs bounds a request, mostBytes the names in it.
const (
	mostJobs  = 4000
	mostBytes = 255
)

// check refuses what no Certkeep asks.
func (q request) check() error {
	if len(q.Install) > mostJobs {
		return fmt.Errorf("%d installations at once are more than the helper takes: %d", len(q.Install), mostJobs)
	}
	named := q.Install
	if q.Withdraw != nil {
		named = append(slices.Clip(named), *q.Withdraw)
	}
	for _, j := range named {
		if max(len(j.Cert), len(j.Target), len(j.Version)) > mostBytes {
			return errors.New("a name is longer than any of Certkeep's")
		}
	}
	return nil
}

// Bounds on what one side takes from the other: many thousand installations, and
// what came of them.
const (
	maxRequest = 4 << 20
	maxAnswer  = 64 << 20
)

// What is sent at once has to come at once.
const (
	sayMayTake = 10 * time.Second
	// withdrawMayTake bounds the taking away of files, which tells no service.
	withdrawMayTake = 5 * time.Minute
)
