package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/store"
)

// How long, and how often, a holder without a socket is waited for.
const (
	patience  = 60 * time.Second
	lookEvery = 100 * time.Millisecond
)

// ErrNone says that no daemon listens.
var ErrNone = errors.New("no daemon listens at the control socket")

// Client speaks to the daemon that holds a state.
type Client struct {
	http *http.Client
	held *store.HeldError // who holds the state, where Hold made the client
}

// Hold opens the state as its holder. While a daemon holds it, a client of
// that daemon is returned instead; another command is waited for, a minute at
// most, and waiting is called once if so. Then the error is a
// *store.HeldError.
func Hold(ctx context.Context, cfg *config.Config, disk durable.Disk, waiting func(*store.HeldError)) (*store.Store, *Client, error) {
	over := time.NewTimer(patience)
	defer over.Stop()
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	told := false
	for {
		s, err := store.OpenSealed(ctx, store.Options{Path: cfg.State, Disk: disk, Node: cfg.Node, Mode: store.Holder, Keys: cfg.StoreKeys})
		held, isHeld := errors.AsType[*store.HeldError](err)
		if !isHeld {
			return s, nil, err
		}
		client, err := Dial(ctx, cfg.State)
		if err == nil {
			client.held = held
			return nil, client, nil
		}
		if !errors.Is(err, ErrNone) {
			return nil, nil, err
		}
		if !told {
			waiting(held)
			told = true
		}
		select {
		case <-again.C:
		case <-over.C:
			return nil, nil, held
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// Dial returns a client for the daemon that listens in a state folder, or
// ErrNone.
func Dial(ctx context.Context, state string) (*Client, error) {
	conn, err := connect(ctx, state)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("connect to the daemon: %w", err)
	}
	first := make(chan net.Conn, 1)
	first <- conn
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case conn := <-first:
			return conn, nil
		default:
			return connect(ctx, state)
		}
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}}, nil
}

// Close ends the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Ask hands over a wish, passes on its progress to watch, and returns once
// all that was asked for has been done or tried. [ErrLost] says that the
// daemon has stored the wish and cannot tell what became of it.
func (c *Client) Ask(ctx context.Context, a Ask, watch func(engine.Progress)) (Ended, error) {
	var t taken
	if err := c.call(ctx, http.MethodPost, pathAsk, a, &t); err != nil {
		return Ended{}, err
	}
	ended, err := c.follow(ctx, t, watch)
	if err != nil && ctx.Err() != nil {
		return Ended{}, context.Cause(ctx)
	}
	if err != nil {
		return Ended{}, fmt.Errorf("%w (%w)", ErrLost, err)
	}
	return ended, nil
}

// follow reads the progress of a wish that was taken, to its end.
func (c *Client) follow(ctx context.Context, t taken, watch func(engine.Progress)) (Ended, error) {
	resp, err := c.send(ctx, http.MethodGet, pathProgress+"?ticket="+url.QueryEscape(t.Ticket), nil)
	if err != nil {
		return Ended{}, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l Line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return Ended{}, fmt.Errorf("read the daemon's progress: %w", err)
		}
		if l.Ended != nil {
			return *l.Ended, nil
		}
		watch(l.progress())
	}
	if err := lines.Err(); err != nil {
		return Ended{}, fmt.Errorf("read the daemon's progress: %w", err)
	}
	return Ended{}, errors.New("its progress broke off")
}

// ErrLost says that the daemon went away while it was working: it hung up,
// its socket is gone, or another one that began since answers there.
var ErrLost = errors.New("the daemon went away before it was done; what was asked for is stored, and done once it runs again")

// Forget has what is stored of certificates dropped.
func (c *Client) Forget(ctx context.Context, names []string) error {
	return c.call(ctx, http.MethodPost, pathForget, forgetRequest{Names: names}, nil)
}

// Account has an account changed.
func (c *Client) Account(ctx context.Context, q AccountRequest) (store.Account, error) {
	var a store.Account
	return a, c.call(ctx, http.MethodPost, pathAccount, q, &a)
}

// Reload has the config taken over again.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, pathReload, struct{}{}, nil)
}

// Problems are the conditions that only the daemon knows.
func (c *Client) Problems(ctx context.Context) ([]plan.Problem, error) {
	var o struct {
		Problems []plan.Problem `json:"problems"`
	}
	return o.Problems, c.call(ctx, http.MethodGet, pathStatus+"?problems", nil, &o)
}

// call sends a request and decodes its answer.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// send sends a request and returns its answer, which is a success.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("ask the daemon: %w", err)
		}
	}
	if len(text) > maxBody {
		// It would hang up in the middle, and its words might not arrive.
		return nil, &RefusedError{Status: http.StatusRequestEntityTooLarge, Words: fmt.Sprintf("the request has %d bytes, and the daemon takes %d; name fewer certificates at once", len(text), maxBody)}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://certkeep"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusedBy(resp)
}

// RefusedError is what the daemon says instead of doing what was asked.
type RefusedError struct {
	Status int // HTTP
	Words  string
}

// Error returns the daemon's words.
func (e *RefusedError) Error() string { return e.Words }

// refusedBy turns an answer that is no success into the error that the
// daemon had.
func refusedBy(resp *http.Response) error {
	var r refusal
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLine)).Decode(&r); err != nil {
		r.Error = "the daemon answered with " + resp.Status
	}
	if r.Fault != nil {
		return &engine.FaultError{Fault: *r.Fault}
	}
	return &RefusedError{Status: resp.StatusCode, Words: r.Error}
}

// Status is how everything is, as the daemon sees it.
func (c *Client) Status(ctx context.Context) (status.Overview, error) {
	var o status.Overview
	return o, c.call(ctx, http.MethodGet, pathStatus, nil, &o)
}
