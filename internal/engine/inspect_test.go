package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestAlteredFilesComeBackWhileNothingElseIsDue: a daemon whose certificates need
// nothing for weeks looks at their files all the same, again and again.
func TestAlteredFilesComeBackWhileNothingElseIsDue(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	const config = "certificates: {a.test: {renew: {ari: false}}}\n"
	f.configure(config)
	f.apply()
	path := filepath.Join(f.dir, "out/a.test/privkey.pem")
	issued := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(issued.Add(time.Hour)))
		f.T = t
		f.reopen()
		f.configure(config)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Engine.Run(ctx) }()
		for day := range 3 {
			time.Sleep(24 * time.Hour)
			if err := os.WriteFile(path, []byte("overwritten"), 0o600); err != nil {
				t.Error(err)
			}
			time.Sleep(24 * time.Hour)
			if is, err := os.ReadFile(path); err != nil || string(is) == "overwritten" {
				t.Errorf("after %d days it is as somebody left it: %v", 2*day+2, err)
			}
		}
		stop()
		<-ended
		f.closeIssuers()
	})
}

// What follows from an inspection is queued as far as it is due: a renewal to come
// has nobody wait for its CA now.
func TestOnlyWhatIsDueFollowsAnInspection(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {renew: {ari: false}}}\n")
	f.apply()
	if err := os.WriteFile(filepath.Join(f.dir, "out/a.test/privkey.pem"), []byte("overwritten"), 0o600); err != nil {
		t.Fatal(err)
	}
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newPass(f.Engine, world, Only{})
	p.replan(t.Context())
	if len(p.queue.order) != 1 || p.queue.order[0] != "" {
		t.Fatalf("lanes %q", p.queue.order)
	}
	for _, s := range p.queue.lanes[""][0] {
		if !s.Due(p.planned) {
			t.Errorf("queued is %+v", s)
		}
	}
}
