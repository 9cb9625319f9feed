package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// The ways in which one request to a CA goes wrong.
const (
	tollRefused = "refused"            // the CA never hears of it
	toll500     = "answered 500"       // not done; a problem document of the CA
	toll503     = "told to come later" // not done; with Retry-After
	tollGarbage = "answered garbage"   // not done; HTML that claims success
	tollLost    = "answer lost"        // done
	tollDone500 = "done, answered 500"
	tollCrash   = "crash after it" // done, and the machine loses power
)

// tolls are all of them.
func tolls() []string {
	return []string{tollRefused, toll500, toll503, tollGarbage, tollLost, tollDone500, tollCrash}
}

// tollWait is the Retry-After of the CA that has no time.
const tollWait = 40 * time.Minute

// toll stands before a CA, counts the requests, and lets one of them go wrong.
type toll struct {
	ca    http.Handler
	at    int // the how-manieth goes wrong; 0: none
	how   string
	crash func() // ends the machine
	heard func(what string)

	mu     sync.Mutex // guards what follows
	count  int
	over   bool      // nothing goes wrong any more
	page   string    // the chapter that is lived
	where  string    // the one in which it went wrong
	hit    string    // what went wrong: method and kind of resource
	struck time.Time // when it went wrong
	told   time.Time // when the CA asked to be left alone
	early  []string  // what was asked of it before that time was over
}

// enter is the begin of a chapter.
func (g *toll) enter(chapter string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.page = chapter
}

// end lets nothing go wrong any more. It returns how many requests there were.
func (g *toll) end() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	return g.count
}

// soon is how long after a wish to be left alone requests may arrive that were
// on their way.
const soon = 2 * time.Second

// next counts a request. It returns how it goes wrong; "" for not at all.
func (g *toll) next(r *http.Request) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	what := r.Method + " " + kindOf(r.URL.Path)
	if after := time.Since(g.told); !g.told.IsZero() && after > soon && after < tollWait {
		g.early = append(g.early, fmt.Sprintf("%s %v after being told to come in %v", what, after, tollWait))
	}
	g.heard(what + " " + r.URL.Path)
	if g.over {
		return ""
	}
	if g.count++; g.count != g.at {
		return ""
	}
	g.hit, g.where, g.struck = what, g.page, time.Now()
	if g.how == toll503 {
		g.told = time.Now()
	}
	return g.how
}

func (g *toll) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	how := g.next(r)
	switch how {
	case tollRefused:
		panic(http.ErrAbortHandler)
	case toll500:
		refuse(w, http.StatusInternalServerError, "serverInternal")
		return
	case toll503:
		w.Header().Set("Retry-After", fmt.Sprint(int(tollWait/time.Second)))
		refuse(w, http.StatusServiceUnavailable, "rateLimited")
		return
	case tollGarbage:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>\x1b[31mIt works!")
		return
	}
	answer := httptest.NewRecorder()
	g.ca.ServeHTTP(answer, r)
	switch how {
	case tollLost:
		panic(http.ErrAbortHandler)
	case tollCrash:
		g.crash()
		panic(http.ErrAbortHandler)
	case tollDone500:
		refuse(w, http.StatusInternalServerError, "serverInternal")
		return
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// refuse answers with a problem document, RFC 7807, and no nonce.
func refuse(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // whoever is gone needs no answer
		"type": "urn:ietf:params:acme:error:" + kind, "status": status, "detail": strings.ToLower(http.StatusText(status)),
	})
}
