// Package sim lives through years of Certkeep in seconds: the real engine,
// plan, store, issuer client and challenge code in `testing/synctest` bubbles,
// against CAs in memory that speak real ACME. One seed is one history: of
// certificates of 6 to 398 days, CAs that fail for minutes or weeks, requests
// and changes of the disk that go wrong, configs that change, processes that
// are stopped and killed, machines that lose power, and clocks that are off.
//
// Run is the function to call. While it lives, and at its end, it holds the
// invariants of judge.go against what it sees; what breaks one is in Result.
//
// LiveWhole lives through one life from registration to the end, in which one
// request to the CA, or one change of the disk, goes wrong in one way.
package sim

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

// Options say how long and how hard a history is.
type Options struct {
	Seed         uint64
	Years        float64
	Certificates int
	Requests     float64 // share of the CA's requests that go wrong
	Disk         float64 // share of the changes of the disk that do
	Mutation     Mutation
	Until        string // a breach with these words ends the history within an hour; "" for none
	Cheap        bool   // no RSA key, and none under a passphrase: such keys take seconds where races are looked for
}

// Mutation is a defect that is switched on, to see that the judge catches it.
type Mutation struct {
	Disk   func(durable.Disk) durable.Disk                                       // what lies under the faulty disk
	CA     func(g map[string]*gate, name string, next http.Handler) http.Handler // what stands before a CA
	Reload string                                                                // what the web server is told, in place of reading its files
	Config func(text string) string                                              // what the process reads in place of the config
}

// Result is what a history came to.
type Result struct {
	Seed     uint64
	Breaches []string       // what broke an invariant, with its time
	Faults   map[string]int // that happened, by kind
	Lives    int            // of the process
	Issued   int
	Trace    []string // what happened, in words
}

// Injected is how many faults there were.
func (r Result) Injected() int {
	n := 0
	for _, c := range r.Faults {
		n += c
	}
	return n
}

// dawn is when the world begins. A bubble begins in 2000, so a clock may be
// ten years behind.
func dawn() time.Time { return time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC) }

// world is all that outlives the process.
type world struct {
	Options
	chance chance
	root   string
	people []*cert
	gates  map[string]*gate
	cas    map[string]*fakeca.CA
	web    *web
	zone   *zone
	phone  *phone
	paper  *paper
	judge  *judge
	flags  map[string]int // times in which a flag is set, that overlap

	storeKeys []seal.Key // that the store is sealed under, the newest first

	mu      sync.Mutex // guards what follows
	upsets  []upset
	offset  time.Duration // the world's clock minus this machine's
	current *wire         // of the life that is lived
	kills   []time.Time   // of the process
	follows int           // reasons why this node may answer no challenges
	since   time.Time     // it may not
	faults  map[string]int
	trace   []string
}

// now is the time of the world.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

// note adds to the trace.
func (w *world) note(format string, args ...any) {
	at := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, at.Format("2006-01-02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// fault counts something that went wrong on purpose.
func (w *world) fault(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[kind]++
}

// upset is a time in which the process may have forgotten what it was told, or
// counted time wrongly.
type upset struct {
	from, to time.Time
	clock    bool // it was the clock
}

// upset notes that a disk or a process has just failed: what was learned in
// the minutes before may be lost.
func (w *world) upset(before time.Duration) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upsets = append(w.upsets, upset{from: now.Add(-before), to: now})
}

// clockWrong reports whether a process lived with a wrong clock between two
// instants: an order may seem to have ended then.
func (w *world) clockWrong(from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.upsets, func(u upset) bool {
		return u.clock && u.to.After(from) && u.from.Before(to)
	})
}

// Run lives through one history. It must be called from a test that is not
// parallel: the randomness of the whole process follows the seed.
func Run(t *testing.T, o Options) Result {
	t.Helper()
	cryptotest.SetGlobalRandom(t, o.Seed)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one thing after the other: faster, and more alike each time
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	w := newWorld(t, o)
	lives := w.live(t)
	w.judge.end()
	result := Result{
		Seed: o.Seed, Breaches: slices.Clone(w.judge.breaches), Faults: maps.Clone(w.faults), Lives: lives, Trace: w.trace,
	}
	for _, name := range caNames() {
		result.Issued += len(w.cas[name].Issuances())
	}
	return result
}

// folder is where the process keeps and installs things: in memory where
// there is such a place, for no disk is needed to see what was synced.
func folder(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "certkeep-sim-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{
		Options: o, chance: chance(o.Seed), root: folder(t), people: people(chance(o.Seed), o.Certificates),
		gates: map[string]*gate{}, cas: map[string]*fakeca.CA{}, faults: map[string]int{}, flags: map[string]int{},
	}
	for _, p := range w.people {
		if o.Cheap {
			p.locked, p.keyType = false, "ecdsa-p256"
		}
	}
	w.web = &web{root: w.root, pairs: w.pairs}
	w.web.restart()
	w.zone = newZone(w)
	w.phone = newPhone(w)
	w.paper = newPaper(w)
	w.judge = newJudge(w)
	w.phone.place()
	w.must(os.WriteFile(w.passphraseFile(), []byte(passphrase+"\n"), 0o600))
	if o.Seed%2 == 0 {
		w.newStoreKey()
	}
	w.offset = time.Until(dawn()) // this is outside the bubble: the CAs are to be as old as the world
	for _, name := range caNames() {
		ca, err := fakeca.New(w.caOptions(name))
		if err != nil {
			t.Fatal(err)
		}
		rate := o.Requests
		if name == calmCA {
			rate = 0
		}
		w.cas[name] = ca
		w.gates[name] = newGate(name+".test", w.chance, rate, ca, w)
	}
	w.offset = 0
	return w
}
