package challenge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestChecked has a web server that shows the folder, also behind a redirect,
// one that shows another answer, and one that shows nothing.
func TestChecked(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		serve func(folder http.Handler) http.Handler
		words string // "" where the look is well
	}{
		"shown": {serve: func(folder http.Handler) http.Handler { return folder }},
		"redirected": {serve: func(folder http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery == "" {
					http.Redirect(w, r, r.URL.Path+"?again", http.StatusFound)
					return
				}
				folder.ServeHTTP(w, r)
			})
		}},
		"another": {serve: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("token.thumb and more")) })
		}, words: errNotShown.Error()},
		"missing": {serve: func(http.Handler) http.Handler { return http.NotFoundHandler() }, words: "404 Not Found"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := httptest.NewServer(test.serve(http.StripPrefix(acmePath, http.FileServer(http.Dir(dir)))))
			defer server.Close()
			address, ok := server.Listener.Addr().(*net.TCPAddr)
			if !ok {
				t.Fatalf("the server listens at %v", server.Listener.Addr())
			}
			folder, err := NewFolder(dir, durable.OS{})
			if err != nil {
				t.Fatal(err)
			}
			c := Challenge{Type: TypeHTTP01, Identifier: Identifier{Value: "127.0.0.1", IP: true}, Token: "token", KeyAuthorization: "token.thumb"}
			err = Checked(folder, server.Client(), address.Port).Present(context.Background(), c)
			if test.words == "" && err != nil || test.words != "" && (err == nil || !strings.Contains(err.Error(), test.words)) {
				t.Errorf("%v, want %q", err, test.words)
			}
			if _, there := os.Stat(filepath.Join(dir, "token")); (there == nil) != (err == nil) {
				t.Errorf("after %v the answer: %v", err, there)
			}
		})
	}
}

// TestCheckedUnanswered: where nobody answers the folder is not to blame.
func TestCheckedUnanswered(t *testing.T) {
	t.Parallel()
	folder, err := NewFolder(t.TempDir(), durable.OS{})
	if err != nil {
		t.Fatal(err)
	}
	c := Challenge{Type: TypeHTTP01, Identifier: Identifier{Value: "no-such-name.invalid"}, Token: "token", KeyAuthorization: "token.thumb"}
	err = Checked(folder, &http.Client{Transport: &http.Transport{}}, 0).Present(t.Context(), c)
	if failed, ok := errors.AsType[*Error](err); !ok || failed.Code != plan.CodeChallenge || !strings.Contains(failed.Hint, "lead to the web server") {
		t.Errorf("%v", err)
	}
}
