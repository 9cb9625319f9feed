package metrics

import (
	"bufio"
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Counters is what a process counts while it runs. Its methods are quick and
// may be called by many goroutines. The zero value is ready.
type Counters struct {
	mu       sync.Mutex // guards what follows
	requests map[request]float64
	took     map[asked]*spread
	steps    map[step]float64
	events   map[string]float64
}

// request is what requests to a CA are counted by.
type request struct{ issuer, method, status string }

type asked struct{ issuer, method string }

// step is what steps are counted by.
type step struct{ kind, result string }

// bounds of the histogram, in seconds: a CA answers within a second, signs
// within some, and is given up after thirty.
func bounds() []float64 { return []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30} }

// spread is a histogram.
type spread struct {
	below []uint64 // as many as bounds, each alone
	count uint64
	sum   float64
}

// Request counts a request to a CA. Status is that of HTTP; 0 where there was
// no answer.
func (c *Counters) Request(issuer, method string, status int, took time.Duration) {
	class := "none"
	if status > 0 {
		class = strconv.Itoa(status/100) + "xx"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests, c.took = map[request]float64{}, map[asked]*spread{}
	}
	c.requests[request{issuer, method, class}]++
	key := asked{issuer, method}
	if c.took[key] == nil {
		c.took[key] = &spread{below: make([]uint64, len(bounds()))}
	}
	c.took[key].add(took.Seconds())
}

func (s *spread) add(v float64) {
	s.count++
	s.sum += v
	if i, _ := slices.BinarySearch(bounds(), v); i < len(s.below) {
		s.below[i]++
	}
}

// Step counts a step that was carried out: an order, an installation, a look
// at a service. Failed says whether it failed.
func (c *Counters) Step(kind string, failed bool) {
	result := "success"
	if failed {
		result = "error"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.steps == nil {
		c.steps = map[step]float64{}
	}
	c.steps[step{kind, result}]++
}

// Event counts an event of the history.
func (c *Counters) Event(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events == nil {
		c.events = map[string]float64{}
	}
	c.events[kind]++
}

// Forget drops what was counted of issuers that keep does not know, so that
// series end with what they are about.
func (c *Counters) Forget(keep func(issuer string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.requests, func(r request, _ float64) bool { return !keep(r.issuer) })
	maps.DeleteFunc(c.took, func(a asked, _ *spread) bool { return !keep(a.issuer) })
}

// The kinds of step that stand in families of their own. Each has both
// results from the start, so that the first failure is an increase.
const (
	kindIssue   = "issue"
	kindInstall = "install"
	kindVerify  = "verify"
)

// text is what was counted, as it is written. It is made in memory: who counts
// must not wait for a client that does not read.
func (c *Counters) text() []byte {
	var b bytes.Buffer
	w := &writer{out: bufio.NewWriter(&b)}
	w.counters(c)
	_ = w.out.Flush() // memory takes it
	return b.Bytes()
}

// counters writes what was counted.
func (w *writer) counters(c *Counters) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.family("certkeep_acme_client_requests_total", counter, "Requests to CAs, by the class of the answer's status; none: there was no answer.")
	for _, r := range slices.SortedFunc(maps.Keys(c.requests), func(a, b request) int {
		return cmp.Or(strings.Compare(a.issuer, b.issuer), strings.Compare(a.method, b.method), strings.Compare(a.status, b.status))
	}) {
		w.value(c.requests[r], "issuer_name", r.issuer, "method", r.method, "status", r.status)
	}
	w.family("certkeep_acme_client_request_duration_seconds", histogram, "How long CAs took to answer.")
	for _, a := range slices.SortedFunc(maps.Keys(c.took), func(a, b asked) int {
		return cmp.Or(strings.Compare(a.issuer, b.issuer), strings.Compare(a.method, b.method))
	}) {
		w.spread(c.took[a], "issuer_name", a.issuer, "method", a.method)
	}
	for _, f := range []struct{ name, kind, help string }{
		{"certkeep_issue_attempts_total", kindIssue, "Orders that were carried out."},
		{"certkeep_installs_total", kindInstall, "Installations of a version at a target."},
		{"certkeep_verifications_total", kindVerify, "Looks at what services present."},
	} {
		w.family(f.name, counter, f.help)
		for _, result := range []string{"success", "error"} {
			w.value(c.steps[step{f.kind, result}], "result", result)
		}
	}
	w.family("certkeep_steps_total", counter, "Steps that were carried out.")
	for _, s := range slices.SortedFunc(maps.Keys(c.steps), func(a, b step) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.result, b.result))
	}) {
		w.value(c.steps[s], "kind", s.kind, "result", s.result)
	}
	w.family("certkeep_events_total", counter, "Events, by the words of history and hooks.")
	for _, kind := range slices.Sorted(maps.Keys(c.events)) {
		w.value(c.events[kind], "event", kind)
	}
}

// spread writes a histogram.
func (w *writer) spread(s *spread, labels ...string) {
	below := uint64(0)
	for i, bound := range bounds() {
		below += s.below[i]
		w.sample("_bucket", float64(below), append(slices.Clip(labels), "le", strconv.FormatFloat(bound, 'g', -1, 64))...)
	}
	w.sample("_bucket", float64(s.count), append(slices.Clip(labels), "le", "+Inf")...)
	w.sample("_sum", s.sum, labels...)
	w.sample("_count", float64(s.count), labels...)
}
