package web_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

// soon is how long anything in the browser may take before a test gives up.
const soon = 60 * time.Second

// browser starts a Chromium that knows nobody, and returns a tab of it. What
// the page logs as an error fails the test.
func browser(t *testing.T, width, height int64) context.Context {
	t.Helper()
	program := servertest.Find(t, "chromium-headless-shell")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(int(width), int(height)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(soon), chromedp.Flag("hide-scrollbars", true),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		// Asked to close, not killed: Debian's program is a script, whose child would stay.
		if err := chromedp.Cancel(tab); err != nil {
			t.Errorf("close the browser: %v", err)
		}
	})
	chromedp.ListenTarget(tab, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page failed: %s", e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				t.Errorf("the page logged an error: %s", e.Args[0].Value)
			}
		}
	})
	if err := chromedp.Run(tab); err != nil {
		t.Fatal(err)
	}
	late, end := context.WithTimeout(tab, 3*soon)
	t.Cleanup(end)
	return late
}

func run(t *testing.T, tab context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(tab, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	var v T
	run(t, tab, chromedp.Evaluate(expression, &v))
	return v
}

// rows is how many certificates the list shows.
const rows = `document.querySelectorAll("table.certs tbody tr").length`

// Without script there is all of it: filter, pages, one certificate.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	at, tab := serve(t, source(world(time.Now(), 250))), browser(t, 1280, 900)
	run(t, tab, emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(at+"/"), chromedp.WaitVisible("table.certs"))
	if n := eval[int](t, tab, rows); n != 100 {
		t.Errorf("%d rows", n)
	}
	run(t, tab, chromedp.Click(`nav.paging a[rel=next]`), chromedp.WaitVisible(`nav.paging a[rel=prev]`))
	if found := eval[string](t, tab, `document.querySelector(".found").textContent`); !strings.HasPrefix(found, "101–200 of 250") {
		t.Errorf("the second page: %q", found)
	}
	run(t, tab, chromedp.SendKeys("#q", "site00003"), chromedp.Click(`form.filter button`), chromedp.WaitNotPresent(`nav.paging`), chromedp.Click(`table.certs th a`), chromedp.WaitVisible("#history"))
	if title := eval[string](t, tab, `document.querySelector("h1").textContent`); title != "site00003.example.com" {
		t.Errorf("the page of %q", title)
	}
}

// What a CA said runs nowhere, in a real browser.
func TestForeignScriptsDoNotRun(t *testing.T) {
	t.Parallel()
	w := world(time.Now(), 20)
	w.Wanted.Certs[3].Names = append(w.Wanted.Certs[3].Names, hostile)
	at, tab := serve(t, source(w)), browser(t, 1280, 900)
	for _, path := range []string{"/", "/certificates/site00003.example.com", "/?problem=%3Cscript%3Edocument.title%3D%27owned%27%3C/script%3E"} {
		run(t, tab, chromedp.Navigate(at+path), chromedp.WaitVisible("main", chromedp.ByQuery))
		if title := eval[string](t, tab, `document.title`); strings.Contains(title, "owned") {
			t.Errorf("%s: a script of others ran", path)
		}
		if n := eval[int](t, tab, `document.querySelectorAll("main script, main img, main style").length`); n != 0 {
			t.Errorf("%s: %d elements that are none of ours", path, n)
		}
	}
}

// With script the page follows what happens, and keeps what the reader does:
// the focus, an open table, a filter being typed.
func TestLive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var current atomic.Pointer[plan.World]
	before := world(now, 30)
	current.Store(&before)
	from := source(before)
	from.Read = func(context.Context) (plan.World, error) { return *current.Load(), nil }
	at, tab := serve(t, from), browser(t, 1280, 900)
	run(t, tab, chromedp.Navigate(at+"/"), chromedp.WaitVisible("table.certs"), chromedp.Click("#weeks summary"), chromedp.Focus(`table.certs a[href="/certificates/site00029.example.com"]`))
	after := world(now, 40)
	current.Store(&after)
	run(t, tab, chromedp.Poll(rows+` === 40`, nil, chromedp.WithPollingTimeout(soon)))
	if open := eval[bool](t, tab, `document.getElementById("weeks").open`); !open {
		t.Error("the open table was closed")
	}
	if held := eval[string](t, tab, `document.activeElement.getAttribute("href") || ""`); held != "/certificates/site00029.example.com" {
		t.Errorf("the focus went to %q", held)
	}
	run(t, tab, chromedp.SendKeys("#q", "site0001"), chromedp.Poll(rows+` === 10`, nil, chromedp.WithPollingTimeout(soon)))
	if where := eval[string](t, tab, `location.search`); where != "?q=site0001" {
		t.Errorf("the address says %q", where)
	}
	if typed := eval[string](t, tab, `document.getElementById("q").value`); typed != "site0001" {
		t.Errorf("what was typed is %q", typed)
	}
}

// A page that nobody answers any more says so.
func TestLiveSaysThatItIsLost(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	shown := web.New(web.Options{Snapshots: status.NewSnapshots(t.Context(), source(world(time.Now(), 3)))})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		shown.ServeHTTP(w, r)
	})}
	address := servertest.FreeAddress(t)
	server.Addr = address
	go func() { _ = server.ListenAndServe() }()
	t.Cleanup(func() { _ = server.Close() })
	servertest.Accepts(address)
	tab := browser(t, 1280, 900)
	run(t, tab, chromedp.Navigate("http://"+address+"/"), chromedp.WaitVisible("table.certs"), chromedp.Poll(`document.getElementById("live-words").textContent.startsWith("Live")`, nil, chromedp.WithPollingTimeout(soon)))
	gone.Store(true)
	run(t, tab, chromedp.Poll(`document.getElementById("live-words").textContent.startsWith("No answer")`, nil, chromedp.WithPollingTimeout(soon)))
}

// Everything can be reached by the Tab key, in order, and is seen to have the
// focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	at, tab := serve(t, source(world(time.Now(), 12))), browser(t, 1280, 900)
	run(t, tab, chromedp.Navigate(at+"/"), chromedp.WaitVisible("table.certs"))
	reached := map[string]bool{}
	first := ""
	for range 80 {
		run(t, tab, chromedp.KeyEvent(kb.Tab))
		where := eval[string](t, tab, `(() => { const e = document.activeElement; return e.id || e.getAttribute("href") || e.className || e.tagName })()`)
		if first == "" {
			first = where
		}
		if where == "BODY" {
			break
		}
		reached[where] = true
		if outline := eval[string](t, tab, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
			t.Errorf("the focus on %s cannot be seen", where)
		}
	}
	if first != "#main" {
		t.Errorf("the first stop is %q, not the way past the banner", first)
	}
	for _, want := range []string{"q", "state", "issuer", "sort", "/?state=critical#certificates", "/certificates/site00000.example.com", "/certificates/site00003.example.com", "/metrics"} {
		if !reached[want] {
			t.Errorf("%s is not reached: %v", want, reached)
		}
	}
	run(t, tab, chromedp.Focus(`.counts a[href="/?state=critical#certificates"]`), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`.counts a[aria-current]`))
	if n := eval[int](t, tab, rows); n != 2 {
		t.Errorf("%d critical rows", n)
	}
}

// A screen reader finds its way: landmarks, one heading of the first rank, none
// left out, tables with headers, drawings with words, fields with labels.
func TestStructure(t *testing.T) {
	t.Parallel()
	at, tab := serve(t, source(world(time.Now(), 12))), browser(t, 1280, 900)
	for _, path := range []string{"/", "/certificates/site00003.example.com"} {
		run(t, tab, chromedp.Navigate(at+path), chromedp.WaitVisible("main", chromedp.ByQuery))
		for what, wrong := range map[string]string{
			"headings":         `document.querySelectorAll("h1").length !== 1 || [...document.querySelectorAll("h1,h2,h3")].some((h, i, all) => i && h.tagName[1] - all[i-1].tagName[1] > 1)`,
			"landmarks":        `["header", "main", "footer"].some((l) => document.querySelectorAll("body > " + l).length !== 1)`,
			"language":         `document.documentElement.lang !== "en"`,
			"drawings":         `[...document.querySelectorAll("svg")].some((s) => s.getAttribute("aria-hidden") !== "true" && !(s.getAttribute("role") === "img" && s.querySelector("title")))`,
			"fields":           `[...document.querySelectorAll("input,select")].some((f) => !f.labels.length)`,
			"headers of rows":  `[...document.querySelectorAll("tbody tr")].some((r) => !r.querySelector("th[scope=row]"))`,
			"headers of lines": `[...document.querySelectorAll("thead th")].some((h) => h.scope !== "col")`,
			"twice one id":     `(() => { const all = [...document.querySelectorAll("[id]")].map((e) => e.id); return new Set(all).size !== all.length })()`,
			"state by words":   `[...document.querySelectorAll(".state")].some((s) => !s.textContent.trim())`,
		} {
			if eval[bool](t, tab, wrong) {
				t.Errorf("%s: %s", path, what)
			}
		}
	}
}

// contrast lists texts whose contrast with what lies behind is below 4.5, as
// WCAG 2.2 wants it for AA.
const contrast = `(() => {
	const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (c !== "rgba(0, 0, 0, 0)") return c } return "rgb(255,255,255)" };
	const bad = new Set();
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
		const style = getComputedStyle(e), ink = e.closest("svg") ? style.fill : style.color;
		const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) bad.add(e.tagName + "." + e.getAttribute("class") + " " + ratio.toFixed(2));
	}
	return [...bad].join("; ");
})()`

// In light and dark everything can be read, and on a narrow screen nothing
// has to be pushed aside. The pictures of the documents are made here, by
// CERTKEEP_PICTURES=1.
func TestLooks(t *testing.T) {
	t.Parallel()
	at := serve(t, source(world(time.Now(), 60)))
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1280, 1180}, {"dark", "dark", 1280, 1180}, {"narrow", "light", 390, 1100}} {
		t.Run(look.name, func(t *testing.T) {
			t.Parallel()
			tab := browser(t, look.width, look.height)
			dress := chromedp.Tasks{emulation.SetDeviceMetricsOverride(look.width, look.height, 1, false), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}})}
			for name, path := range map[string]string{"list": "/", "certificate": "/certificates/site00003.example.com"} {
				run(t, tab, dress, chromedp.Navigate(at+path), chromedp.WaitVisible("main", chromedp.ByQuery))
				if bad := eval[string](t, tab, contrast); bad != "" {
					t.Errorf("%s: too little contrast: %s", name, bad)
				}
				if wide := eval[int](t, tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
					t.Errorf("%s: the page is %d pixels wider than the screen", name, wide)
				}
				if dark := eval[bool](t, tab, `getComputedStyle(document.body).backgroundColor === "rgb(18, 21, 23)"`); dark != (look.scheme == "dark") {
					t.Errorf("%s: dark is %t", name, dark)
				}
				picture(t, tab, fmt.Sprintf("status-%s-%s.png", name, look.name))
			}
		})
	}
}

// picture keeps what a tab shows, where pictures are asked for.
func picture(t *testing.T, tab context.Context, name string) {
	t.Helper()
	if os.Getenv("CERTKEEP_PICTURES") == "" {
		return
	}
	var png []byte
	run(t, tab, chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join("..", "..", "..", "docs", "pictures", name), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
