package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestFullDiskIsTold: a failure that cannot be stored is in no status. So it
// is told in the log, and to whoever watches, wherever it happens.
func TestFullDiskIsTold(t *testing.T) {
	for _, webroot := range []bool{false, true} {
		f := newFixture(t, acmetest.Options{})
		disk := faultfs.New(durable.NoSync{})
		f.disk = disk
		f.reopen()
		text := "certificates: {a.test: {}}\n"
		if webroot {
			text = "challenges: [{http-01: {webroot: " + f.webroot() + "}}]\n" + text
		}
		f.configure(text)
		failed := 0
		for _, kind := range []plan.AskKind{plan.AskApply, plan.AskRenew} {
			for n := 1; n < 40; n += 2 {
				f.ask(kind, "a.test")
				failed += f.tellsOnFullDisk(disk, n, text)
			}
			f.ask(plan.AskApply, "a.test") // a failure that was stored backs off
			f.apply()
			f.checkServed("a.test")
		}
		if failed < 10 {
			t.Errorf("only %d steps failed", failed)
		}
	}
}

// tellsOnFullDisk runs a pass on a disk that is full from its n-th change on.
// It counts the steps that fail.
func (f *fixture) tellsOnFullDisk(disk *faultfs.Disk, n int, text string) (failed int) {
	f.Helper()
	var log bytes.Buffer
	var told []string
	f.Engine = New(Options{Store: f.store, Disk: disk, Log: slog.New(slog.NewTextHandler(&log, nil)), UserAgent: "certkeep/test", Watch: func(p Progress) {
		if p.Event != nil && p.Event.Fault != nil {
			told = append(told, p.Event.Fault.Words)
		}
	}})
	f.configure(text)
	disk.Arm(n, faultfs.Full)
	report, err := f.Apply(f.Context(), nil, Only{})
	disk.Disarm()
	if err != nil {
		f.Fatal(err)
	}
	for _, o := range report.Done {
		if o.Fault == nil {
			continue
		}
		failed++
		if c := o.Fault.Code; c != plan.CodeDisk && c != plan.CodeWebroot {
			f.Errorf("full at %d: code %s: %q %q", n, c, o.Fault.Words, o.Fault.Detail)
		}
		if !strings.Contains(log.String(), o.Fault.Code.Remedy()) {
			f.Errorf("full at %d: the log does not say what to do about %q:\n%s", n, o.Fault.Words, &log)
		}
		if strings.Count(strings.Join(told, "\n"), o.Fault.Words) != 1 {
			f.Errorf("full at %d: %q was not told once: %q", n, o.Fault.Words, told)
		}
	}
	return failed
}
