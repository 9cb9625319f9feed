package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// lines reads a history.
func lines(t *testing.T, b backend.Backend, key string) []string {
	t.Helper()
	var found []string
	for line, err := range b.Lines(t.Context(), key) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(line))
	}
	return found
}

func testHistory(t *testing.T, open func() backend.Backend) {
	b := open()
	if got := lines(t, b, "e/k"); len(got) != 0 {
		t.Errorf("nothing appended: %q", got)
	}
	all := []string{`{"a":1}`, "two words", strings.Repeat("long ", 8000)}
	for _, line := range all {
		if err := b.Append(t.Context(), "e/k", []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, open(), "e/k"); !slices.Equal(got, all) {
		t.Errorf("Lines = %q", got)
	}
	for line, err := range b.Lines(t.Context(), "e/k") {
		if err != nil || string(line) != all[0] {
			t.Errorf("first = %q, %v", line, err)
		}
		break
	}
	if err := b.Append(t.Context(), "e/k", []byte("two\nlines")); err == nil {
		t.Error("a line with a line break was appended")
	}
	if got := lines(t, b, "e/k"); len(got) != 3 {
		t.Errorf("a refused line changed the history: %q", got)
	}
	want(t, b, "e/k", "") // a history is no value
}

func testHistoryTrim(t *testing.T, open func() backend.Backend) {
	b := open()
	if err := b.Trim(t.Context(), "e/k", 3); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	for i := range 10 {
		if err := b.Append(t.Context(), "e/k", []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		keep int
		want string
	}{{11, "0 1 2 3 4 5 6 7 8 9"}, {10, "0 1 2 3 4 5 6 7 8 9"}, {3, "7 8 9"}, {3, "7 8 9"}, {0, ""}, {0, ""}} {
		if err := b.Trim(t.Context(), "e/k", step.keep); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(lines(t, b, "e/k"), " "); got != step.want {
			t.Errorf("after Trim(%d): %q, want %q", step.keep, got, step.want)
		}
	}
	if err := b.Append(t.Context(), "e/k", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, b, "e/k"); !slices.Equal(got, []string{"new"}) {
		t.Errorf("after its removal: %q", got)
	}
}

func testHistoryConcurrent(t *testing.T, open func() backend.Backend) {
	const workers, each = 4, 25
	b := open()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := b.Append(t.Context(), "e/k", fmt.Appendf(nil, "%d-%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := lines(t, b, "e/k")
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != workers*each {
		t.Errorf("%d different lines, want %d", len(got), workers*each)
	}
}

func testCancelled(t *testing.T, open func() backend.Backend) {
	b := open()
	revision := put(t, b, "a/k", "v", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, get := b.Get(ctx, "a/k")
	_, update := b.Put(ctx, "a/k", []byte("x"), revision)
	_, list := b.Keys(ctx, "a")
	for what, err := range map[string]error{
		"Get": get, "Put": update, "Keys": list,
		"Delete": b.Delete(ctx, "a/k", ""),
		"Scan":   b.Scan(ctx, "a", func(backend.Entry, error) error { return nil }),
		"Append": b.Append(ctx, "a/k", []byte("x")),
		"Trim":   b.Trim(ctx, "a/k", 1),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", what, err)
		}
	}
	want(t, b, "a/k", "v")
}
