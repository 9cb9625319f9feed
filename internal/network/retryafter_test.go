package network_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"120", "", 2 * time.Minute},
		{" 120 ", "", 2 * time.Minute},
		{"99999999", "", network.MaxRetryAfter},
		{"99999999999999999999999999", "", network.MaxRetryAfter},
		{"-5", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{"Fri, 20 Nov 2026 12:05:00 GMT", "", 5 * time.Minute},
		{"Fri, 20 Nov 2026 11:05:00 GMT", "", 0},
		{"Fri, 20 Nov 2026 12:05:00 GMT", "Fri, 20 Nov 2026 12:04:00 GMT", time.Minute},
		{"Fri, 20 Nov 2126 12:05:00 GMT", "", network.MaxRetryAfter},
		{"Friday, 20-Nov-26 12:05:00 GMT", "", 5 * time.Minute}, // RFC 850, which RFC 9110 still allows
	} {
		h := http.Header{"Retry-After": {test.value}, "Date": {test.date}}
		if got := network.RetryAfter(h, now); got != test.want {
			t.Errorf("Retry-After %q at %q: %s, want %s", test.value, test.date, got, test.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Fri, 20 Nov 2026 12:05:00 GMT", "Fri, 20 Nov 2026 12:04:00 GMT")
	f.Add("99999999999999999999", "x")
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value, date string) {
		got := network.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if got < 0 || got > network.MaxRetryAfter {
			t.Errorf("Retry-After %q at %q: %s", value, date, got)
		}
	})
}
