package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/serve"
	"github.com/certkeep/certkeep/internal/store"
)

// What a shelf is filled with.
const (
	shelved  = 10_000 // certificates
	namesOn  = 100    // names on each
	inMemory = 1000   // certificates, as many as there is room for
)

// shelf measures what serving very many names from one process costs.
func (b *bench) shelf(ctx context.Context) error {
	heading("A million names in the Go library")
	st, err := store.Open(ctx, filepath.Join(b.dir, "shelf"), durable.NoSync{}, "bench", store.Holder)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := fill(ctx, st); err != nil {
		return err
	}
	empty := heap()
	s := serve.New(st, inMemory, slog.New(slog.DiscardHandler))
	begin := time.Now()
	if err := s.Refresh(ctx, func() map[string][]string { return nil }); err != nil {
		return err
	}
	index, size := time.Since(begin), heap()-empty
	missed, err := perAnswer(ctx, s, shelved, func(i int) string { return nameOf(i, 0) })
	if err != nil {
		return err
	}
	full := heap() - empty
	held, err := perAnswer(ctx, s, 1_000_000, func(int) string { return nameOf(shelved-1, 7) })
	if err != nil {
		return err
	}
	fmt.Printf("%d certificates of %d names each, room for %d in memory.\n\n| | |\n|---|---|\n", shelved, namesOn, inMemory)
	fmt.Printf("| all names indexed | %.1f s, %d MB |\n", index.Seconds(), size>>20)
	fmt.Printf("| with %d certificates in memory | %d MB |\n", inMemory, full>>20)
	fmt.Printf("| one that is in memory | %d ns, %d allocations |\n", held.each.Nanoseconds(), held.allocations)
	fmt.Printf("| one that has to be read | %.2f ms |\n", float64(missed.each.Microseconds())/1000)
	runtime.KeepAlive(s)
	return nil
}

// cost is what an answer costs on average.
type cost struct {
	each        time.Duration
	allocations uint64
}

// perAnswer asks so often, for the name of each question.
func perAnswer(ctx context.Context, s *serve.Shelf, times int, name func(int) string) (cost, error) {
	hello := &tls.ClientHelloInfo{SupportedVersions: []uint16{tls.VersionTLS13}}
	hello.ServerName = name(0)
	if _, err := s.Get(ctx, hello); err != nil {
		return cost{}, err
	}
	names := make([]string, min(times, shelved))
	for i := range names {
		names[i] = name(i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	for i := range times {
		hello.ServerName = names[i%len(names)]
		if s.Held(hello) == nil {
			if _, err := s.Get(ctx, hello); err != nil {
				return cost{}, err
			}
		}
	}
	long := time.Since(begin)
	runtime.ReadMemStats(&after)
	n := uint64(times)
	return cost{each: long / time.Duration(times), allocations: (after.Mallocs - before.Mallocs) / n}, nil
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return now.HeapAlloc
}

func nameOf(cert, name int) string {
	return fmt.Sprintf("n%02d.c%05d.customers.example.com", name, cert)
}

// fill stores the certificates, all on one key.
func fill(ctx context.Context, st *store.Store) error {
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		return err
	}
	fingerprint, err := st.PutKey(ctx, key)
	if err != nil {
		return err
	}
	for i := range shelved {
		names := make([]string, namesOn)
		for n := range names {
			names[n] = nameOf(i, n)
		}
		leaf, err := chain.SelfSigned(key, names, time.Now(), 90*24*time.Hour)
		if err != nil {
			return err
		}
		cert := fmt.Sprintf("c%05d", i)
		v := plan.Version{ID: cert, Created: time.Now(), Pairs: []plan.Pair{{KeyType: string(keys.ECDSAP256), Key: fingerprint, Request: plan.Request{Names: names}}}}
		if err := st.PutVersion(ctx, store.VersionRecord{Certificate: cert, Version: v, Chains: map[string]string{string(keys.ECDSAP256): string(leaf)}}); err != nil {
			return err
		}
		err = st.UpdateCert(ctx, cert, func(k *plan.KnownCert) error {
			k.Versions, k.Published = []plan.Version{v}, v.ID
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
