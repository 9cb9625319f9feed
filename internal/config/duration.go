package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
)

// The patterns of durations and spans in the JSON Schema. They allow what
// ParseDuration and ParseSpan allow, bounds aside.
const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h|d|w|y))+$`
	spanPattern     = `^(([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h|d|w|y))+|[0-9]+(\.[0-9]+)?%)$`
)

var errDuration = errors.New("not a duration")

// ParseDuration reads Go's durations with d (24 hours), w and y (365 days)
// beside h, m, s, ms, us and ns, as in "30d", "1d12h" or "1.5h". There is
// always a unit and never a sign.
func ParseDuration(s string) (time.Duration, error) {
	var sum time.Duration
	rest := s
	for rest != "" {
		amount := strings.TrimLeft(rest, "0123456789.")
		unit := strings.TrimLeft(amount, "abcdefghijklmnopqrstuvwxyzµμ")
		value, name := rest[:len(rest)-len(amount)], amount[:len(amount)-len(unit)]
		d, err := parseAmount(value, name)
		if err != nil || sum > math.MaxInt64-d {
			return 0, fmt.Errorf("%q: %w", shorten(s), errDuration)
		}
		sum, rest = sum+d, unit
	}
	if s == "" {
		return 0, fmt.Errorf("%q: %w", s, errDuration)
	}
	return sum, nil
}

// parseAmount reads one amount with its unit.
func parseAmount(value, unit string) (time.Duration, error) {
	if value == "" || unit == "" || value[0] == '.' || value[len(value)-1] == '.' {
		return 0, errDuration
	}
	times := time.Duration(1)
	switch unit {
	case "d":
		unit, times = "h", 24
	case "w":
		unit, times = "h", 7*24
	case "y":
		unit, times = "h", 365*24
	}
	d, err := time.ParseDuration(value + unit)
	if err != nil || d > math.MaxInt64/times {
		return 0, errDuration
	}
	return d * times, nil
}

// FormatDuration renders d so that ParseDuration reads the same: in the
// largest units that leave no rest.
func FormatDuration(d time.Duration) string {
	switch {
	case d > 0 && d%year == 0:
		return fmt.Sprintf("%dy", d/year)
	case d > 0 && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ParseSpan reads a duration or a percentage above 0 and below 100.
func ParseSpan(s string) (plan.Span, error) {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		if strings.Trim(share, "0123456789.") != "" || strings.HasPrefix(share, ".") || strings.HasSuffix(share, ".") {
			return plan.Span{}, fmt.Errorf("%q is not a percentage", shorten(s))
		}
		p, err := strconv.ParseFloat(share, 64)
		if err != nil {
			return plan.Span{}, fmt.Errorf("%q is not a percentage", shorten(s))
		}
		if p <= 0 || p >= 100 {
			return plan.Span{}, fmt.Errorf("%s is not between 0%% and 100%%", shorten(s))
		}
		return plan.Span{Percent: p}, nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		return plan.Span{}, err
	}
	if d <= 0 {
		return plan.Span{}, fmt.Errorf("%s is no time at all", shorten(s))
	}
	return plan.Span{Fixed: d}, nil
}

// FormatSpan renders v so that ParseSpan reads the same, and "" for nothing.
func FormatSpan(v plan.Span) string {
	switch {
	case v.Fixed > 0:
		return FormatDuration(v.Fixed)
	case v.Percent > 0:
		return strconv.FormatFloat(v.Percent, 'f', -1, 64) + "%"
	}
	return ""
}
