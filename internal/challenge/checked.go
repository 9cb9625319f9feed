package challenge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// checkTime bounds a look at an answer of our own.
const checkTime = 20 * time.Second

// errNotShown says that the web server shows something else.
var errNotShown = errors.New("the answer there is another one")

// checked looks at each answer before the CA does.
type checked struct {
	Solver
	client *http.Client
	port   int
}

// Checked fetches each http-01 answer by client, as the CA will, before the CA
// is asked to: redirects are followed. A failed look costs no attempt there.
// Port is where the web server of the name listens; 0 is 80.
func Checked(s Solver, client *http.Client, port int) Solver { return &checked{s, client, port} }

// Present implements Solver. An answer that cannot be seen is taken away.
func (c *checked) Present(ctx context.Context, ch Challenge) error {
	if err := c.Solver.Present(ctx, ch); err != nil || ch.Type != TypeHTTP01 {
		return err
	}
	err := c.look(ctx, ch)
	if err == nil {
		return nil
	}
	op := "look at the answer of http-01 for " + ch.Identifier.Value
	if left := c.CleanUp(context.WithoutCancel(ctx), ch); left != nil {
		err = fmt.Errorf("%w; and then: %w", err, left)
	}
	if _, unanswered := errors.AsType[*url.Error](err); unanswered { // the folder has nothing to do with it
		return failed(op, plan.CodeChallenge, err, "let the name lead to the web server, and the server answer")
	}
	return failed(op, plan.CodeWebroot, err, "have the web server show the folder there")
}

func (c *checked) look(ctx context.Context, ch Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	host := ch.Identifier.Value
	if port := cmp.Or(c.port, 80); port != 80 || strings.Contains(host, ":") {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	at := url.URL{Scheme: "http", Host: host, Path: acmePath + ch.Token}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return compared(&at, answer, ch)
}

// compared says why what a web server shows at a URL is not the answer to ch;
// nil where it is.
func compared(at *url.URL, answer *http.Response, ch Challenge) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(len(ch.KeyAuthorization))+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", at, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: the web server says %s", at, answer.Status)
	case string(body) != ch.KeyAuthorization:
		return fmt.Errorf("%s: %w", at, errNotShown)
	}
	return nil
}
