package notify_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/notify"
)

// TestWhetherItMayHaveArrived: what nobody answered may have arrived, and what
// somebody refused, or nobody was reached for, has not.
func TestWhetherItMayHaveArrived(t *testing.T) {
	webhook := func(answer http.HandlerFunc) notify.Webhook {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		return notify.Webhook{URL: secret(server.URL + "/hush"), Timeout: time.Second}
	}
	away := httptest.NewServer(nil)
	away.Close()
	mail := func(s *mailServer) notify.Mail { return sender(s.serve(t)) }
	run := func(text string, arguments bool) notify.Program {
		return notify.Program{Command: command.Command{Args: []string{program(t, folder(t), text)}, Timeout: time.Second}, Arguments: arguments}
	}
	for _, c := range []struct {
		name    string
		by      notify.Sender
		unknown bool
	}{
		{"a webhook that refuses", webhook(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }), false},
		{"a webhook that hangs up", webhook(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), true},
		{"a webhook that says nothing", webhook(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}), true},
		{"no webhook", notify.Webhook{URL: secret(away.URL)}, false},
		{"a mail server that refuses the sender", mail(&mailServer{refuse: "451 later"}), false},
		{"a mail server that refuses the mail", mail(&mailServer{end: "451 later"}), false},
		{"a mail server that hangs up", mail(&mailServer{end: "-"}), true},
		{"a program that fails", run("exit 1", false), false},
		{"a program that takes too long", run("sleep 9", false), true},
		{"a program that is killed", run("kill -9 $$", false), true},
		{"no program", notify.Program{Command: command.Command{Args: []string{folder(t) + "/none"}}}, false},
		{"a program that fails at the first notice", run("exit 1", true), false},
		{"a program that fails at the second notice", run("[ ! -e done ] && touch done", true), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			failed, ok := errors.AsType[*notify.Error](c.by.Send(t.Context(), message()))
			if !ok || failed.Unknown != c.unknown {
				t.Errorf("%+v", failed)
			}
		})
	}
}
