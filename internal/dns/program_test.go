package dns

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

func TestProgram(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	p, err := NewProgram(ProgramConfig{
		Command: command.Command{Args: []string{"/bin/sh", "-c", `{ env | grep ^CERTKEEP_ | sort; cat; } >>"$0"`, out}},
		Zones:   []string{"test", "Example.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Name: "_acme-challenge.www.example.test.", Type: "TXT", Value: `a "b"`, TTL: 2 * time.Minute}
	if err := errors.Join(p.Add(t.Context(), r), p.Remove(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, action := range []string{"add", "remove"} {
		want += "CERTKEEP_DNS_ACTION=" + action + `
CERTKEEP_DNS_NAME=_acme-challenge.www.example.test
CERTKEEP_DNS_TTL=120
CERTKEEP_DNS_TYPE=TXT
CERTKEEP_DNS_VALUE=a "b"
CERTKEEP_DNS_ZONE=example.test
{"action":"` + action + `","name":"_acme-challenge.www.example.test","type":"TXT","value":"a \"b\"","ttl":120,"zone":"example.test"}
`
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// Programs that were written for mod_md are told as it tells them, and only what
// they can do.
func TestProgramOfModMD(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	p, err := NewProgram(ProgramConfig{
		Command: command.Command{Args: []string{"/bin/sh", "-c", `echo "$*" >>"$0"`, out, "own"}}, Arguments: ModMD, Zones: []string{"example.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Name: "_acme-challenge.www.example.test.", Type: "TXT", Value: "v-1", TTL: 2 * time.Minute}
	if err := errors.Join(p.Add(t.Context(), r), p.Remove(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
	for _, other := range []Record{{Name: "alias.example.test", Type: "TXT", Value: "v"}, {Name: "_acme-challenge.example.test", Type: "TLSA", Value: "3 1 1 00"}} {
		if failure, ok := errors.AsType[*Error](p.Add(t.Context(), other)); !ok || failure.Hint == "" {
			t.Errorf("%+v: %v", other, failure)
		}
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "own setup www.example.test v-1\nown teardown www.example.test v-1\n" {
		t.Errorf("told is %q, %v", got, err)
	}
}

// A program that was written for lego's provider exec goes on unchanged: it gets
// the action, the record with a dot at its end, and the value.
func TestProgramOfLego(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	p, err := NewProgram(ProgramConfig{
		Command: command.Command{Args: []string{"/bin/sh", "-c", `echo $# "$1" "$2" "$3" >>"$0"`, out}}, Arguments: Lego, Zones: []string{"example.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"_acme-challenge.www.example.test", "alias.example.test."} {
		r := Record{Name: name, Type: "TXT", Value: "v-1", TTL: 2 * time.Minute}
		if err := errors.Join(p.Add(t.Context(), r), p.Remove(t.Context(), r)); err != nil {
			t.Fatal(err)
		}
	}
	if failure, ok := errors.AsType[*Error](p.Add(t.Context(), Record{Name: "_25._tcp.example.test", Type: "TLSA", Value: "3 1 1 00"})); !ok || failure.Hint == "" {
		t.Errorf("a TLSA record: %v", failure)
	}
	want := "3 present _acme-challenge.www.example.test. v-1\n3 cleanup _acme-challenge.www.example.test. v-1\n3 present alias.example.test. v-1\n3 cleanup alias.example.test. v-1\n"
	if got, err := os.ReadFile(out); err != nil || string(got) != want {
		t.Errorf("told is %q, %v", got, err)
	}
}

func TestProgramFindsTheZone(t *testing.T) {
	s := bindtest.Start(t, bindtest.Zone{Name: "example.test"})
	p, err := NewProgram(ProgramConfig{
		Command:  command.Command{Shell: `test "$CERTKEEP_DNS_ZONE" = example.test`},
		Resolver: Resolver{Servers: []string{s.Address}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(t.Context(), Record{Name: "www.example.test", Type: "TXT", Value: "v"}); err != nil {
		t.Error(err)
	}
	err = p.Add(t.Context(), Record{Name: "www.example.invalid", Type: "TXT", Value: "v"})
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestProgramFails(t *testing.T) {
	if _, err := NewProgram(ProgramConfig{}); err == nil {
		t.Error("a config without a command was accepted")
	}
	p, err := NewProgram(ProgramConfig{Command: command.Command{Shell: "echo quota >&2; exit 7"}, Zones: []string{"example.test"}})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Add(t.Context(), Record{Name: "www.example.test", Type: "TXT", Value: "v"})
	failure, ok := errors.AsType[*Error](err)
	if !ok || failure.Code != plan.CodeDNSUpdate {
		t.Fatalf("got %v", err)
	}
	if ran, ok := errors.AsType[*command.Error](err); !ok || ran.Code != 7 || string(ran.Stderr) != "quota\n" {
		t.Errorf("got %v", err)
	}
	if err := p.Add(t.Context(), Record{Name: "$(x).example.test", Type: "TXT", Value: "v"}); !errors.Is(err, errName) {
		t.Errorf("got %v", err)
	}

	open := filepath.Join(t.TempDir(), "hook") // to be changed by everybody
	if err := errors.Join(os.WriteFile(open, []byte("#!/bin/sh\n"), 0o755), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if p, err = NewProgram(ProgramConfig{Command: command.Command{Args: []string{open}}, Zones: []string{"example.test"}}); err != nil {
		t.Fatal(err)
	}
	err = p.Add(t.Context(), Record{Name: "www.example.test", Type: "TXT", Value: "v"})
	if _, ok := errors.AsType[*command.UntrustedError](err); !ok {
		t.Errorf("got %v, want a refusal", err)
	}
}
