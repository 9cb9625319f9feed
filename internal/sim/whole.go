package sim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
	"github.com/certkeep/certkeep/internal/store"
)

// Harm is the one thing that goes wrong in a whole life. The zero value is
// nothing.
type Harm struct {
	Request int // the how-manieth request to the CA
	Change  int // the how-manieth change of the disk
	How     string
}

// changeHarms are the ways in which a change of the disk goes wrong: the names
// of faultfs, and a power cut, which is a kill that loses all that was not
// synced.
func changeHarms() map[string]faultfs.Fault {
	harms := map[string]faultfs.Fault{harmPower: faultfs.Killed}
	for _, fault := range append(faultfs.Faults(), faultfs.Full) {
		harms[fault.String()] = fault
	}
	return harms
}

const harmPower = "power cut"

// Change is a change of the disk. An idle one lets nobody see anything new: a
// sync, or a folder that is there already.
type Change struct {
	Verb faultfs.Verb
	Idle bool
}

// differs reports whether a way to go wrong is another than all others at this
// change. Only what has content can be torn, a full disk is noticed by what
// needs room, and to be killed before an idle change is to be killed before
// the next one, unless the power goes too.
func (c Change) differs(how string) bool {
	content := c.Verb == faultfs.Create || c.Verb == faultfs.Append
	switch how {
	case faultfs.Torn.String():
		return content
	case faultfs.Full.String():
		return content || c.Verb == faultfs.Symlink || c.Verb == faultfs.Mkdir && !c.Idle
	case faultfs.Killed.String(), faultfs.AnswerLost.String():
		return !c.Idle
	case harmPower:
		return !c.Idle || c.Verb == faultfs.SyncDir
	}
	return true
}

// Whole is what a whole life came to.
type Whole struct {
	Requests int            // to the CA, before the last chapter
	Changes  []Change       // of the disk, before the last chapter
	Hit      string         // what went wrong
	Chapter  string         // in which it went wrong
	Breaches []string       // what broke an invariant
	Begins   map[string]int // how many changes of the disk there were before each chapter
	Shape    map[string]int // how many files of each kind are left
	Signed   int
	Again    int      // commands beyond the first of each chapter
	Trace    []string // what happened, in words
}

// whole is a life of an account and two certificates, from registration to the
// end: each chapter is a command that a person or a timer runs, and again
// until it has come to its end.
type whole struct {
	*world
	daemon  bool // commands find a daemon that does the work
	ca      *fakeca.CA
	toll    *toll
	harm    Harm
	text    string         // of the config
	parsed  *config.Config // from it
	email   string
	kid     string // of the external account
	chapter string

	session  *session
	full     time.Time // until then the disk has no room
	calm     bool      // the last chapter: nothing goes wrong any more
	ops      []Change
	requests int
	harmed   time.Time      // when it went wrong
	begins   map[string]int // changes of the disk before each chapter
	begun    []time.Time    // when sessions began
	ended    []time.Time    // when they ended
	again    int            // commands beyond the first of each chapter
	hit      string
	where    string
	mark     map[string]string // versions published as the chapter began
	account  store.Account     // as it was last stored
	oldKey   string            // of the account, before it is changed
	rested   bool              // the daemon ran its time
}

// LiveWhole lives through a whole life in which one thing goes wrong, by
// commands alone or with a daemon. It must be called from a test that is not
// parallel.
func LiveWhole(t *testing.T, daemon bool, harm Harm) Whole {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 1)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one thing after the other: the same each time
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	b := newWhole(t, daemon, harm)
	synctest.Test(t, func(t *testing.T) {
		ca, err := fakeca.New(fakeca.Options{
			Name: "ca.test", Now: time.Now, Profiles: map[string]time.Duration{"classic": 90 * day}, Default: "classic",
			Terms: "http://ca.test/terms", EAB: externalAccounts(), WindowAfter: day, Validate: b.validate,
		})
		b.must(err)
		b.ca = ca
		b.toll = &toll{ca: ca, at: harm.Request, how: harm.How, crash: func() { b.session.crash() }, heard: func(what string) { b.note("    %s", what) }}
		b.live(t)
	})
	b.judge.whole(b)
	return Whole{
		Requests: b.requests, Changes: b.ops, Hit: b.hit + b.toll.hit, Chapter: b.where + b.toll.where, Breaches: b.judge.breaches,
		Begins: b.begins, Shape: b.shape(), Signed: len(b.ca.Issuances()), Again: b.again, Trace: b.trace,
	}
}

// externalAccounts are the MAC keys that the CA handed out: one for each
// account that the life needs.
func externalAccounts() map[string][]byte {
	return map[string][]byte{"first": []byte("the first secret of the CA"), "second": []byte("the second secret of the CA")}
}

// secretFile is where the administrator keeps one.
func (b *whole) secretFile(kid string) string { return filepath.Join(b.root, kid+".eab") }

func newWhole(t *testing.T, daemon bool, harm Harm) *whole {
	t.Helper()
	w := &world{root: folder(t), faults: map[string]int{}, people: []*cert{
		{name: wholeA, names: []string{wholeA, "www.a.test"}},
		{name: wholeB, names: []string{wholeB}, spread: true, service: true},
	}}
	w.web = &web{root: w.root, pairs: w.pairs}
	w.web.restart()
	w.judge = newJudge(w)
	b := &whole{world: w, daemon: daemon, harm: harm, mark: map[string]string{}, begins: map[string]int{}}
	for kid, secret := range externalAccounts() {
		w.must(os.WriteFile(b.secretFile(kid), []byte(base64.RawURLEncoding.EncodeToString(secret)), 0o600))
	}
	return b
}

// session is one run of the program.
type session struct {
	whole  *whole
	ctx    context.Context
	cancel context.CancelFunc
	wire   *wire
	disk   *disk
	store  *store.Store
	engine *engine.Engine
	ca     *http.Server
	served chan struct{} // closed when the web server ended
	died   bool
	power  bool // the machine lost power
}

// begin is the start of a process, before it opens its state.
func (b *whole) begin(t *testing.T) *session {
	s := &session{whole: b, wire: newWire(), served: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	listener, err := s.wire.Listen(s.ctx, "tcp", "ca.test:80")
	b.must(err)
	s.ca = &http.Server{Handler: b.toll, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go s.ca.Serve(listener)
	tls, err := s.wire.Listen(s.ctx, "tcp", "127.0.0.1:443")
	b.must(err)
	go func() {
		b.web.serve(tls)
		close(s.served)
	}()
	b.mu.Lock()
	b.current = s.wire
	b.mu.Unlock()
	b.session, b.begun = s, append(b.begun, time.Now())
	// faultfs knows what was synced.
	s.disk = &disk{under: faultfs.New(durable.NoSync{}), wrong: s.wrong, changed: b.judge.changed, killed: s.die}
	if time.Now().Before(b.full) {
		s.disk.fill(b.full)
	}
	return s
}

// open opens the state and makes the engine, as every command does.
func (s *session) open() (err error) {
	s.store, err = store.Open(s.ctx, filepath.Join(s.whole.root, "state"), s.disk, "sim", store.Holder)
	if err != nil {
		return err
	}
	s.engine = engine.New(engine.Options{
		Store: s.store, Disk: s.disk, Network: s.wire, Log: slog.New(slog.DiscardHandler), UserAgent: "certkeep/sim", Watch: s.whole.watch,
	})
	if err := s.engine.Configure(s.whole.load()); err != nil {
		return err
	}
	return s.engine.Recover(s.ctx)
}

// load reads the config; it is read once where it does not change.
func (b *whole) load() *config.Config {
	if text := b.config(); text != b.text {
		b.text, b.parsed = text, parse(text)
	}
	return b.parsed
}

// wrong lets the change of the disk go wrong whose turn it is.
func (s *session) wrong(verb faultfs.Verb, path string) (faultfs.Fault, bool) {
	b := s.whole
	if b.calm {
		return 0, false
	}
	idle := verb == faultfs.SyncDir
	if verb == faultfs.Mkdir {
		_, err := os.Lstat(path)
		idle = err == nil
	}
	if b.ops = append(b.ops, Change{verb, idle}); len(b.ops) != b.harm.Change {
		return 0, false
	}
	b.hit, b.where, b.harmed = fmt.Sprintf("%s %s", verb, strings.TrimPrefix(path, b.root)), b.chapter, time.Now()
	b.note("HARM: %s: %s", b.harm.How, b.hit)
	s.power = b.harm.How == harmPower
	if b.harm.How == faultfs.Full.String() {
		b.full = time.Now().Add(roomAfter)
	}
	return changeHarms()[b.harm.How], true
}

// die is the end of the process.
func (s *session) die() {
	s.died = true
	go s.wire.end()
	s.cancel()
}

// crash is the end of the machine, at a request to the CA.
func (s *session) crash() {
	s.disk.end()
	s.power = true
	s.die()
}

// finish ends the process.
func (s *session) finish() {
	b := s.whole
	b.ended = append(b.ended, time.Now())
	s.cancel()
	s.wire.end()
	b.must(s.ca.Close())
	<-s.served
	if s.store != nil {
		lock := filepath.Join(b.root, "state", "lock")
		note, err := os.ReadFile(lock)
		b.must(err)
		b.must(s.store.Close())
		if s.died { // the next one knows from its note
			b.must(os.WriteFile(lock, note, 0o600))
		}
	}
	if s.power {
		b.must(s.disk.powerCut())
		b.web.restart()
		b.judge.powerLost()
	}
}

// command runs the program once. The world is what the store says at the end;
// none where the process died or did not get that far.
func (b *whole) command(t *testing.T, do func(ctx context.Context, e *engine.Engine) error) (*plan.World, error) {
	s := b.begin(t)
	defer s.finish()
	if err := s.open(); err != nil {
		if !errors.Is(err, faultfs.ErrFault) && !s.died {
			b.judge.breach("the state cannot be opened: %v", err)
		}
		return nil, err
	}
	err := do(s.ctx, s.engine)
	if s.died {
		return nil, errCut
	}
	w, errWorld := s.engine.World(context.WithoutCancel(s.ctx))
	if errWorld != nil {
		b.judge.breach("the state cannot be read: %v", errWorld)
		return nil, errWorld
	}
	if b.calm {
		b.judge.keys(b, s)
	}
	for name, k := range w.Known.Certs {
		if k.Damage != "" {
			b.judge.breach("the record of %s is damaged: %s", name, k.Damage)
		}
	}
	return &w, err
}

// shape is what is left at the end: how many files there are of each kind,
// without what depends on how often something was tried, and without keys,
// which the judge looks at.
func (b *whole) shape() map[string]int {
	tree, err := faultfs.Tree(b.root, func(path string) bool {
		return slices.Contains([]string{"state/records/events", "state/records/issuers", "state/records/keys", "state/archive"}, path)
	})
	b.must(err)
	shape := map[string]int{}
	for path, words := range tree {
		if folder := strings.HasPrefix(words, "d"); !folder || strings.HasPrefix(path, "out/") {
			shape[kindOfFile(path)]++
		}
	}
	return shape
}

// Names that are drawn by lot: of versions, keys, and archived accounts.
var drawn = regexp.MustCompile(`^([a-z2-7]{10}|[0-9a-f]{26}(-\d+)?|[0-9a-f]{64}|\d{8}T\d{6}Z-[0-9a-f]{12})(\.json)?$`)

// kindOfFile is a path without names that are drawn by lot.
func kindOfFile(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = drawn.ReplaceAllString(part, "*")
	}
	return strings.Join(parts, "/")
}
