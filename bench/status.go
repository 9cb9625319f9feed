package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
	"github.com/certkeep/certkeep/internal/status/web"
)

// shownWorld is n certificates in all ages.
func shownWorld(now time.Time, n int) plan.World {
	w := plan.World{Wanted: plan.Wanted{Node: "bench"}, Known: plan.Known{Certs: make(map[string]*plan.KnownCert, n)}}
	for i := range n {
		name := fmt.Sprintf("site%06d.example.com", i)
		began := now.Add(-time.Duration(i%60) * 24 * time.Hour)
		w.Wanted.Certs = append(w.Wanted.Certs, plan.WantedCert{
			Name: name, Names: []string{name, "www." + name}, Issuers: []string{"letsencrypt"}, KeyTypes: []string{"ecdsa-p256"}, Warn: plan.Span{Percent: 10},
			Targets: []plan.WantedTarget{{Name: "default", Config: "c", Services: []string{"nginx"}, Verify: true}},
		})
		w.Known.Certs[name] = &plan.KnownCert{
			Name: name, Published: "V1", Looked: true, Inspected: now,
			Versions: []plan.Version{{ID: "V1", Created: began, Pairs: []plan.Pair{{
				KeyType: "ecdsa-p256", Key: "ab", Issuer: "letsencrypt", Made: began, Request: plan.Request{Names: []string{name, "www." + name}},
				NotBefore: began, NotAfter: began.Add(90 * 24 * time.Hour), Serial: "01", SHA256: "cd",
			}}}},
			Targets: map[string]plan.Target{"default": {Version: "V1", State: plan.TargetVerified, Config: "c", At: began, Verify: plan.VerifyFact{
				Version: "V1", At: now, Results: []plan.Result{{Endpoint: "127.0.0.1:443", Verdict: plan.VerdictRight}},
			}}},
		}
	}
	return w
}

// shown measures the status page and the metrics of many certificates.
func (b *bench) shown(ctx context.Context, sizes []int) error {
	heading("Status page and metrics")
	fmt.Println("| certificates | weighed | metrics | as text | page of 100 | in Chromium | all in Chromium | memory beside the facts |\n|---|---|---|---|---|---|---|---|")
	for _, n := range sizes {
		if err := b.shownOf(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) shownOf(ctx context.Context, n int) error {
	now := time.Now()
	world := shownWorld(now, n)
	before := heap()
	began := time.Now()
	s := status.SnapshotOf(now, world)
	weighed := time.Since(began)
	memory := heap() - before
	began = time.Now()
	size := counted(0)
	if err := metrics.Write(&size, metrics.Facts{Now: now, Snapshot: s}); err != nil {
		return err
	}
	scraped := time.Since(began)
	runtime.KeepAlive(s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: web.New(web.Options{Snapshots: status.NewSnapshots(ctx, status.Source{
		Read: func(context.Context) (plan.World, error) { return world, nil },
	})})}
	go func() { _ = server.Serve(listener) }() // its end is ours
	defer server.Close()
	at := "http://" + listener.Addr().String()
	if _, err := get(ctx, at); err != nil {
		return err
	}
	page, err := get(ctx, at)
	if err != nil {
		return err
	}
	part, whole := "-", "-"
	if _, err := exec.LookPath("chromium-headless-shell"); err == nil {
		part, whole, err = b.inChromium(ctx, at, n)
		if err != nil {
			return err
		}
	}
	fmt.Printf("| %d | %.2f s | %.2f s | %.1f MB | %.3f s | %s | %s | %d MB |\n", n, weighed.Seconds(), scraped.Seconds(), float64(size)/1e6, page.Seconds(), part, whole, memory>>20)
	return nil
}

// inChromium is how long a page takes from the question to the loaded page:
// of a hundred rows, and of all where they may be had at once.
func (b *bench) inChromium(ctx context.Context, at string, n int) (part, whole string, err error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium-headless-shell"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true))
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	tab, _ := chromedp.NewContext(allocator)
	defer func() { err = errors.Join(err, chromedp.Cancel(tab)) }() // killed, it would leave its child
	load := func(url string) (string, error) {
		var took float64
		err := chromedp.Run(tab, chromedp.Navigate(url), chromedp.Evaluate(`performance.getEntriesByType("navigation")[0].loadEventStart`, &took))
		return fmt.Sprintf("%.2f s", took/1000), err
	}
	if _, err = load(at + "/?state=critical"); err == nil { // the browser is warm then
		part, err = load(at + "/")
	}
	whole = "-"
	if err == nil && n <= 10_000 {
		whole, err = load(fmt.Sprintf("%s/?rows=%d", at, n))
	}
	return part, whole, err
}

func get(ctx context.Context, url string) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return time.Since(began), err
}

// counted counts what is written.
type counted int

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	*c += counted(len(b))
	return len(b), nil
}
