package dns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/plan"
)

// bindtool stands for a program that makes zones: it notes what it was called
// with, and what the zone's file said then.
type bindtool struct {
	dir, log string
	*ZoneFile
}

func newBindtool(t *testing.T, change func(*ZoneFileConfig)) *bindtool {
	t.Helper()
	b := &bindtool{dir: filepath.Join(t.TempDir(), "challenges")}
	b.log = b.dir + ".log"
	script := `{ echo "$# $1"; cat "` + b.dir + `/$1" 2>/dev/null && echo; } >>"$0"; exit 0`
	c := ZoneFileConfig{
		Path: b.dir + "/{zone}", Command: command.Command{Args: []string{"/bin/sh", "-c", script, b.log}},
		Zones: []string{"example.com", "Sub.example.com."}, Attr: durable.Attr{Mode: 0o640, UID: -1, GID: -1}, Disk: durable.NoSync{},
	}
	if change != nil {
		change(&c)
	}
	var err error
	if b.ZoneFile, err = NewZoneFile(c); err != nil {
		t.Fatal(err)
	}
	return b
}

// told returns what the program noted, and forgets it.
func (b *bindtool) told(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func proof(subject, value string) Record {
	return Record{Name: "_acme-challenge." + strings.TrimPrefix(subject, "*."), Type: "TXT", Value: value, Subject: subject}
}

// The file and the command are acmebot's: the wildcard's key keeps its "*.",
// the last one takes the file with it, and the zone is the only argument.
func TestZoneFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBindtool(t, nil)
		for _, step := range []struct {
			name   string
			change func(context.Context, Record) error
			record Record
			told   string
		}{
			{"first", b.Add, proof("example.com", "one"), "1 example.com\n" + `{"example.com":"one"}` + "\n"},
			{"wildcard", b.Add, proof("*.example.com", "two"), "1 example.com\n" + `{"*.example.com":"two","example.com":"one"}` + "\n"},
			{"again", b.Add, proof("*.example.com", "two"), "1 example.com\n" + `{"*.example.com":"two","example.com":"one"}` + "\n"},
			{"another zone", b.Add, proof("www.sub.example.com", "three"), "1 sub.example.com\n" + `{"www.sub.example.com":"three"}` + "\n"},
			{"not this value", b.Remove, proof("example.com", "two?"), "1 example.com\n" + `{"*.example.com":"two","example.com":"one"}` + "\n"},
			{"one less", b.Remove, proof("example.com", "one"), "1 example.com\n" + `{"*.example.com":"two"}` + "\n"},
			{"none", b.Remove, proof("*.example.com", "two"), "1 example.com\n"},
			{"none again", b.Remove, proof("*.example.com", "two"), "1 example.com\n"},
		} {
			before := time.Now()
			if err := step.change(t.Context(), step.record); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if told := b.told(t); told != step.told {
				t.Errorf("%s: told %q, want %q", step.name, told, step.told)
			}
			if took := time.Since(before); took != 2*time.Second {
				t.Errorf("%s: took %v", step.name, took)
			}
		}
		for name, want := range map[string]os.FileMode{"": 0o750, "sub.example.com": 0o640} {
			if info, err := os.Stat(filepath.Join(b.dir, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("%q: %v, %v", name, info, err)
			}
		}
		if _, err := os.Stat(b.dir + "/example.com"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the empty zone's file: %v", err)
		}
	})
}

// Changes that come while the command runs share the next run.
func TestZoneFileReloadsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBindtool(t, nil)
		b.mu.Lock()
		busy := b.state("example.com").turn
		b.mu.Unlock()
		busy <- struct{}{} // as if the command ran
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() {
				if err := b.Add(t.Context(), proof(fmt.Sprintf("h%d.example.com", i), "v")); err != nil {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			if err := b.Reload(t.Context(), "Example.com."); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Reload(ctx, "example.com"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who does not want to wait: %v", err)
		}
		<-busy
		group.Wait()
		want := "1 example.com\n" + `{"h0.example.com":"v","h1.example.com":"v","h2.example.com":"v","h3.example.com":"v","h4.example.com":"v"}` + "\n"
		if told := b.told(t); told != want {
			t.Errorf("told %q", told)
		}
		if err := b.Reload(t.Context(), "example.com"); err != nil || b.told(t) != want {
			t.Errorf("a later reload: %v", err)
		}
	})
}

// What another run left behind gives way; what this one waits for does not.
func TestZoneFileOneProofAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBindtool(t, nil)
		left := `{"example.com":"of a run that was killed","other.example.com":"x"}`
		if err := errors.Join(os.Mkdir(b.dir, 0o700), os.WriteFile(b.dir+"/example.com", []byte(left), 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(t.Context(), proof("example.com", "one")); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(t.Context(), proof("example.com", "two")); !errors.Is(err, errPending) {
			t.Errorf("got %v", err)
		}
		if want := "1 example.com\n" + `{"example.com":"one","other.example.com":"x"}` + "\n"; b.told(t) != want {
			t.Error("the first proof is gone, or the other's name")
		}
		if err := errors.Join(b.Remove(t.Context(), proof("example.com", "one")), b.Add(t.Context(), proof("example.com", "two"))); err != nil {
			t.Error(err)
		}
	})
}

// Whatever change of the disk goes wrong, the file is whole, the error is told,
// and doing it again mends all.
func TestZoneFileFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range faultfs.Faults() {
			for n := 1; ; n++ {
				disk := faultfs.New(durable.NoSync{})
				b := newBindtool(t, func(c *ZoneFileConfig) { c.Disk = disk })
				disk.Arm(n, fault)
				one, two := proof("example.com", "one"), proof("*.example.com", "two")
				err := errors.Join(b.Add(t.Context(), one), b.Add(t.Context(), two), b.Remove(t.Context(), one), b.Remove(t.Context(), two))
				tripped := disk.Tripped()
				if tripped && err == nil {
					t.Errorf("%v at change %d: no error", fault, n)
				}
				if _, _, err := readZoneFile(b.dir + "/example.com"); err != nil {
					t.Errorf("%v at change %d: %v", fault, n, err)
				}
				disk.Disarm()
				b.told(t)
				again := newBindtool(t, func(c *ZoneFileConfig) { c.Path = b.config.Path }).ZoneFile
				if err := errors.Join(again.Remove(t.Context(), one), again.Remove(t.Context(), two)); err != nil {
					t.Errorf("%v at change %d: again: %v", fault, n, err)
				}
				if left, err := os.ReadDir(b.dir); len(left) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%v at change %d: left %v, %v", fault, n, left, err)
				}
				if !tripped {
					break
				}
			}
		}
	})
}

func TestZoneFileFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := proof("example.com", "v")
		for name, tt := range map[string]struct {
			change func(*ZoneFileConfig)
			file   string
			record Record
		}{
			"another type":  {nil, "", tlsaRecord("_acme-challenge.example.com")},
			"another name":  {nil, "", Record{Name: "www.example.com", Type: "TXT", Value: "v"}},
			"no name":       {nil, "", Record{Name: "../x", Type: "TXT", Value: "v"}},
			"no JSON":       {nil, "{", good},
			"another shape": {nil, `{"example.com":{}}`, good},
			"too long":      {nil, strings.Repeat(" ", maxZoneFile+1), good},
			"command":       {func(c *ZoneFileConfig) { c.Command.Args = []string{"/bin/false"} }, "", good},
			"no command":    {func(c *ZoneFileConfig) { c.Command.Args = []string{"/no/such/program"} }, "", good},
			"no zone": {
				func(c *ZoneFileConfig) {
					c.Zones, c.Resolver.Servers = nil, []string{"192.0.2.1"}
					c.Resolver.Network = newLiar(nil)
				},
				"", good,
			},
		} {
			b := newBindtool(t, tt.change)
			if err := errors.Join(os.Mkdir(b.dir, 0o700), os.WriteFile(b.dir+"/example.com", []byte(tt.file), 0o600)); err != nil {
				t.Fatal(err)
			}
			if tt.file == "" {
				if err := os.Remove(b.dir + "/example.com"); err != nil {
					t.Fatal(err)
				}
			}
			err := b.Add(t.Context(), tt.record)
			if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != plan.CodeDNSUpdate || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	for name, c := range map[string]ZoneFileConfig{
		"no command": {Path: "/a/{zone}"}, "shell": {Path: "/a/{zone}", Command: command.Command{Shell: "true"}},
		"relative": {Path: "a/{zone}", Command: command.Command{Args: []string{"true"}}},
		"one file": {Path: "/a/b", Command: command.Command{Args: []string{"true"}}},
		"zone":     {Path: "/a/{zone}", Command: command.Command{Args: []string{"true"}}, Zones: []string{"a b"}},
	} {
		if _, err := NewZoneFile(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func tlsaRecord(name string) Record {
	return Record{Name: name, Type: "TLSA", Value: "3 1 1 " + hex("01")}
}
