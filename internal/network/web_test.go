package network_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

// ask sends a question with a body where there is one.
func ask(t *testing.T, w *network.Web, method, url, body string) (network.Reply, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return w.Ask(req, 64)
}

func TestAsk(t *testing.T) {
	var got, agent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, agent = r.Method+" "+string(body), r.Header.Get("User-Agent")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "busy")
	}))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // is not used
	web := network.NewWeb(nil, nil, "certkeep/test")
	defer web.Close()
	reply, err := ask(t, web, http.MethodPost, server.URL, "question")
	if err != nil {
		t.Fatal(err)
	}
	if got != "POST question" || agent != "certkeep/test" {
		t.Errorf("the server got %q from %q", got, agent)
	}
	if reply.Status != 503 || string(reply.Body) != "busy" || reply.RetryAfter != 7*time.Second {
		t.Errorf("reply: %+v", reply)
	}
}

func TestAskTooLong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("a", map[string]int{"/fits": 64, "/long": 65}[r.URL.Path]))
	}))
	defer server.Close()
	web := network.NewWeb(nil, nil, "certkeep/test")
	defer web.Close()
	if reply, err := ask(t, web, http.MethodGet, server.URL+"/fits", ""); err != nil || len(reply.Body) != 64 {
		t.Errorf("64 bytes: %d, %v", len(reply.Body), err)
	}
	if _, err := ask(t, web, http.MethodGet, server.URL+"/long", ""); !errors.Is(err, network.ErrTooLong) {
		t.Errorf("65 bytes: %v", err)
	}
}

func TestAskRedirects(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.Handle("/moved", http.RedirectHandler("/end", http.StatusFound))
	mux.Handle("/kept", http.RedirectHandler("/end", http.StatusTemporaryRedirect))
	mux.Handle("/circle", http.RedirectHandler("/circle", http.StatusFound))
	server := httptest.NewServer(mux)
	defer server.Close()
	web := network.NewWeb(nil, nil, "certkeep/test")
	defer web.Close()
	for _, test := range []struct {
		method, path, body string
		refused            bool
	}{
		{http.MethodGet, "/moved", "", false},
		{http.MethodGet, "/kept", "", false},
		{http.MethodPost, "/kept", "question", false},
		{http.MethodPost, "/moved", "question", true}, // would become a GET
		{http.MethodGet, "/circle", "", true},
	} {
		reply, err := ask(t, web, test.method, server.URL+test.path, test.body)
		if test.refused {
			if !errors.Is(err, network.ErrRedirect) {
				t.Errorf("%s %s: %v", test.method, test.path, err)
			}
		} else if err != nil || reply.Status != 200 || string(reply.Body) != test.body {
			t.Errorf("%s %s: %d %q, %v", test.method, test.path, reply.Status, reply.Body, err)
		}
	}
}

// mute is a network on which connections open and nobody says a word.
type mute struct{ network.OS }

func (mute) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	return ours, nil
}

func TestAskTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := network.NewWeb(mute{}, nil, "certkeep/test")
		defer web.Close()
		began := time.Now()
		_, err := ask(t, web, http.MethodGet, "http://responder.test/", "")
		if !errors.Is(err, network.ErrTooSlow) || time.Since(began) != 20*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
