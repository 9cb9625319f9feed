package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// Whatever arrives is refused or makes sense, and means the same when it is
// sent again.
func FuzzDecodeAsk(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"apply"}`, `{"kind":"renew","names":["www"]}`, `{"kind":"restore","names":["www"],"version":"V1"}`,
		`{"kind":"release","names":["a","b"]}`, `{"kind":"renew","names":[]}`, `{"kind":"renew","names":[null]}`, `{"kind":"renew","names":"www"}`,
		`{"kind":"renew","names":["www"]} {}`, `{"Kind":"renew","NAMES":["www"]}`, `null`, `[]`, ``, `{`, "\x00", `{"kind":"delete","names":["www"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := decodeAsk(bytes.NewReader(body))
		if err != nil {
			if !errors.Is(err, errAsk) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if err := a.check(); err != nil {
			t.Fatalf("taken, and makes no sense: %v", err)
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeAsk(bytes.NewReader(again))
		if err != nil || b.Kind != a.Kind || b.Version != a.Version || len(b.Names) != len(a.Names) || len(a.Names) > 0 && !reflect.DeepEqual(a.Names, b.Names) {
			t.Fatalf("%+v became %+v, %v", a, b, err)
		}
	})
}

func TestLinesCarryProgress(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, p := range []engine.Progress{
		{Time: at, Cert: "www", Stage: "finalize", Step: &plan.Step{Kind: plan.KindIssue, Cert: "www", At: at}},
		{Time: at, Cert: "www", Step: &plan.Step{Kind: plan.KindIssue, Cert: "www", At: at}, Fault: &plan.Fault{Code: plan.CodeCAA, Words: "w", At: at}},
		{Time: at, Cert: "www", Event: &store.Event{Kind: store.EventIssued, Cert: "www", Time: at}},
	} {
		text, err := json.Marshal(lineOf(p))
		if err != nil {
			t.Fatal(err)
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		if got := l.progress(); !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, want %+v", got, p)
		}
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	d := newDesk()
	mine, err := d.open([]string{"www"}, now)
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.open(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	d.watch(engine.Progress{Cert: "www", Stage: "order"})
	d.watch(engine.Progress{Cert: "mail", Stage: "order"})
	d.watch(engine.Progress{Cert: "mail", Fault: &plan.Fault{}})
	if n := len(mine.take()); n != 1 {
		t.Errorf("%d lines about www, want 1", n)
	}
	mine.end("", now)
	all.end("", now)
	all.end("twice", now)
	d.watch(engine.Progress{Cert: "www", Stage: "too late"})
	last := mine.take()
	if len(last) != 1 || last[0].Ended == nil || last[0].Ended.Failed {
		t.Errorf("the end of www: %+v", last)
	}
	lines := all.take()
	if end := lines[len(lines)-1].Ended; len(lines) != 4 || end == nil || !end.Failed || end.Why != "" {
		t.Errorf("all: %+v", lines)
	}
}

// A reader that lags behind costs a bounded amount of memory, and still
// learns whether something failed.
func TestTicketsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := newDesk()
	first, err := d.open(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for range maxLines + 10 {
		d.watch(engine.Progress{Cert: "www", Stage: "order"})
	}
	d.watch(engine.Progress{Cert: "www", Fault: &plan.Fault{}})
	first.end("", now)
	lines := first.take()
	if end := lines[len(lines)-1].Ended; len(lines) != maxLines+1 || !end.Failed || end.Dropped != 11 {
		t.Errorf("%d lines, ended %+v", len(lines), end)
	}
	for err == nil {
		_, err = d.open(nil, now)
	}
	if !errors.Is(err, errBusy) || len(d.tickets) != maxTickets {
		t.Errorf("%d tickets: %v", len(d.tickets), err)
	}
	if _, err := d.open(nil, now.Add(keepEnded+time.Second)); err != nil {
		t.Errorf("a ticket that nobody reads stays for ever: %v", err)
	}
}

func TestReadyFDIsChecked(t *testing.T) {
	t.Parallel()
	for _, fd := range []int{-1, 0, 1, 2, 9999} {
		if err := CheckReadyFD(fd); err == nil {
			t.Errorf("descriptor %d is taken", fd)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{""}, {strings.Repeat("x", maxName+1)}, make([]string, maxNames+1)} {
		if err := checkNames(names); !errors.Is(err, errAsk) {
			t.Errorf("%d names: %v", len(names), err)
		}
	}
}
