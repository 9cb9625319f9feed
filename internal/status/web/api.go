package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
)

// Bounds of what one question gives.
const (
	usualLimit = 100
	mostLimit  = 1000
	usualUntil = 30 * 24 * time.Hour
	mostUntil  = 400 * 24 * time.Hour
)

// Summary is how everything is, in numbers.
type Summary struct {
	Time         time.Time    `json:"time"`
	Node         string       `json:"node"`
	State        status.State `json:"state"`
	Certificates Numbers      `json:"certificates"`
	Problems     int          `json:"problems"`
	NotInConfig  []string     `json:"not_in_config"`
	Trouble      string       `json:"trouble,omitempty"`
}

// Numbers are how many certificates are in each state.
type Numbers struct {
	OK       int `json:"ok"`
	Warning  int `json:"warning"`
	Critical int `json:"critical"`
	Unknown  int `json:"unknown"`
}

// Certificates is a part of a list of certificates.
type Certificates struct {
	Time         time.Time            `json:"time"`
	Node         string               `json:"node"`
	Total        int                  `json:"total"` // that fit the filter
	Offset       int                  `json:"offset"`
	Limit        int                  `json:"limit"`
	Next         string               `json:"next,omitempty"`
	Certificates []status.Certificate `json:"certificates"`
}

// One is a certificate with what happened to it.
type One struct {
	Time        time.Time          `json:"time"`
	Node        string             `json:"node"`
	Certificate status.Certificate `json:"certificate"`
	Events      []status.Event     `json:"events"`
}

// Problems is a part of the list of what a person must know.
type Problems struct {
	Time     time.Time      `json:"time"`
	Node     string         `json:"node"`
	Total    int            `json:"total"`
	Offset   int            `json:"offset"`
	Limit    int            `json:"limit"`
	Problems []plan.Problem `json:"problems"`
}

func (h *handler) summary(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	count := s.Counts()
	o := Summary{
		Time: s.At, Node: s.Node, State: s.State(), NotInConfig: append([]string{}, s.Leftover...), Trouble: s.Trouble, Problems: len(s.Problems()),
		Certificates: Numbers{OK: count[status.OK], Warning: count[status.Warning], Critical: count[status.Critical], Unknown: count[status.Unknown]},
	}
	return sendJSON(w, r, o)
}

func (h *handler) certificates(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	q := r.URL.Query()
	offset, limit, err := span(q)
	if err != nil {
		return err
	}
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	rows, found := f.find(s, offset, limit)
	list := Certificates{Time: s.At, Node: s.Node, Total: found, Offset: offset, Limit: limit, Certificates: []status.Certificate{}}
	for _, row := range rows {
		c, _ := s.Certificate(row.Name)
		list.Certificates = append(list.Certificates, c)
	}
	if offset+limit < found {
		q.Set("offset", strconv.Itoa(offset+limit))
		list.Next = r.URL.Path + "?" + q.Encode()
	}
	return sendJSON(w, r, list)
}

func (h *handler) certificate(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	c, ok := s.Certificate(r.PathValue("name"))
	if !ok {
		return notFound("the config has no certificate of that name")
	}
	events, err := h.events(r, c.Name)
	if err != nil {
		return err
	}
	return sendJSON(w, r, One{Time: s.At, Node: s.Node, Certificate: c, Events: append([]status.Event{}, events...)})
}

func (h *handler) problems(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	offset, limit, err := span(r.URL.Query())
	if err != nil {
		return err
	}
	all := s.Problems()
	return sendJSON(w, r, Problems{
		Time: s.At, Node: s.Node, Total: len(all), Offset: offset, Limit: limit, Problems: append([]plan.Problem{}, part(all, offset, limit)...),
	})
}

func (h *handler) plan(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	ahead := usualUntil
	if text := r.URL.Query().Get("until"); text != "" {
		days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
		ahead = time.Duration(days) * 24 * time.Hour
		if err != nil || days < 0 || ahead > mostUntil {
			return &failure{http.StatusBadRequest, "until takes days, as in 90d, 400 at most"}
		}
	}
	body, err := h.inTurn(r.Context(), func() ([]byte, error) { return encode(s.Foresee(s.Weighed.Add(ahead))) })
	if err != nil {
		return err
	}
	return send(w, r, kindJSON, body)
}

func (h *handler) version(w http.ResponseWriter, r *http.Request, _ *status.Snapshot) error {
	return sendJSON(w, r, h.Build)
}

func (h *handler) metrics(w http.ResponseWriter, r *http.Request, s *status.Snapshot) error {
	w.Header().Set("Content-Type", metrics.ContentType)
	if r.Method == http.MethodHead {
		return nil
	}
	return ignored(r, metrics.Write(w, metrics.Facts{Now: time.Now(), Build: h.Build, Snapshot: s, Counters: h.Counters}))
}

// events are those of a certificate, oldest first. A disk that hangs is not
// waited for longer than for a snapshot.
func (h *handler) events(r *http.Request, name string) ([]status.Event, error) {
	leave, err := h.atOnce(r.Context())
	if err != nil {
		return nil, err
	}
	type read struct {
		events []status.Event
		err    error
	}
	done := make(chan read, 1)
	go func() {
		defer leave() // not before the disk answered: those that hang are few
		events, err := h.Snapshots.Events(r.Context(), name)
		done <- read{events, err}
	}()
	timer := time.NewTimer(readMayTake)
	defer timer.Stop()
	select {
	case got := <-done:
		return got.events, got.err
	case <-timer.C:
		return nil, &failure{http.StatusGatewayTimeout, "the history is not read in time"}
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// readMayTake bounds what an answer waits for the disk, and for its turn.
const readMayTake = 2 * time.Second

// span is which part of a list is wanted.
func span(q url.Values) (offset, limit int, err error) {
	offset, err = number(q, "offset", 0, 0, 1<<30)
	if err == nil {
		limit, err = number(q, "limit", usualLimit, 1, mostLimit)
	}
	return offset, limit, err
}

func number(q url.Values, key string, usual, least, most int) (int, error) {
	text := q.Get(key)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &failure{http.StatusBadRequest, fmt.Sprintf("%s takes a number from %d to %d", key, least, most)}
	}
	return n, nil
}

func part[T any](all []T, offset, limit int) []T {
	from := min(offset, len(all))
	return all[from:min(from+limit, len(all))]
}

const kindJSON = "application/json"

func sendJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return send(w, r, kindJSON, body)
}

func encode(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(body, '\n'), nil
}

// refusal is the JSON of an error.
type refusal struct {
	Error string `json:"error"`
}

// refuse answers with an error, in the words of who asked.
func refuse(w http.ResponseWriter, r *http.Request, code int, words string) {
	kind, body := "text/plain; charset=utf-8", []byte(words+"\n")
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/"), strings.HasPrefix(r.URL.Path, "/md-status"), strings.HasPrefix(r.URL.Path, certificateStatusPath):
		text, err := json.Marshal(refusal{words})
		if err == nil {
			kind, body = kindJSON, append(text, '\n')
		}
	case wantsPage(r):
		showError(w, r, code, words)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	_, _ = w.Write(body) // whoever asked may have left
}

// wantsPage reports whether a person with a browser asks.
func wantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}
