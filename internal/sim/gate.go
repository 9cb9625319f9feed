package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// gate stands before a CA: it is down at times, and loses requests and
// answers as the seed says.
type gate struct {
	name   string
	chance chance
	rate   float64 // of requests that go wrong
	ca     http.Handler
	now    func() time.Time // the CA's clock
	fault  func(kind string)
	note   func(format string, args ...any)

	mu      sync.Mutex // guards what follows
	life    int
	down    int               // outages that overlap
	hangs   bool              // while down it takes connections and says nothing
	subject map[string]string // the names that a path of the CA is about
	seen    map[string]int    // requests by kind and subject
}

// wrongs are the ways in which a request goes wrong.
func wrongs() []string {
	return []string{"refused", "answer lost", "500", "503", "garbage", "hangs"}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	wrong := g.wrong(r, body)
	if wrong != "" {
		g.fault("ca: " + wrong)
	}
	switch wrong {
	case "":
	case "refused":
		panic(http.ErrAbortHandler)
	case "hangs":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "500", "garbage":
		g.date(w)
		status := http.StatusOK
		if wrong == "500" {
			status = http.StatusInternalServerError
		}
		http.Error(w, "<html><body>\x1b[31mupstream connect error", status)
		return
	case "503":
		g.date(w)
		w.Header().Set("Retry-After", "1800")
		http.Error(w, "come later", http.StatusServiceUnavailable)
		return
	}
	answer := httptest.NewRecorder()
	g.ca.ServeHTTP(answer, r)
	if kind := kindOf(r.URL.Path); (kind == "new-order" || kind == "finalize") && answer.Code < 300 {
		g.note("    %s %s for %s: %s", g.name, kind, g.whom(r, body), answer.Header().Get("Location"))
	}
	if wrong == "answer lost" && answer.Header().Get("Retry-After") == "" { // else the CA would think that it was heard
		panic(http.ErrAbortHandler)
	}
	g.learn(r, body, answer)
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

func newGate(name string, c chance, rate float64, ca http.Handler, w *world) *gate {
	return &gate{
		name: name, chance: c, rate: rate, ca: ca, now: w.now, fault: w.fault, note: w.note,
		subject: map[string]string{}, seen: map[string]int{},
	}
}

// wrong decides how a request goes wrong; "" for not at all.
func (g *gate) wrong(r *http.Request, body []byte) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	subject := g.about(r, body)
	kind := kindOf(r.URL.Path)
	g.seen[kind+" "+subject]++
	if g.down > 0 {
		if g.hangs {
			return "hangs"
		}
		return "refused"
	}
	occasion := []any{g.name, g.life, kind, subject, g.seen[kind+" "+subject]}
	if subject == "" {
		occasion[4] = time.Now().UnixNano() // whose it is depends on who came first
	}
	if !g.chance.happens(g.rate, occasion...) {
		return ""
	}
	return pick(g.chance.of(append(occasion, "how")...), wrongs())
}

// about is whom a request is for: the names of the order that it belongs to.
func (g *gate) about(r *http.Request, body []byte) string {
	if names := namesIn(body); names != "" {
		return names
	}
	return g.subject[r.URL.Path]
}

// whom is about, for who does not hold mu.
func (g *gate) whom(r *http.Request, body []byte) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.about(r, body)
}

// namesIn are the identifiers of a newOrder request.
func namesIn(body []byte) string {
	var jws struct{ Payload string }
	if json.Unmarshal(body, &jws) != nil {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil {
		return ""
	}
	var order struct{ Identifiers []struct{ Value string } }
	if json.Unmarshal(payload, &order) != nil {
		return ""
	}
	var names []string
	for _, id := range order.Identifiers {
		names = append(names, id.Value)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// learn remembers which order the URLs of an answer belong to.
func (g *gate) learn(r *http.Request, body []byte, answer *httptest.ResponseRecorder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	subject := g.about(r, body)
	if subject == "" {
		return
	}
	prefix := "http://" + g.name
	text := answer.Header().Get("Location") + "\"" + answer.Body.String()
	for _, piece := range strings.Split(text, "\"") {
		if path, ours := strings.CutPrefix(piece, prefix); ours {
			g.subject[path] = subject
		}
	}
}

// kindOf is the first part of a path.
func kindOf(path string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return kind
}

// outage is one that begins (+1) or ends (-1).
func (g *gate) outage(change int, hangs bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down += change
	g.hangs = hangs
}

// isUp reports whether it can be asked.
func (g *gate) isUp() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down == 0
}

// date sets the CA's time in an answer of the gate's own: that of the machine
// may be wrong.
func (g *gate) date(w http.ResponseWriter) {
	w.Header().Set("Date", g.now().UTC().Format(http.TimeFormat))
}

// newLife takes note that a process was started; in a calm life nothing goes
// wrong.
func (g *gate) newLife(n int, calm bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life = n
	if calm {
		g.rate = 0
	}
}
