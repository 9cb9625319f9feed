package backendtest

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// seen are the keys that a watch yields, as they come.
func seen(t *testing.T, b backend.Backend, folder string) <-chan string {
	t.Helper()
	keys := make(chan string, 100)
	go func() {
		defer close(keys)
		for key, err := range b.Watch(t.Context(), folder) {
			if err != nil {
				t.Errorf("Watch(%s): %v", folder, err)
				return
			}
			keys <- key
		}
	}()
	return keys
}

// awaited is the next key that a watch yields.
func awaited(t *testing.T, keys <-chan string) string {
	t.Helper()
	select {
	case key := <-keys:
		return key
	case <-time.After(time.Minute):
		t.Fatal("nothing was seen")
	}
	return ""
}

// testWatch changes values through one Backend and watches through another,
// as two processes do.
func testWatch(t *testing.T, open func() backend.Backend) {
	writer, reader := open(), open()
	keys := seen(t, reader, "groups") // which is not there yet
	first := put(t, writer, "groups/a.example", "1", "")
	if key := awaited(t, keys); key != "" {
		t.Errorf("the first key is %q, want none: all has to be read", key)
	}
	next := func(want string) {
		t.Helper()
		for key := awaited(t, keys); key != want; key = awaited(t, keys) {
			if key != "" && key != "groups/a.example" { // may be told more than once
				t.Errorf("saw %q, want %q", key, want)
			}
		}
	}
	put(t, writer, "groups/b.example%", "1", "")
	next("groups/b.example%")
	put(t, writer, "groups/a.example", "2", first)
	next("groups/a.example")
	put(t, writer, "others/x", "1", "")
	put(t, writer, "groups/deeper/x", "1", "")
	if err := writer.Delete(t.Context(), "groups/b.example%", ""); err != nil {
		t.Fatal(err)
	}
	next("groups/b.example%")
}
