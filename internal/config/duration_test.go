package config

import (
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "1y": 365 * day,
		"1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "0.5d": 12 * time.Hour, "0s": 0, "250ms": 250 * time.Millisecond,
		"292y": 292 * year,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "30", "d", "-1d", "+1d", "1d ", " 1d", "1 d", "1x", "1.d", ".5d", "1..5h", "1e3s", "293y", "292y292y", "9999999999h", "1M", "1dd", "∞"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"1y": year, "2y": 2 * year, "30d": 30 * day, "7d": week, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute,
		"2m": 2 * time.Minute, "90m": 0, "1m30s": 90 * time.Second, "0s": 0, "500ms": 500 * time.Millisecond, "10h": 10 * time.Hour,
	} {
		if want == "90m" {
			continue // never written that way
		}
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]plan.Span{
		"33%": {Percent: 33}, "0.5%": {Percent: 0.5}, "99.9%": {Percent: 99.9}, "30d": {Fixed: 30 * day},
	} {
		got, err := ParseSpan(text)
		if err != nil || got != want {
			t.Errorf("ParseSpan(%q) = %v, %v; want %v", text, got, err, want)
		}
		if again := FormatSpan(got); again != text {
			t.Errorf("FormatSpan(%v) = %q, want %q", got, again, text)
		}
	}
	for _, text := range []string{"", "%", "0%", "100%", "-5%", "1e1%", "x%", "33 %", "0s", "33", "NaN%", "1.2.3%", "1.%", ".1%"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("ParseSpan(%q) = %v, want an error", text, got)
		}
	}
	if got := FormatSpan(plan.Span{}); got != "" {
		t.Errorf("FormatSpan of nothing = %q", got)
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"33%", "30d", "1h30m", "1y2w3d", "0.1%", "µs", "1µs", "1.5d", "%"} {
		f.Add(s)
	}
	duration, span := regexp.MustCompile(durationPattern), regexp.MustCompile(spanPattern)
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil {
			if d < 0 {
				t.Fatalf("ParseDuration(%q) = %v", text, d)
			}
			if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
				t.Fatalf("%q is %v, shown as %q, read as %v, %v", text, d, FormatDuration(d), again, err)
			}
			if !duration.MatchString(text) {
				t.Fatalf("the JSON Schema refuses %q", text)
			}
		}
		v, err := ParseSpan(text)
		if err != nil {
			return
		}
		if !span.MatchString(text) {
			t.Fatalf("the JSON Schema refuses %q", text)
		}
		again, err := ParseSpan(FormatSpan(v))
		if err != nil || again.Fixed != v.Fixed || math.Abs(again.Percent-v.Percent) > 1e-12 {
			t.Fatalf("%q is %v, shown as %q, read as %v, %v", text, v, FormatSpan(v), again, err)
		}
	})
}
