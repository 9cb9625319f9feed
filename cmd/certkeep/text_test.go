package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"mail", "www", "www.example.com", "shop.example.com", "ÄÖ"}
	for word, want := range map[string]string{
		"mial": "mail", "ww": "www", "example": "shop.example.com www.example.com", "www.exmaple.com": "www.example.com", "": "", "zzzz": "", "MAIL": "mail",
	} {
		if got := strings.Join(nearest(word, names), " "); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, nil},
		{"one two three", 7, []string{"one two", "three"}},
		{"one\ntwo", 80, []string{"one two"}},
		{"averylongwordthatdoesnotfit x", 10, []string{"averylongwordthatdoesnotfit", "x"}},
		{"bell\a and \x1b[31mred", 80, []string{"bell? and ?[31mred"}},
	} {
		if got := wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"example", 7, "example"}, {"example", 6, "examp…"}, {"äöü", 3, "äöü"}, {"äöü", 2, "ä…"}, {"x", 0, ""}} {
		if got := cut(c.text, c.width); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// TestVisible: JSON means the same afterwards, and shows what it holds.
func TestVisible(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain ä\n", "\u009b31m\u202eexe.gnp\u200b\x7f", "\U000e0041\U0001f600"} {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		shown := visible(raw)
		if err := json.Unmarshal(shown, &got); err != nil || got != text {
			t.Errorf("visible(%q) = %q, which means %q, %v", raw, shown, got, err)
		}
		if strings.ContainsFunc(string(shown), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("visible(%q) = %q", raw, shown)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := table([][]string{{"a", "äöü", "x"}, {"long", "b", ""}})
	if want := "a     äöü  x\nlong  b\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		90 * 24 * time.Hour: "in 90 days", 47 * time.Hour: "in 47 hours", time.Minute: "in 60 seconds", -3 * time.Minute: "3 minutes ago", -time.Second: "1 second ago",
	} {
		if got := away(now, now.Add(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestProgressFrames(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	p := newProgress(began)
	p.take(engine.Progress{Time: began, Cert: "www.example.com", Stage: "waiting for the CA"})
	p.take(engine.Progress{Time: at(1), Cert: "mail", Stage: "finalize"})
	if got := p.frame(began.Add(999*time.Millisecond), 80, 24); got != nil {
		t.Errorf("within the first second: %q", got)
	}
	want := []string{"www.example.com  waiting for the CA (2s)", "mail             finalize (1s)", "2 under way, 0 done, 0 failed"}
	if got := p.frame(at(2), 80, 24); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	p.take(engine.Progress{Time: at(2), Cert: "mail", Event: &store.Event{Kind: store.EventIssued, Words: "by test"}})
	p.take(engine.Progress{Time: at(3), Cert: "www.example.com", Step: &plan.Step{}, Fault: &plan.Fault{}})
	want = []string{"mail  issued: by test (3s)", "1 under way, 0 done, 1 failed"}
	if got := p.frame(at(4), 80, 24); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	p.take(engine.Progress{Time: at(4), Cert: "mail", Step: &plan.Step{}})
	p.paused = true
	if got := p.frame(at(5), 80, 24); got != nil {
		t.Errorf("while a question is asked: %q", got)
	}
}

// Neither many certificates nor long names make the lines wrap or scroll.
func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := newProgress(began)
	for i := range 50 {
		p.take(engine.Progress{Time: began, Cert: strings.Repeat("n", i+1), Stage: strings.Repeat("w", 100)})
	}
	lines := p.frame(began.Add(time.Minute), 40, 10)
	if len(lines) >= 10 || !slices.Contains(lines, "… and 43 more") {
		t.Errorf("%d lines on a terminal of 10: %q", len(lines), lines)
	}
	for _, l := range lines {
		if columns(l) >= 40 {
			t.Errorf("%d columns on a terminal of 40: %q", columns(l), l)
		}
	}
}
