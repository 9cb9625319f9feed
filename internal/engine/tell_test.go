package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// told reads the messages that a command appended to the file "told".
func (f *fixture) messages() (all []plan.Message) {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "told"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var m plan.Message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			f.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// says fails unless the last message has just these groups, and that many
// were sent.
func (f *fixture) says(count int, groups ...string) {
	f.Helper()
	all := f.messages()
	if len(all) != count {
		f.Fatalf("%d messages were sent, want %d: %+v", len(all), count, all)
	}
	var have []string
	for _, g := range all[count-1].Groups {
		have = append(have, fmt.Sprintf("%s %s %s %d", g.Event, g.Change, g.Code, g.Count))
	}
	if strings.Join(have, ", ") != strings.Join(groups, ", ") {
		f.Errorf("it says %q, want %q", have, groups)
	}
}

func (f *fixture) pass() {
	f.Helper()
	if _, err := f.Apply(f.Context(), nil, Only{}); err != nil {
		f.Fatal(err)
	}
}

// TestPeopleAreTold: a one-shot run tells what failed before it ends, once,
// and that it is solved.
func TestPeopleAreTold(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	tell := f.script("tell", "cat >> "+filepath.Join(f.dir, "told")+"\n")
	bad := f.script("bad", "exit 3\n")
	certificates := "certificates: {a.test: {}, b.test: {}, c.test: {}}\n"
	f.configure(fmt.Sprintf("notify: {command: %s}\nhooks: {installed: {command: %s}}\n", tell, bad) + certificates)
	f.pass()
	f.says(1, "errored appeared hook-failed 3")
	if m := f.messages()[0]; m.Node != "node1" || m.ID == "" || m.Groups[0].Remedy != plan.CodeHook.Remedy() {
		t.Errorf("it was told %+v", m)
	}
	f.reopen()
	f.configure(fmt.Sprintf("notify: {command: %s}\nhooks: {installed: {command: %s}}\n", tell, bad) + certificates)
	f.pass()
	f.says(1, "errored appeared hook-failed 3")
	f.script("bad", "exit 0\n")
	f.configure(fmt.Sprintf("notify: {command: {command: %s, events: [errored, solved, renewing, reloaded]}}\nhooks: {installed: {command: %s}}\n", tell, bad) + certificates)
	f.askApply("a.test")
	f.askApply("b.test")
	f.askApply("c.test")
	f.apply()
	f.says(2, "solved solved hook-failed 3")
}

// TestAFailingChannelIsAProblem: it stops nothing, is told by the other one,
// and what it could not tell is told later, under the same id.
func TestAFailingChannelIsAProblem(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	tell := f.script("tell", "cat >> "+filepath.Join(f.dir, "told")+"; exit 1\n")
	f.configure(fmt.Sprintf("notify: {command: {command: %s, events: [issued, installed]}}\ncertificates: {a.test: {}}\n", tell))
	f.apply()
	f.checkServed("a.test")
	world, err := f.World(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	problems := plan.ChannelProblems(world)
	if len(problems) != 1 || problems[0].Code != plan.CodeNotify || !strings.Contains(problems[0].Words, "exit status 1") {
		t.Errorf("problems = %+v", problems)
	}
	first := f.messages()
	f.pass() // too early to try again
	if again := f.messages(); len(first) != 1 || len(again) != 1 || first[0].Count != 2 {
		t.Fatalf("it was told %+v, then %+v", first, again)
	}
	f.script("tell", "cat >> "+filepath.Join(f.dir, "told")+"\n")
	err = f.store.UpdateChannel(t.Context(), "command", func(k plan.KnownChannel) plan.KnownChannel {
		k.Tries.NotBefore = time.Time{}
		return k
	})
	if err != nil {
		t.Fatal(err)
	}
	f.pass()
	if all := f.messages(); len(all) != 2 || all[1].ID != first[0].ID {
		t.Errorf("it was told %+v", all)
	}
	if world, err = f.World(t.Context()); err != nil || len(plan.ChannelProblems(world)) > 0 {
		t.Errorf("problems = %+v, %v", plan.ChannelProblems(world), err)
	}
	f.pass()
	if all := f.messages(); len(all) != 2 {
		t.Errorf("it was told %+v", all)
	}
}

// TestAKillRepeatsOneMessage: the process dies at each write of telling; the
// next run tells what was not told, and repeats nothing but that message,
// under its id.
func TestAKillRepeatsOneMessage(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	disk := faultfs.New(durable.NoSync{})
	f.disk = disk
	f.reopen()
	tell := f.script("tell", "cat >> "+filepath.Join(f.dir, "told")+"\n")
	text := fmt.Sprintf("notify: {command: {command: %s, events: [problem], limit: 1000}}\n", tell)
	f.configure(text)
	heard := plan.World{Wanted: f.current().wanted}
	stored := func(name string) plan.World {
		w := heard
		known, err := f.store.Known(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		w.Known = known
		w.Known.Channels["failing "+name] = plan.KnownChannel{Tries: plan.Tries{Count: 1, Fault: &plan.Fault{Code: plan.CodeNotify, Words: name}}}
		w.Wanted.Channels = append(w.Wanted.Channels[:1:1], plan.WantedChannel{Name: "failing " + name})
		return w
	}
	tellAll := func(name string) {
		w := stored(name)
		jobs, _ := f.toTell(time.Now(), w)
		f.deliver(context.Background(), jobs)
	}
	tellAll("nothing") // which makes the folders
	disk.Disarm()
	tellAll("something")
	writes := len(disk.Ops())
	if writes < 4 {
		t.Fatalf("telling takes %d changes of the disk", writes)
	}
	for n := 1; n <= writes; n++ {
		name := fmt.Sprint("n", n)
		before := len(f.messages())
		disk.Arm(n, faultfs.Killed)
		tellAll(name)
		disk.Disarm()
		f.reopen()
		f.configure(text)
		tellAll(name)
		ids := map[string]bool{}
		for _, m := range f.messages()[before:] {
			ids[m.ID] = true
		}
		if all := f.messages()[before:]; len(all) < 1 || len(all) > 2 {
			t.Errorf("killed at %d it told %+v", n, all)
		}
		if n > writes/2 && len(ids) != 1 { // it was stored before it was sent
			t.Errorf("killed at %d it told under the ids %v", n, ids)
		}
		w := stored(name)
		if jobs, _ := f.toTell(time.Now(), w); len(jobs) > 0 {
			t.Errorf("killed at %d there is still to tell %+v", n, jobs)
		}
	}
}

// nobody is a network on which nobody answers.
type nobody struct{ network.OS }

// DialContext implements network.Network.
func (nobody) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("nobody answers")
}

// TestADaemonTellsInTime: what fails is gathered for a minute, told once,
// and an hour later no more often than it fails anew.
func TestADaemonTellsInTime(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	cfg := f.config("notify: {webhook: {url_file: /no/such/file}}\ncertificates: {a.test: {}, b.test: {}}\n")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(durable.NoSync{})
		f.T, f.disk = t, disk
		f.reopen()
		f.Network = nobody{}
		if err := f.Configure(cfg); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- f.Engine.Run(t.Context()) }()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		world, err := f.World(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		k := world.Known.Channels["webhook"]
		if k.Sending == nil || k.Sending.Message.Count != 2 || k.Tries.Count < 4 || k.Tries.Count > 8 || k.Tries.Fault == nil {
			t.Errorf("in 3 hours it became %+v", k)
		}
		if at := k.Sending.Message.At.Sub(world.Known.Certs["a.test"].Tries["ecdsa-p256"].Last); at > 0 {
			t.Errorf("it was made %s after the last failure", at)
		}
		t.Cleanup(func() { <-ended })
	})
}
