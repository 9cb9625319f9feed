package challenge

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/certkeep/certkeep/internal/network"
)

// A listener that is kept shows a site before, during and after a challenge,
// and is closed when it is left.
func TestKept(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := NewHTTP01(ListenOn(network.OS{}, address))
	site := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	get := func(path string) string {
		t.Helper()
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return "nobody"
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := func(path, text string) {
		t.Helper()
		if got := get(path); got != text {
			t.Errorf("%s: %q, want %q", path, got, text)
		}
	}
	c := Challenge{Type: TypeHTTP01, Identifier: Identifier{Value: "a.example"}, Token: "tok", KeyAuthorization: "tok.key"}
	want("/", "nobody")
	if err := s.Keep(t.Context(), site("one")); err != nil {
		t.Fatal(err)
	}
	want("/", "one")
	want(acmePath+"tok", "one")
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want(acmePath+"tok", "tok.key")
	if err := s.Keep(t.Context(), site("two")); err != nil {
		t.Fatal(err)
	}
	want("/", "two")
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want(acmePath+"tok", "two")
	if err := s.Leave(); err != nil {
		t.Fatal(err)
	}
	want("/", "nobody")
}
