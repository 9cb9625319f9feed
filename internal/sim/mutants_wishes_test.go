package sim

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/certkeep/certkeep/internal/durable"
)

// replaced is a process that reads something else in its config.
func replaced(old, with string) Mutation {
	return Mutation{Config: func(text string) string { return strings.ReplaceAll(text, old, with) }}
}

// protectsAnother is a process that takes another name than the first for the
// one that is never set aside.
func protectsAnother() Mutation {
	return Mutation{Config: func(text string) string {
		var lines []string
		var other string // of the certificate in hand
		for _, line := range strings.Split(text, "\n") {
			if names, ok := strings.CutPrefix(line, "    names: ['"); ok {
				other = ""
				if i := strings.Index(names, "'www."); i > 0 {
					other, _, _ = strings.Cut(names[i+1:], "'")
				}
			}
			lines = append(lines, line)
			if line == "    quarantine: true" && other != "" {
				lines = append(lines, "    protected: ['"+other+"']")
			}
		}
		return strings.Join(lines, "\n")
	}}
}

// once are CAs that never look at a name by itself, as is asked of them before
// one comes back that was set aside.
func once() Mutation {
	return Mutation{CA: func(_ map[string]*gate, _ string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if names := namesIn(body); err != nil || strings.HasPrefix(names, "old.") && !strings.Contains(names, ",") {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}}
}

// unbanned remembers no key that was said to be compromised.
func unbanned() Mutation {
	return Mutation{Disk: func(d durable.Disk) durable.Disk {
		return mutant{Disk: d, rename: func(_, path string) bool { return !strings.Contains(path, "/records/banned/") }}
	}}
}
