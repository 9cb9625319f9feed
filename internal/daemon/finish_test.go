package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// An engine that does not end is waited for in vain; the page and the control
// socket are closed all the same, for a program may go on and open them again.
func TestHungEngineLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &daemon{log: slog.New(slog.DiscardHandler)}
		running, cancel := context.WithCancel(t.Context())
		cancel()
		serve := func(s *http.Server) <-chan error {
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(&pipes{conns: make(chan net.Conn), done: make(chan struct{})}) }()
			t.Cleanup(func() { _ = s.Close() })
			return ended
		}
		d.page = &statusPage{d: d, server: newStatusServer(http.NotFoundHandler(), d.log)}
		page, server := serve(d.page.server), newServer(running, d, newDesk())
		control := serve(server.http)
		synctest.Wait()
		began := time.Now()
		if err := d.finish(running, server, make(chan error)); !errors.Is(err, ErrNotSaved) || time.Since(began) != endMayTake {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		synctest.Wait()
		for what, ended := range map[string]<-chan error{"the page": page, "the control socket": control} {
			select {
			case <-ended:
			default:
				t.Errorf("%s is served on", what)
			}
		}
	})
}
