// Package backendtest says in code what a Backend promises. Run is the suite
// that every Backend must pass.
package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// Run runs the suite. Begin makes an empty place to keep records, and returns
// a function that opens it: each call gives another Backend over the same
// place, as after a restart.
func Run(t *testing.T, begin func(t *testing.T) (open func() backend.Backend)) {
	tests := []struct {
		name string
		run  func(*testing.T, func() backend.Backend)
	}{
		{"Put", testPut},
		{"Conflict", testConflict},
		{"Delete", testDelete},
		{"Values", testValues},
		{"Keys", testKeys},
		{"BadKeys", testBadKeys},
		{"NoUpdateLost", testNoUpdateLost},
		{"Scan", testScan},
		{"ScanStops", testScanStops},
		{"ScanMissesNothing", testScanMissesNothing},
		{"History", testHistory},
		{"HistoryTrim", testHistoryTrim},
		{"HistoryConcurrent", testHistoryConcurrent},
		{"Cancelled", testCancelled},
		{"Watch", testWatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, begin(t)) })
	}
}

// put writes a value and fails the test when that fails.
func put(t *testing.T, b backend.Backend, key, value string, ifRevision backend.Revision) backend.Revision {
	t.Helper()
	revision, err := b.Put(t.Context(), key, []byte(value), ifRevision)
	if err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
	if revision == "" {
		t.Fatalf("Put(%s): no revision", key)
	}
	return revision
}

// want checks what a key holds; "" stands for nothing.
func want(t *testing.T, b backend.Backend, key, value string) backend.Revision {
	t.Helper()
	e, err := b.Get(t.Context(), key)
	switch {
	case value == "" && !errors.Is(err, backend.ErrNotFound):
		t.Errorf("Get(%s) = %q, %v, want ErrNotFound", key, e.Value, err)
	case value != "" && (err != nil || string(e.Value) != value || e.Key != key || e.Revision == ""):
		t.Errorf("Get(%s) = %+v, %v, want %q", key, e, err, value)
	}
	return e.Revision
}

func testPut(t *testing.T, open func() backend.Backend) {
	b := open()
	want(t, b, "a/b", "")
	one := put(t, b, "a/b", "one", "")
	if got := want(t, b, "a/b", "one"); got != one {
		t.Errorf("Get gives revision %q, Put gave %q", got, one)
	}
	two := put(t, b, "a/b", "two", one)
	if one == two {
		t.Error("two contents have the same revision")
	}
	want(t, b, "a/b", "two")
	other := open()
	put(t, other, "a/b", "three", want(t, other, "a/b", "two"))
	want(t, b, "a/b", "three")
}

func testConflict(t *testing.T, open func() backend.Backend) {
	b := open()
	ctx := t.Context()
	refuse := func(what string, ifRevision backend.Revision, now string) {
		t.Helper()
		if _, err := b.Put(ctx, "k", []byte("mine"), ifRevision); !errors.Is(err, backend.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
		want(t, b, "k", now)
	}
	refuse("update of nothing", "1", "")
	one := put(t, b, "k", "one", "")
	refuse("create what is there", "", "one")
	two := put(t, b, "k", "two", one)
	refuse("stale revision", one, "two")
	other := open()
	put(t, other, "k", "theirs", want(t, other, "k", "two"))
	refuse("changed by somebody else", two, "theirs")
	if err := other.Delete(ctx, "k", ""); err != nil {
		t.Fatal(err)
	}
	refuse("removed by somebody else", two, "")
}

func testDelete(t *testing.T, open func() backend.Backend) {
	b := open()
	ctx := t.Context()
	for _, revision := range []backend.Revision{"", "1"} {
		if err := b.Delete(ctx, "a/b/k", revision); err != nil {
			t.Errorf("nothing there, revision %q: %v", revision, err)
		}
	}
	one := put(t, b, "a/b/k", "one", "")
	two := put(t, b, "a/b/k", "two", one)
	if err := b.Delete(ctx, "a/b/k", one); !errors.Is(err, backend.ErrConflict) {
		t.Errorf("stale revision: %v, want ErrConflict", err)
	}
	want(t, b, "a/b/k", "two")
	if err := b.Delete(ctx, "a/b/k", two); err != nil {
		t.Error(err)
	}
	want(t, b, "a/b/k", "")
	put(t, b, "a/b/k", "three", "")
	if err := b.Delete(ctx, "a/b/k", ""); err != nil {
		t.Error(err)
	}
	want(t, b, "a/b/k", "")
}

func testValues(t *testing.T, open func() backend.Backend) {
	b := open()
	for name, value := range map[string][]byte{
		"empty":  {},
		"binary": {0, 255, '\n', 0, '\r'},
		"large":  bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
	} {
		given := slices.Clone(value)
		if _, err := b.Put(t.Context(), "v/"+name, given, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range given {
			given[i] = 'x' // the caller's own again
		}
		for range 2 {
			e, err := b.Get(t.Context(), "v/"+name)
			if err != nil || !bytes.Equal(e.Value, value) {
				t.Fatalf("%s: %d bytes came back, %v", name, len(e.Value), err)
			}
			clear(e.Value)
		}
	}
}

// oddKeys are valid, and easily mixed up with others or with what a file
// system gives a meaning.
func oddKeys() []string {
	return []string{
		"a", "A", "a/b", "a/b/c", "a.json", "a.json/b", "a.jsonl", ".", "..", "../x", "x/../y", "./x", ".hidden",
		"*.example.com", "a b", "a%2Fb", "a%2fb", "%", "ä/ö", "a\x00b", "a\nb", "~", "-", "con", strings.Repeat("x", 128),
		"deep/" + strings.Repeat("y", 128) + "/" + strings.Repeat("z", 128), ".a.tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	}
}

func testKeys(t *testing.T, open func() backend.Backend) {
	b := open()
	for _, key := range oddKeys() {
		put(t, b, "odd/"+key, "value of "+key, "")
		if err := b.Append(t.Context(), "odd/"+key, []byte("line of "+key[:1])); err != nil {
			t.Errorf("Append(%q): %v", key, err)
		}
	}
	var all []string
	for _, key := range oddKeys() {
		want(t, b, "odd/"+key, "value of "+key)
		all = append(all, "odd/"+key)
	}
	slices.Sort(all)
	if got, err := b.Keys(t.Context(), "odd"); err != nil || !slices.Equal(got, all) {
		t.Errorf("Keys = %q, %v, want %q", got, err, all)
	}
}

func testBadKeys(t *testing.T, open func() backend.Backend) {
	b := open()
	ctx := t.Context()
	for _, key := range []string{"", "/", "/a", "a/", "a//b", strings.Repeat("x", 129), "a/" + strings.Repeat("x", 129)} {
		_, get := b.Get(ctx, key)
		_, put := b.Put(ctx, key, nil, "")
		_, list := b.Keys(ctx, key)
		for what, err := range map[string]error{
			"Get": get, "Put": put, "Keys": list,
			"Delete": b.Delete(ctx, key, ""),
			"Scan":   b.Scan(ctx, key, func(backend.Entry, error) error { return nil }),
			"Append": b.Append(ctx, key, []byte("x")),
			"Trim":   b.Trim(ctx, key, 1),
		} {
			if !errors.Is(err, backend.ErrKey) {
				t.Errorf("%s(%q): %v, want ErrKey", what, key, err)
			}
		}
		for _, err := range b.Lines(ctx, key) {
			if !errors.Is(err, backend.ErrKey) {
				t.Errorf("Lines(%q): %v, want ErrKey", key, err)
			}
		}
	}
}

// testNoUpdateLost adds to one number from many goroutines.
func testNoUpdateLost(t *testing.T, open func() backend.Backend) {
	const workers, times = 8, 10
	b := open()
	put(t, b, "n", "", "")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range times {
				for {
					e, err := b.Get(t.Context(), "n")
					if err == nil {
						_, err = b.Put(t.Context(), "n", append(e.Value, '|'), e.Revision)
					}
					if err == nil {
						break
					}
					if !errors.Is(err, backend.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	want(t, b, "n", strings.Repeat("|", workers*times))
}

// scan gathers what Scan visits, as key=value.
func scan(t *testing.T, b backend.Backend, folder string) []string {
	t.Helper()
	var mu sync.Mutex
	var found []string
	err := b.Scan(t.Context(), folder, func(e backend.Entry, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("Scan visits %s: %v", e.Key, err)
		}
		found = append(found, e.Key+"="+string(e.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

func testScan(t *testing.T, open func() backend.Backend) {
	b := open()
	if got := scan(t, b, "g"); len(got) != 0 {
		t.Errorf("empty place: %q", got)
	}
	var all []string
	for i := range 300 {
		key, value := fmt.Sprintf("g/%03d", i), strings.Repeat("x", i)
		put(t, b, key, value, "")
		all = append(all, key+"="+value)
	}
	for _, key := range []string{"g/deep/a", "g/deep/er/b"} {
		put(t, b, key, "v", "")
		all = append(all, key+"=v")
	}
	for _, key := range []string{"g", "gg/x", "h/g/x"} {
		put(t, b, key, "not below g", "")
	}
	slices.Sort(all)
	if got := scan(t, b, "g"); !slices.Equal(got, all) {
		t.Errorf("Scan = %q, want %q", got, all)
	}
	if got := scan(t, b, "g/deep/er"); !slices.Equal(got, []string{"g/deep/er/b=v"}) {
		t.Errorf("Scan of a folder below = %q", got)
	}
	err := b.Scan(t.Context(), "g", func(e backend.Entry, _ error) error {
		if now, err := b.Get(t.Context(), e.Key); err != nil || now.Revision != e.Revision {
			t.Errorf("revision of %s = %q, Get gives %q, %v", e.Key, e.Revision, now.Revision, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func testScanStops(t *testing.T, open func() backend.Backend) {
	b := open()
	for i := range 300 {
		put(t, b, fmt.Sprintf("g/%d", i), "v", "")
	}
	enough := errors.New("enough")
	if err := b.Scan(t.Context(), "g", func(backend.Entry, error) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Scan = %v, want visit's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Scan(ctx, "g", func(backend.Entry, error) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Scan = %v, want context.Canceled", err)
	}
}

// testScanMissesNothing lists while values change: each is seen every time,
// whole.
func testScanMissesNothing(t *testing.T, open func() backend.Backend) {
	b := open()
	const keys = 40
	revisions := make([]backend.Revision, keys)
	for i := range keys {
		revisions[i] = put(t, b, fmt.Sprintf("g/%d", i), "aaaa", "")
	}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			i := n % keys
			value := strings.Repeat(string(rune('a'+n/keys%26)), 4+n%7)
			revision, err := b.Put(t.Context(), fmt.Sprintf("g/%d", i), []byte(value), revisions[i])
			if err != nil {
				t.Error(err)
				return
			}
			revisions[i] = revision
		}
	})
	reader := open()
	for range 15 {
		for _, lister := range []backend.Backend{b, reader} {
			found := scan(t, lister, "g")
			if len(found) != keys {
				t.Errorf("%d of %d seen", len(found), keys)
			}
			for _, entry := range found {
				if _, value, _ := strings.Cut(entry, "="); len(value) < 4 || strings.Trim(value, value[:1]) != "" {
					t.Errorf("a mixture of values: %q", entry)
				}
			}
		}
	}
	close(done)
	writer.Wait()
}
