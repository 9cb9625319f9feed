package status_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// reader is a source that counts.
type reader struct {
	world plan.World
	takes time.Duration
	err   error
	all   int
	again []string // what changed, as it was told
}

func (r *reader) source() status.Source {
	return status.Source{
		Read: func(ctx context.Context) (plan.World, error) {
			r.all++
			select {
			case <-time.After(r.takes):
			case <-ctx.Done():
			}
			return r.world, r.err
		},
		Again: func(_ context.Context, _ plan.World, changed []string) (plan.World, error) {
			r.again = append(r.again, strings.Join(changed, " "))
			return r.world, r.err
		},
	}
}

// young is a world whose certificate began a day before now.
func young() plan.World {
	return world(func(_ *plan.WantedCert, k *plan.KnownCert) {
		p := &k.Versions[0].Pairs[0]
		p.NotBefore, p.NotAfter = time.Now().Add(-day), time.Now().Add(89*day)
	})
}

func take(t *testing.T, s *status.Snapshots) *status.Snapshot {
	t.Helper()
	snapshot, err := s.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// Nothing is read unless somebody asks, and then only what changed.
func TestSnapshotsReadWhatChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &reader{world: young()}
		s := status.NewSnapshots(ctx, r.source())
		time.Sleep(time.Hour)
		if r.all != 0 {
			t.Fatal("read before somebody asked")
		}
		for range 50 {
			take(t, s)
		}
		if r.all != 1 || len(r.again) != 0 {
			t.Fatalf("read %d times, %d in part, want once", r.all, len(r.again))
		}
		r.world = world(nothing)
		s.Changed("mail")
		time.Sleep(2 * time.Second)
		if row := take(t, s).Rows[0]; row.State != status.Critical || !slices.Equal(r.again, []string{"mail"}) || r.all != 1 {
			t.Errorf("after a change: %s, parts %q, all %d times", row.State, r.again, r.all)
		}
		r.world = young()
		s.Reset()
		time.Sleep(2 * time.Second)
		if row := take(t, s).Rows[0]; row.State != status.OK || r.all != 2 {
			t.Errorf("after a reset: %s, all %d times", row.State, r.all)
		}
	})
}

// States change though nothing is written: the time goes by.
func TestSnapshotsAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &reader{world: young()}
		s := status.NewSnapshots(ctx, r.source())
		if row := take(t, s).Rows[0]; row.State != status.OK || !row.Ready() {
			t.Fatalf("at first: %s, ready %t", row.State, row.Ready())
		}
		time.Sleep(90 * day)
		if row := take(t, s).Rows[0]; row.State != status.Critical || row.Ready() {
			t.Errorf("after its end: %s, ready %t", row.State, row.Ready())
		}
	})
}

// A reading that takes long is not begun again for everybody who asks, and
// takes a twentieth of the time at most.
func TestSnapshotsAreNoBurden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &reader{world: world(), takes: 10 * time.Second}
		from := r.source()
		from.Again = nil // nobody says what changed
		s := status.NewSnapshots(ctx, from)
		began := time.Now()
		for time.Since(began) < time.Hour {
			_, _ = s.Now(ctx)
			time.Sleep(time.Second)
		}
		if most := int(time.Since(began)/(20*r.takes)) + 1; r.all > most || r.all < most/2 {
			t.Errorf("read %d times in an hour, want about %d", r.all, most)
		}
	})
}

// What cannot be read is said, beside what was read before.
func TestSnapshotsTellOfTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &reader{err: errors.New("the disk is gone")}
		s := status.NewSnapshots(ctx, r.source())
		if _, err := s.Now(ctx); !errors.Is(err, status.ErrNothingYet) || !errors.Is(err, r.err) {
			t.Errorf("before anything was read: %v", err)
		}
		r.world, r.err = world(), nil
		time.Sleep(2 * time.Second)
		if snapshot := take(t, s); snapshot.Trouble != "" || len(snapshot.Rows) != 1 {
			t.Errorf("trouble %q", snapshot.Trouble)
		}
		r.err = errors.New("the disk is gone again")
		s.Changed("mail")
		time.Sleep(2 * time.Second)
		if snapshot := take(t, s); !strings.Contains(snapshot.Trouble, "gone again") || len(snapshot.Rows) != 1 {
			t.Errorf("trouble %q", snapshot.Trouble)
		}
		r.err = nil
		time.Sleep(2 * time.Second)
		if snapshot := take(t, s); snapshot.Trouble != "" {
			t.Errorf("trouble %q after it was over", snapshot.Trouble)
		}
	})
}
