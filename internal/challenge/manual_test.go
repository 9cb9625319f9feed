package challenge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// manualPair are two programs that write down what they are told.
func manualPair(t *testing.T, auth string) (hooks ManualHooks, said func(program string) []string) {
	t.Helper()
	dir := t.TempDir()
	shell := func(name, text string) command.Command {
		return command.Command{Shell: fmt.Sprintf("env | grep ^CERTBOT_ | sort | tr '\\n' ' ' >> %s/%s; echo >> %[1]s/%[2]s; %s", dir, name, text)}
	}
	return ManualHooks{Auth: shell("auth", auth), CleanUp: shell("cleanup", "")}, func(program string) []string {
		text, err := os.ReadFile(filepath.Join(dir, program))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), " \n", "\n"), "\n"), "\n")
	}
}

func named(name string, wildcard bool) Challenge {
	return Challenge{Type: TypeDNS01, Identifier: Identifier{Value: name, Wildcard: wildcard}, Token: "to-ken", KeyAuthorization: "to-ken.thumb"}
}

// Both programs are told what certbot's are, and the second one what the first
// one said.
func TestManualIsTold(t *testing.T) {
	t.Setenv("CERTBOT_SECRET", "hush")
	http := httpChallenge("to-ken_1")
	for _, test := range []struct {
		kind string
		c    Challenge
		want string
	}{
		{TypeHTTP01, http, "CERTBOT_ALL_DOMAINS=" + http.Identifier.Value + " CERTBOT_ALL_IDENTIFIERS=" + http.Identifier.Value +
			" CERTBOT_DOMAIN=" + http.Identifier.Value + " CERTBOT_IDENTIFIER=" + http.Identifier.Value + " CERTBOT_REMAINING_CHALLENGES=0 CERTBOT_TOKEN=to-ken_1 CERTBOT_VALIDATION=" + http.KeyAuthorization},
		{TypeDNS01, named("a.test", true), "CERTBOT_ALL_DOMAINS=a.test CERTBOT_ALL_IDENTIFIERS=a.test CERTBOT_DOMAIN=a.test CERTBOT_IDENTIFIER=a.test CERTBOT_REMAINING_CHALLENGES=0 CERTBOT_VALIDATION=" + named("a.test", true).DNSValue()},
	} {
		hooks, said := manualPair(t, "echo; echo ' record 17 '")
		s := NewManual().Solver(test.kind, hooks)
		if err := s.Present(t.Context(), test.c); err != nil {
			t.Fatal(err)
		}
		if got := s.(Noted).Note(test.c); got != "record 17" {
			t.Errorf("note %q", got)
		}
		for range 2 { // the second time there is nothing to take away
			if err := s.CleanUp(t.Context(), test.c); err != nil {
				t.Fatal(err)
			}
		}
		if got := said("auth"); !slices.Equal(got, []string{test.want}) {
			t.Errorf("the auth_hook was told %q, want %q", got, test.want)
		}
		if got := said("cleanup"); !slices.Equal(got, []string{strings.Replace(test.want, " CERTBOT_DOMAIN", " CERTBOT_AUTH_OUTPUT=record 17 CERTBOT_DOMAIN", 1)}) {
			t.Errorf("the cleanup_hook was told %q", got)
		}
	}
}

// The challenges of an order are counted down, and no program runs beside
// another, be it of another order.
func TestManualOneAtATime(t *testing.T) {
	dir := t.TempDir()
	alone := fmt.Sprintf("mkdir %s/running || touch %[1]s/crowd; sleep 0.02; rmdir %[1]s/running", dir)
	hooks, said := manualPair(t, alone)
	m := NewManual()
	all := []Challenge{named("a.test", false), named("a.test", true), named("b.test", false)}
	var ids []Identifier
	for _, c := range all {
		ids = append(ids, c.Identifier)
	}
	ctx := InBatch(t.Context(), ids)
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			if err := m.Solver(TypeDNS01, hooks).Present(ctx, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := m.Solver(TypeDNS01, hooks).Present(t.Context(), named("other.test", false)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if _, err := os.Stat(dir + "/crowd"); err == nil {
		t.Error("two programs ran at once")
	}
	var left []string
	for _, line := range said("auth") {
		if strings.Contains(line, "CERTBOT_ALL_DOMAINS=a.test,a.test,b.test CERTBOT_ALL_IDENTIFIERS=a.test,a.test,b.test ") {
			_, rest, _ := strings.Cut(line, "CERTBOT_REMAINING_CHALLENGES=")
			left = append(left, rest[:1])
		}
	}
	if !slices.Equal(left, []string{"2", "1", "0"}) {
		t.Errorf("counted %q in %q", left, said("auth"))
	}
}

// A program whose turn never came made nothing that could be taken away.
func TestManualNeverRan(t *testing.T) {
	t.Parallel()
	hooks, said := manualPair(t, "")
	m, c := NewManual(), named("a.test", false)
	s := m.Solver(TypeDNS01, hooks)
	m.gate <- struct{}{} // another one is running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Present(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-m.gate
	if err := s.CleanUp(t.Context(), c); err != nil || said("cleanup") != nil {
		t.Errorf("the cleanup_hook was told %q, %v", said("cleanup"), err)
	}
}

// What a failing program made is taken away all the same; a later process is
// told of what an earlier one made, and touches nothing else.
func TestManualCleansUp(t *testing.T) {
	t.Parallel()
	hooks, said := manualPair(t, "echo half; echo 'no such zone' >&2; exit 4")
	s, c := NewManual().Solver(TypeDNS01, hooks), named("a.test", false)
	err := s.Present(t.Context(), c)
	failure, ok := errors.AsType[*Error](err)
	if !ok || failure.Code != plan.CodeAuthHook || !strings.Contains(err.Error(), "no such zone") {
		t.Errorf("error %v", err)
	}
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := said("cleanup"); len(got) != 1 || !strings.Contains(got[0], "CERTBOT_AUTH_OUTPUT=half ") {
		t.Errorf("the cleanup_hook was told %q", got)
	}
	later := NewManual().Solver(TypeDNS01, hooks)
	if err := later.CleanUp(t.Context(), c); err != nil || len(said("cleanup")) != 1 {
		t.Errorf("took away what nobody made: %q, %v", said("cleanup"), err)
	}
	later.(Noted).Recall(c, "whole")
	if err := later.CleanUp(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := said("cleanup"); len(got) != 2 || !strings.Contains(got[1], "CERTBOT_AUTH_OUTPUT=whole ") {
		t.Errorf("the cleanup_hook was told %q", got)
	}
}

// A clean-up that fails, or hangs, is to be done again.
func TestManualCleanUpFails(t *testing.T) {
	t.Parallel()
	hooks, _ := manualPair(t, "")
	hooks.CleanUp = command.Command{Shell: "sleep 1000", Timeout: 20 * time.Millisecond}
	m, c := NewManual(), named("a.test", false)
	s := m.Solver(TypeDNS01, hooks)
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := s.CleanUp(t.Context(), c); err == nil {
		t.Error("a hanging program took it away")
	}
	hooks.CleanUp = command.Command{Shell: "exit 0"}
	if err := m.Solver(TypeDNS01, hooks).CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
	if len(m.notes) != 0 {
		t.Errorf("notes are left: %v", m.notes)
	}
}

// What cannot be proven is refused before a program runs, and so is one that
// others may write.
func TestManualRefuses(t *testing.T) {
	t.Parallel()
	hooks, said := manualPair(t, "")
	m := NewManual()
	ip := named("192.0.2.1", false)
	ip.Identifier.IP = true
	wild, evil := httpChallenge("x"), httpChallenge("../x")
	wild.Identifier.Wildcard = true
	for _, test := range []struct {
		kind string
		c    Challenge
	}{{TypeDNS01, ip}, {TypeHTTP01, wild}, {TypeHTTP01, evil}} {
		if err := m.Solver(test.kind, hooks).Present(t.Context(), test.c); err == nil {
			t.Errorf("answered %s for %s", test.kind, test.c.Identifier)
		}
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	err := m.Solver(TypeDNS01, ManualHooks{Auth: command.Command{Args: []string{open}}}).Present(t.Context(), named("a.test", false))
	if err == nil || !strings.Contains(err.Error(), "may be written by everybody") {
		t.Errorf("error %v", err)
	}
	if got := said("auth"); got != nil {
		t.Errorf("ran: %q", got)
	}
}
