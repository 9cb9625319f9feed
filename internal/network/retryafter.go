package network

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds what a server may ask for: longer than that, it would end
// certificates by a slip of its operator's hand.
const MaxRetryAfter = 30 * 24 * time.Hour

// RetryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds,
// or a date, which is compared with the answer's own Date so that our clock
// does not matter. Zero means that there is none, or none that can be read.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if isDigits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // more digits than a number holds, or too long
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), MaxRetryAfter)
}

// isDigits reports whether s is made of ASCII digits alone.
func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
