package ocsp

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// freshUntil is how long an answer stays the same by the words of HTTP
// (RFC 9111 section 4.2.1; RFC 5019 section 6): max-age, else Expires. It is zero
// where there are none, or none that can be read.
func freshUntil(h http.Header, now time.Time) time.Time {
	for _, word := range strings.Split(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		return now.Add(seconds(strings.Trim(value, `"`)) - seconds(h.Get("Age")))
	}
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return time.Time{}
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return expires
	}
	return now.Add(expires.Sub(date)) // our clock need not be theirs
}

// seconds reads a number of seconds, of a year at most; 0 where there is none.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 366*24*3600)) * time.Second
}
