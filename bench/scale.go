package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// scale times a cold pass with nothing due, and status, over states of
// different sizes.
func (b *bench) scale(ctx context.Context, sizes []int) error {
	heading("Many certificates, nothing due")
	fmt.Println("Whole processes, each certificate with its four files in place; median of 5.\n\n| certificates | apply | memory | status | memory |\n|---|---|---|---|---|")
	for _, n := range sizes {
		file, err := b.fleet(ctx, n)
		if err != nil {
			return err
		}
		apply, err := b.medianOf(ctx, 5, "--config", file, "apply")
		if err != nil {
			return err
		}
		status, err := b.medianOf(ctx, 5, "--config", file, "status")
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %.2f s | %.0f MB | %.2f s | %.0f MB |\n", n,
			apply.Wall.Seconds(), float64(apply.Memory)/1e6, status.Wall.Seconds(), float64(status.Memory)/1e6)
	}
	return nil
}

// fleet writes a config and a state in which n certificates are installed.
// They share one key and one certificate of our own making: a pass reads
// facts, not certificates.
func (b *bench) fleet(ctx context.Context, n int) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("fleet%d", n))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "state: %[1]s/state\nnode: bench\nissuers: {nobody: {directory: \"https://127.0.0.1:1/dir\"}}\nlisten: {status: false}\ndefaults: {issuer: [nobody], path: %[1]s/out}\ncertificates:\n", dir)
	for i := range n {
		fmt.Fprintf(&text, "  c%06d.example.com: {}\n", i)
	}
	file := filepath.Join(dir, "certkeep.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return "", err
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		return "", err
	}
	st, err := store.Open(ctx, cfg.State, durable.NoSync{}, "bench", store.Holder)
	if err != nil {
		return "", err
	}
	defer st.Close()
	pair, err := newPair()
	if err != nil {
		return "", err
	}
	installer := deploy.New(deploy.Options{State: cfg.State, Disk: durable.NoSync{}})
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, want := range cfg.Wanted().Certs {
		group.Go(func() error { return pair.install(ctx, st, installer, filepath.Join(dir, "out"), want) })
	}
	return file, group.Wait()
}

// pair is one key with its certificate.
type pair struct {
	key, leaf []byte // PEM
	facts     chain.Facts
}

func newPair() (pair, error) {
	key, err := keys.Generate("ecdsa-p256")
	if err != nil {
		return pair{}, err
	}
	p := pair{}
	if p.key, err = keys.Marshal(key); err != nil {
		return pair{}, err
	}
	if p.leaf, err = chain.SelfSigned(key, []string{"example.com"}, time.Now(), 90*24*time.Hour); err != nil {
		return pair{}, err
	}
	c, err := chain.Parse(p.leaf)
	if err != nil {
		return pair{}, err
	}
	p.facts = c.Facts()
	return p, nil
}

// install writes the files and facts of one certificate.
func (p pair) install(ctx context.Context, st *store.Store, d *deploy.Deployer, base string, want plan.WantedCert) error {
	sum := sha256.Sum256([]byte(want.Name))
	id, now := hex.EncodeToString(sum[:5]), time.Now()
	version := plan.Version{ID: id, Created: now, Pairs: []plan.Pair{{
		KeyType: "ecdsa-p256", Key: p.facts.SPKI, Issuer: want.Issuers[0], Made: now, Request: want.Request(),
		NotBefore: p.facts.NotBefore, NotAfter: p.facts.NotAfter, Serial: p.facts.Serial, SHA256: p.facts.SHA256, CertID: "YWtp.c2VyaWFs", CA: "E7",
	}}}
	record := store.VersionRecord{Certificate: want.Name, Version: version, Chains: map[string]string{"ecdsa-p256": string(p.leaf)}}
	if err := st.PutVersion(ctx, record); err != nil {
		return err
	}
	err := st.UpdateCert(ctx, want.Name, func(k *plan.KnownCert) error {
		k.Versions, k.Published = []plan.Version{version}, id
		k.Issued = []plan.Issued{{At: now.Add(-2 * time.Hour), Names: want.Names, KeyType: "ecdsa-p256", Lifetime: 90 * 24 * time.Hour}}
		k.Advice = map[string]plan.Advice{"ecdsa-p256": {
			CertID: "YWtp.c2VyaWFs", Start: now.AddDate(0, 2, 0), End: now.AddDate(0, 2, 1), At: now.AddDate(0, 2, 0), AskAgain: now.Add(20 * time.Hour),
		}}
		return nil
	})
	if err != nil {
		return err
	}
	result := d.Batch(ctx, []deploy.Job{{
		Target:  deploy.Target{Cert: want.Name, Name: "default", Layout: deploy.LayoutStandard, Base: base, KeyTypes: want.KeyTypes},
		Content: deploy.Content{Version: id, Pairs: []deploy.Pair{{KeyType: "ecdsa-p256", Key: p.key, Leaf: p.leaf}}},
	}})[0]
	if result.Fault != nil {
		return fmt.Errorf("%s", result.Fault.Words)
	}
	return st.UpdateTargets(ctx, want.Name, func(targets map[string]plan.Target) error {
		targets["default"] = plan.Target{Version: id, State: plan.TargetReloaded, Config: want.Targets[0].Config, Files: result.Files, At: now}
		return nil
	})
}
