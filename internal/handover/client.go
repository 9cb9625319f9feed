package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/plan"
)

// Client asks a helper. Its methods may be called at the same time.
type Client struct {
	Socket string // its path
}

// Batch has jobs carried out, as [deploy.Deployer.Batch] does. Of a job its
// names go to the helper, and nothing of its content. The end of ctx ends the
// wait for it, not what it does.
func (c *Client) Batch(ctx context.Context, jobs []deploy.Job) []deploy.Result {
	q := request{Install: make([]Job, len(jobs))}
	for i, j := range jobs {
		q.Install[i] = Job{Cert: j.Target.Cert, Target: j.Target.Name, Version: j.Content.Version, Told: j.Told, Staged: j.Staged, Spare: j.Spare}
	}
	a, err := c.ask(ctx, q)
	if err == nil && len(a.Results) != len(jobs) {
		err = fmt.Errorf("the helper answered for %d of %d targets", len(a.Results), len(jobs))
	}
	results := make([]deploy.Result, len(jobs))
	for i, j := range jobs {
		var r result
		if err == nil {
			r = a.Results[i]
		} else {
			r.Fault = c.fault(j, err)
		}
		results[i] = r.deployed(j)
	}
	return results
}

// fault is why a job could not be handed over.
func (c *Client) fault(j deploy.Job, err error) *plan.Fault {
	return &plan.Fault{
		Code: plan.CodeHelper, Blame: plan.BlameAdmin, At: time.Now().UTC(),
		Words: fmt.Sprintf("install %s (target %s): %v", j.Target.Cert, j.Target.Name, err),
	}
}

// Withdraw has the files of a target taken away, as [deploy.Deployer.Withdraw]
// does. Which these are the helper knows.
func (c *Client) Withdraw(t deploy.Target, version string, _ []plan.File) (foreign []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), withdrawMayTake)
	defer cancel()
	a, err := c.ask(ctx, request{Withdraw: &Job{Cert: t.Cert, Target: t.Name, Version: version}})
	return a.Left, err
}

// Look asks whether the helper is there for this user, and can read the config
// and the state.
func (c *Client) Look(ctx context.Context) error {
	_, err := c.ask(ctx, request{Look: true})
	return err
}

// ask sends a request and reads its answer.
func (c *Client) ask(ctx context.Context, q request) (answer, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return answer{}, fmt.Errorf("ask the helper: %w", err)
	}
	defer conn.Close() // all was said, or nothing helps
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	err = json.NewEncoder(conn).Encode(q)
	if err == nil {
		err = conn.(*net.UnixConn).CloseWrite()
	}
	if err != nil {
		return answer{}, fmt.Errorf("ask the helper: %w", err)
	}
	var a answer
	err = json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a)
	switch {
	case ctx.Err() != nil:
		return answer{}, context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return answer{}, errors.New("the helper went away before it was done, or does not know this user")
	case err != nil:
		return answer{}, fmt.Errorf("read the helper's answer: %w", err)
	case a.Error != "":
		return answer{}, errors.New(a.Error)
	}
	return a, nil
}
