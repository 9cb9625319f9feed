package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// phone is where people are told what they must know: a webhook, which fails at
// times. It holds that every problem is told, that its end is, and that there
// is no flood.
type phone struct {
	flaky // its mu guards what follows

	arrived map[string]bool // by id
	recent  []time.Time     // when those of the last hour arrived
	stands  map[condition]bool
	many    map[plan.Code]time.Time // when there was last more of it than a message names
	untold  map[condition]int       // looks at which it stood and nobody was told
	silent  map[string]int          // looks at which a certificate was ending and nobody was told anything of it
}

// condition is what a person is told of.
type condition struct {
	code         plan.Code
	cert, target string
}

const (
	phoneAddress = "127.0.0.1:9780"
	phoneLimit   = 1 // messages in an hour
	phoneLooks   = 3 // once a day, before something is thought to be untold
)

func newPhone(w *world) *phone {
	return &phone{
		flaky: flaky{world: w, name: "phone", words: "webhook"}, arrived: map[string]bool{}, stands: map[condition]bool{}, many: map[plan.Code]time.Time{},
		untold: map[condition]int{}, silent: map[string]int{},
	}
}

// tellConfig is what the config says of it.
func (w *world) tellConfig() string {
	return fmt.Sprintf("notify:\n  webhook:\n    url_file: %s\n    limit: %d\n    events: [errored, expiring, verify-failed, rolled-back, revoked, problem, solved, issued, installed]\n", w.phoneFile(), phoneLimit)
}

// phoneFile holds the URL.
func (w *world) phoneFile() string { return filepath.Join(w.root, "webhook.url") }

// place writes down where it is.
func (f *phone) place() {
	f.world.must(os.WriteFile(f.world.phoneFile(), []byte("http://"+phoneAddress+"/told\n"), 0o600))
}

// newLife takes note that a process was started.
func (f *phone) newLife(calm bool) {
	f.flaky.newLife(calm)
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.untold)
	clear(f.silent)
}

// offline is a time in which nobody can be told.
func (w *world) offline(dice *rand.Rand, at time.Time) []event {
	return w.phone.outage(dice, at, 10*time.Minute, 5*day, "nobody can be told")
}

func (f *phone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m plan.Message
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID == "" || m.Count == 0 {
		f.world.judge.breach("a message makes no sense: %v, %+v", err, m)
	}
	how := f.wrong()
	if how != "" {
		f.world.note("a message goes wrong (%s): %s", how, inShort(m))
	}
	f.answer(w, how, func() { f.hear(m) }, func() { w.WriteHeader(http.StatusNoContent) })
}

// hear takes note of what a message says. One that comes again says nothing new.
func (f *phone) hear(m plan.Message) {
	now := f.world.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arrived[m.ID] {
		return
	}
	f.arrived[m.ID] = true
	f.world.note("people are told: %s", inShort(m))
	f.recent = append(slices.DeleteFunc(f.recent, func(at time.Time) bool { return now.Sub(at) >= time.Hour }), now)
	if len(f.recent) > phoneLimit && !f.world.clockLately(now.Add(-2*time.Hour)) {
		f.world.judge.breach("people were told %d times within an hour", len(f.recent))
	}
	for _, g := range m.Groups {
		if g.Count > len(g.Notices) {
			f.many[g.Code] = now
		}
		for _, n := range g.Notices {
			if n.Change != "" { // else it happened once
				f.stands[condition{n.Code, n.Cert, n.Target}] = n.Change != plan.ChangeSolved
			}
		}
	}
}

// inShort is a message for the trace.
func inShort(m plan.Message) string {
	var all []string
	for _, g := range m.Groups {
		for _, n := range g.Notices {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", n.Cert, cmp.Or(string(n.Code), n.Event), n.Change)))
		}
	}
	return fmt.Sprintf("%d (%s)", m.Count, strings.Join(all, ", "))
}

// look holds, once a day, that people were told of what stands.
func (f *phone) look(p *process) {
	w := f.world
	if p.engine == nil || w.now().Hour() != 12 {
		return
	}
	known, err := p.engine.World(p.ctx)
	if err != nil {
		return // the process ends
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down > 0 || w.clockLately(w.now().Add(-2*day)) {
		clear(f.untold)
		clear(f.silent)
		return
	}
	stand := map[condition]bool{}
	for _, problem := range append(plan.Problems(time.Now(), known), plan.StoreProblems(known)...) {
		if problem.Code != plan.CodeMissing { // which says no more than why it is so
			stand[condition{problem.Code, problem.Cert, problem.Target}] = true
		}
	}
	for c := range f.untold {
		if !stand[c] {
			delete(f.untold, c)
		}
	}
	for c := range stand {
		if f.stands[c] || w.now().Sub(f.many[c.code]) < 14*day {
			delete(f.untold, c)
		} else if f.untold[c]++; f.untold[c] == phoneLooks {
			w.judge.breach("%s: %s %s stands, and nobody was told", c.cert, c.code, c.target)
		}
	}
	for _, c := range p.people {
		f.ending(c, stand)
	}
}

// ending holds that people were told of a certificate that is about to end, or
// has ended. The caller holds mu.
func (f *phone) ending(c *cert, stand map[condition]bool) {
	w := f.world
	told := func(what condition) bool {
		return what.cert == c.name && (f.stands[what] || w.now().Sub(f.many[what.code]) < 14*day)
	}
	ends := func(s side) bool {
		seen, there := w.judge.seen(s)
		return there && !seen.placeholder && seen.notAfter.Sub(w.now()) < c.life/20
	}
	silent := c.wanted && c.held.Load() == 0 && slices.ContainsFunc(c.sides(), ends)
	for what := range stand {
		silent = silent && !told(what)
	}
	if !silent {
		delete(f.silent, c.name)
	} else if f.silent[c.name]++; f.silent[c.name] == phoneLooks {
		w.judge.breach("%s: it is about to end, or has ended, and nobody was told anything of it", c.name)
	}
}

// settled holds at a calm month's end that people were told of the end of what
// they were told of.
func (f *phone) settled(known plan.World) {
	stand := map[condition]bool{}
	for _, problem := range slices.Concat(plan.Problems(time.Now(), known), plan.StoreProblems(known), plan.ChannelProblems(known)) {
		stand[condition{problem.Code, problem.Cert, problem.Target}] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, told := range f.stands {
		if told && !stand[c] && f.many[c.code].IsZero() {
			f.world.judge.breach("%s: %s %s is no more, and nobody was told", c.cert, c.code, c.target)
		}
	}
}
