package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestAskedWhileAWorkerEnds: what a person asks for between a worker's last look
// at the store and its end is not forgotten with what the worker knew.
func TestAskedWhileAWorkerEnds(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`keys: {both: {}}
certificates: {a.test: {}, b.test: {key: both}}
`)
	f.apply()
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newPass(f.Engine, world, Only{})
	cert, shared := p.worker("a.test", "", nil), p.keyWorker(p.keys[keyUnit("both")])
	cert.leave, shared.leave = nil, func(string) {}
	ended := []finished{cert.run(t.Context()), shared.run(t.Context())}
	for _, one := range ended {
		p.running[one.unit] = true
	}
	f.ask(plan.AskRenew, "a.test")
	f.ask(plan.AskRollover, "b.test")
	p.reload(t.Context())
	for _, one := range ended {
		p.take(p.meanwhile(t.Context(), one))
	}
	if asks := p.world.Known.Cert("a.test").Asks; len(asks) != 1 {
		t.Errorf("of the certificate was asked %+v", asks)
	}
	if p.world.Known.KeysOf("both").Ask == nil {
		t.Error("nobody asked for other keys")
	}
}

// TestAskedWhileTheStoreCannotBeRead: a wish that could not be read when its
// signal came is read later, without another signal.
func TestAskedWhileTheStoreCannotBeRead(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newPass(f.Engine, world, Only{})
	f.ask(plan.AskRenew, "a.test")
	records := filepath.Join(f.dir, "state", "records")
	if err := errors.Join(os.Rename(records, records+".away"), os.WriteFile(records, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	p.reload(t.Context())
	if p.unread.IsZero() || p.next.After(time.Now().Add(readAgainAfter)) {
		t.Fatalf("it is read again at %s, and looked at %s", p.unread, p.next)
	}
	if err := errors.Join(os.Remove(records), os.Rename(records+".away", records)); err != nil {
		t.Fatal(err)
	}
	p.unread = time.Now()
	p.lookAgain(t.Context())
	if asks := p.world.Known.Cert("a.test").Asks; len(asks) != 1 || !p.unread.IsZero() {
		t.Errorf("of the certificate was asked %+v", asks)
	}
}
