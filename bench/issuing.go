package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/store"
)

// keeper is an engine within this process.
type keeper struct {
	*engine.Engine
	store *store.Store
}

func (s *site) keeper(ctx context.Context, state string, disk durable.Disk) (*keeper, error) {
	st, err := store.Open(ctx, filepath.Join(s.dir, state, "state"), disk, "bench", store.Holder)
	if err != nil {
		return nil, err
	}
	return &keeper{store: st, Engine: engine.New(engine.Options{
		Store: st, Disk: disk, Log: slog.New(slog.DiscardHandler), UserAgent: "certkeep/bench",
	})}, nil
}

// apply runs a pass over certificates and returns how long it took.
func (k *keeper) apply(ctx context.Context, text string) (time.Duration, error) {
	cfg, _, err := config.LoadBytes("bench.yaml", []byte(text))
	if err != nil {
		return 0, err
	}
	if err := k.Configure(cfg); err != nil {
		return 0, err
	}
	start := time.Now()
	report, err := k.Apply(ctx, nil, engine.Only{})
	took := time.Since(start)
	for _, o := range report.Done {
		if o.Fault != nil {
			return took, fmt.Errorf("%s %s: %s %q", o.Step.Kind, o.Step.Cert, o.Fault.Words, o.Fault.Detail)
		}
	}
	return took, err
}

// many makes n certificates of one name.
func many(prefix string, n int) map[string][]string {
	all := map[string][]string{}
	for i := range n {
		name := fmt.Sprintf("%s%d.test", prefix, i)
		all[name] = []string{name}
	}
	return all
}

// requests counts what one certificate asks of the CA and of the disk.
func (b *bench) requests(ctx context.Context) error {
	s, err := b.site(ctx, "requests", acmetest.Options{Settle: true})
	if err != nil {
		return err
	}
	defer s.ca.Close()
	disk := faultfs.New(durable.OS{})
	k, err := s.keeper(ctx, "a", disk)
	if err != nil {
		return err
	}
	defer k.store.Close()
	if _, err := k.apply(ctx, s.config("a", many("first", 1))); err != nil {
		return err
	}
	heading("CA requests and synced writes of one certificate")
	fmt.Println("Account known, answers ready at the first poll.\n\n| names | requests | 5 + 2N | synced writes | folder syncs |\n|---|---|---|---|---|")
	for _, n := range []int{1, 10, 100} {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("n%d-%d.test", n, i))
		}
		s.ca.ResetRequests()
		disk.Disarm()
		if _, err := k.apply(ctx, s.config("a", map[string][]string{fmt.Sprintf("of%d", n): names})); err != nil {
			return err
		}
		tally := disk.Tally()
		fmt.Printf("| %d | %d | %d | %d | %d |\n", n, s.ca.Count(), 5+2*n, tally[faultfs.Create], tally[faultfs.SyncDir])
	}
	return nil
}

// throughput compares the engine with a bare loop over the same library.
func (b *bench) throughput(ctx context.Context) error {
	const certificates, parallel, rounds = 100, 20, 15
	s, err := b.site(ctx, "throughput", acmetest.Options{})
	if err != nil {
		return err
	}
	defer s.ca.Close()
	l, err := newLoop(ctx, s)
	if err != nil {
		return err
	}
	memory, err := memoryFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(memory)
	ways := []struct {
		name string
		site *site
		disk durable.Disk
		rate []float64
	}{
		{"certkeep, syncs stubbed, in memory (tmpfs)", s.on(memory), durable.NoSync{}, nil},
		{"certkeep, syncs stubbed, on disk", s, durable.NoSync{}, nil},
		{"certkeep, real syncs, on disk", s, durable.OS{}, nil},
	}
	var bare []float64
	for i := range ways {
		// Each way takes turns with the loop alone: what one left for the disk
		// to write would slow the next one down.
		for r := range rounds {
			took, err := l.round(ctx, fmt.Sprintf("bare%d-%d", i, r), certificates, parallel)
			if err != nil {
				return err
			}
			bare = append(bare, certificates/took.Seconds())
			took, err = ways[i].site.round(ctx, fmt.Sprintf("way%d-%d", i, r), ways[i].disk, certificates)
			if err != nil {
				return err
			}
			ways[i].rate = append(ways[i].rate, certificates/took.Seconds())
		}
	}
	heading("Throughput")
	fmt.Printf("%d certificates of one name against one Pebble behind a counting proxy, %d at once, median of %d rounds, each way in turn with the loop.\n\n", certificates, parallel, rounds)
	fmt.Println("| | certificates a second | of the bare loop |\n|---|---|---|")
	fmt.Printf("| bare loop over acmez: ready keys, no disk | %.0f | 100 %% |\n", median(bare))
	for i, w := range ways {
		fmt.Printf("| %s | %.0f | %.0f %% |\n", w.name, median(w.rate), 100*median(ratios(w.rate, bare[i*rounds:])))
	}
	return nil
}

// memoryFolder makes a folder that no disk is behind, where Linux has one: what
// a file system takes to make a file is not what we want to know of ourselves.
func memoryFolder() (string, error) {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err != nil || !info.IsDir() {
		return os.MkdirTemp("", "certkeep-bench-")
	}
	return os.MkdirTemp(shared, "certkeep-bench-")
}

// round issues certificates with an engine of its own, its account known.
func (s *site) round(ctx context.Context, name string, disk durable.Disk, n int) (time.Duration, error) {
	k, err := s.keeper(ctx, name, disk)
	if err != nil {
		return 0, err
	}
	defer k.store.Close()
	if _, err := k.apply(ctx, s.config(name, many(name+"-warm", 1))); err != nil {
		return 0, err
	}
	return k.apply(ctx, s.config(name, many(name+"-", n)))
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// ratios divides pair by pair, so that a drift of the machine falls out.
func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}
