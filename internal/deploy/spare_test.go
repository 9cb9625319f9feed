package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestPlaceholderIsMarked: the mark stands beside a placeholder in a folder that is
// switched as a whole, goes with it, and stands nowhere else.
func TestPlaceholderIsMarked(t *testing.T) {
	t.Parallel()
	for _, layout := range []Layout{LayoutStandard, LayoutCertbot, LayoutNixOS, LayoutHAProxy} {
		target := Target{Cert: "c", Name: "d", Layout: layout, Base: t.TempDir(), KeyTypes: []string{p256}}
		spare, err := PlaceholderFor(target, []string{"a.test"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		d := New(Options{State: t.TempDir(), Disk: durable.NoSync{}})
		mustPut(t, d, target, spare)
		folder := target.Lineage()
		if folder == "" {
			folder = target.Base
		}
		mark := filepath.Join(folder, PlaceholderMark)
		text, err := os.ReadFile(mark)
		if has := err == nil && string(text) == markText; has != (layout != LayoutHAProxy) {
			t.Errorf("%s: %q, %v", layout, text, err)
		}
		mustPut(t, d, target, newCA(t, "ca").content(t, "v1", "a.test"))
		if _, err := os.Lstat(mark); err == nil {
			t.Errorf("%s: the certificate of a CA is marked", layout)
		}
	}
}

// TestPlaceholderDisturbsNoSoundService: whoever works without the files is not
// told that something stands in for them; whoever does not is.
func TestPlaceholderDisturbsNoSoundService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		want  map[string]int
	}{
		"sound":          {"true", map[string]int{"check web": 2}},
		"lacks the file": {"test -e a.pem", map[string]int{"check web": 3, "reload web": 1}},
		"has no check":   {"", map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTheatre(t)
			target := h.target("a", h.service("web", c.check, ""))
			spare, err := PlaceholderFor(target, []string{"a.test"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			r := h.d.Batch(t.Context(), []Job{{Target: target, Content: spare, Spare: true}})[0]
			if r.Fault != nil || !r.Written || len(r.Stopped) != 0 {
				t.Errorf("%+v, %+v", r, r.Fault)
			}
			if calls := h.calls(t); !maps.Equal(calls, c.want) {
				t.Errorf("calls %v, want %v", calls, c.want)
			}
			// What takes its place is told of.
			h.d.Batch(t.Context(), []Job{{Target: target, Content: h.ca.content(t, "v1", "a.test")}})
			if calls := h.calls(t); calls["reload web"] != 1 {
				t.Errorf("calls for a certificate: %v", calls)
			}
		})
	}
}

// TestPlaceholderReplacesNoCertificate: also where it lacks a kind of key that is
// wanted now, and so is not complete.
func TestPlaceholderReplacesNoCertificate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layout   Layout
		keyTypes []string
	}{{LayoutStandard, []string{p256}}, {LayoutStandard, []string{p256, p384}}, {LayoutHAProxy, []string{p256}}} {
		target := Target{Cert: "c", Name: "d", Layout: c.layout, Base: t.TempDir(), KeyTypes: []string{p256}}
		d := New(Options{State: t.TempDir(), Disk: durable.NoSync{}})
		mustPut(t, d, target, newCA(t, "ca").content(t, "v1", "a.test"))
		paths, err := target.Paths()
		if err != nil {
			t.Fatal(err)
		}
		before := readFile(t, paths[0])
		target.KeyTypes = c.keyTypes
		spare, err := PlaceholderFor(target, []string{"a.test"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := d.Batch(t.Context(), []Job{{Target: target, Content: spare, Spare: true}})[0]
		if r.Fault == nil || r.Changed || readFile(t, paths[0]) != before {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
