package acmetest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"path"
	"regexp"
	"sync"
)

// tailSize is how much of the children's log is kept to explain a failure.
const tailSize = 16 << 10

// childLog reads what the children log: it keeps the end, passes it on, and
// learns from it which challenges and orders Pebble is done with.
type childLog struct {
	to io.Writer // may be nil

	mu      sync.Mutex // guards all below
	line    []byte     // unfinished
	kept    []byte
	done    map[string]chan struct{} // by id of challenge or order; closed when Pebble is done with it
	invalid map[string]string        // authorisation → challenge that failed it
}

// newChildLog returns a log that passes everything on to w, if not nil.
func newChildLog(w io.Writer) *childLog {
	return &childLog{to: w, done: make(map[string]chan struct{}), invalid: make(map[string]string)}
}

// Write takes what the children write. They share it, so that two lines may
// be mixed in theory; each of them writes whole lines.
func (l *childLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, b...)
	for {
		i := bytes.IndexByte(l.line, '\n')
		if i < 0 {
			break
		}
		l.learn(l.line[:i])
		l.kept = append(l.kept, l.line[:i+1]...)
		l.line = l.line[i+1:]
	}
	if over := len(l.kept) - tailSize; over > tailSize {
		l.kept = bytes.Clone(l.kept[over:])
	}
	if l.to == nil {
		return len(b), nil
	}
	return l.to.Write(b)
}

// The lines by which Pebble says that it is done.
var (
	lineValid   = regexp.MustCompile(`authz \S+ set VALID by completed challenge (\S+)$`)
	lineFailed  = regexp.MustCompile(`authz (\S+) set INVALID by completed challenge (\S+)$`)
	lineInvalid = regexp.MustCompile(`order \S+ set INVALID by invalid authz (\S+)$`)
	lineIssued  = regexp.MustCompile(`Issued certificate serial \S+ for order (\S+)$`)
)

// learn takes note of a line. The caller holds the lock.
func (l *childLog) learn(line []byte) {
	if m := lineValid.FindSubmatch(line); m != nil {
		l.finish(string(m[1]))
	} else if m := lineIssued.FindSubmatch(line); m != nil {
		l.finish(string(m[1]))
	} else if m := lineFailed.FindSubmatch(line); m != nil {
		// The order's own error is set after this line and before the next.
		l.invalid[string(m[1])] = string(m[2])
	} else if m := lineInvalid.FindSubmatch(line); m != nil {
		l.finish(l.invalid[string(m[1])])
	}
}

// wait returns the channel of an id. The caller holds the lock.
func (l *childLog) wait(id string) chan struct{} {
	c := l.done[id]
	if c == nil {
		c = make(chan struct{})
		l.done[id] = c
	}
	return c
}

// finish marks an id as done. The caller holds the lock.
func (l *childLog) finish(id string) {
	select {
	case <-l.wait(id): // done already
	default:
		close(l.wait(id))
	}
}

// await returns when Pebble is done with a challenge or a finalisation.
func (l *childLog) await(ctx context.Context, urlPath string) {
	l.mu.Lock()
	c := l.wait(path.Base(urlPath))
	l.mu.Unlock()
	select {
	case <-c:
	case <-ctx.Done():
	}
}

// tail is the end of the log.
func (l *childLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.kept)
}

// heldAnswer is an answer that is kept until it is released.
type heldAnswer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// newHeldAnswer returns an empty one.
func newHeldAnswer() *heldAnswer {
	return &heldAnswer{header: make(http.Header), code: http.StatusOK}
}

// Header returns the header to be sent.
func (h *heldAnswer) Header() http.Header { return h.header }

// WriteHeader keeps the status. Interim answers are dropped.
func (h *heldAnswer) WriteHeader(code int) {
	if code >= http.StatusOK {
		h.code = code
	}
}

// Write keeps the body.
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// release sends the answer.
func (h *heldAnswer) release(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	w.WriteHeader(h.code)
	// A client that has gone away does not want it.
	_, _ = w.Write(h.body.Bytes())
}
