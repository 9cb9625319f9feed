package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

func payload(t *testing.T, target Target) Payload {
	t.Helper()
	files, err := target.HookFiles()
	if err != nil {
		t.Fatal(err)
	}
	return Payload{
		Event: "installed", At: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Certificate: "c", Names: []string{"a.test", "*.a.test"},
		Target: "d", Version: "v1", Lineage: target.Lineage(), Files: files, Attempt: 2,
	}
}

// A hook gets the event as JSON and as the variables of certbot and lego, and
// nothing else of ours.
func TestHookIsTold(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CERTKEEP_SECRET", "hush")
	p := payload(t, Target{Cert: "c", Name: "d", Base: "/b", KeyTypes: []string{rsa2, p256}})
	p.Challenge = &HookChallenge{Type: "dns-01", Domain: "a.test", Token: "tok", Validation: "val"}
	if err := Run(t.Context(), Hook{Event: "installed", Shell: "cd " + dir + "; env > env; cat > stdin"}, p); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(dir + "/env")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(env)), "\n")
	for _, want := range []string{
		"RENEWED_LINEAGE=/b/c", "RENEWED_DOMAINS=a.test *.a.test",
		"CERTBOT_ALL_DOMAINS=a.test,*.a.test", "CERTBOT_ALL_IDENTIFIERS=a.test,*.a.test", "CERTBOT_DOMAIN=a.test", "CERTBOT_IDENTIFIER=a.test", "CERTBOT_TOKEN=tok", "CERTBOT_VALIDATION=val",
		"LEGO_CERT_DOMAIN=a.test", "LEGO_CERT_PATH=/b/c/fullchain.pem", "LEGO_CERT_KEY_PATH=/b/c/privkey.pem", "LEGO_ISSUER_CERT_PATH=/b/c/chain.pem",
		"LEGO_HOOK_CERT_NAME=c", "LEGO_HOOK_CERT_NAME_SANITIZED=c", "LEGO_HOOK_CERT_KEY_TYPE=RSA2048", "LEGO_HOOK_CERT_DOMAINS=a.test,*.a.test", "LEGO_HOOK_CERT_PATH=/b/c/fullchain.pem", "LEGO_HOOK_CERT_KEY_PATH=/b/c/privkey.pem",
		"CERTKEEP_EVENT=installed", "CERTKEEP_CERTIFICATE=c", "CERTKEEP_TARGET=d", "CERTKEEP_VERSION=v1",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("the environment lacks %s:\n%s", want, env)
		}
	}
	if strings.Contains(string(env), "hush") {
		t.Error("the hook sees our environment")
	}
	stdin, err := os.ReadFile(dir + "/stdin")
	if err != nil {
		t.Fatal(err)
	}
	var got Payload
	if err := json.Unmarshal(stdin, &got); err != nil || got.Certificate != "c" || got.Attempt != 2 || len(got.Files) != len(p.Files) || got.Challenge.Validation != "val" {
		t.Errorf("stdin %s, %v", stdin, err)
	}
}

// Names whose renewal failed are no renewed ones.
func TestHookIsToldOfFailure(t *testing.T) {
	for event, want := range map[string]string{"installed": "RENEWED_DOMAINS=a.test *.a.test", "errored": "FAILED_DOMAINS=a.test *.a.test"} {
		p := payload(t, Target{Cert: "c", Name: "d", Base: "/b", KeyTypes: []string{p256}})
		p.Event = event
		var got []string
		for _, v := range p.environment() {
			if strings.Contains(v, "_DOMAINS=") && !strings.Contains(v, "CERT") {
				got = append(got, v)
			}
		}
		if !slices.Equal(got, []string{want}) || !slices.Contains(p.environment(), "LEGO_HOOK_CERT_KEY_TYPE=EC256") {
			t.Errorf("%s: %q", event, p.environment())
		}
	}
}

// The variables name files that belong together, whatever the layout.
func TestHookPaths(t *testing.T) {
	for name, test := range map[string]struct {
		target Target
		want   []string
		not    string
	}{
		"haproxy": {
			Target{Layout: LayoutHAProxy, Base: "/b"},
			[]string{"LEGO_CERT_PATH=/b/c.pem", "LEGO_CERT_KEY_PATH=/b/c.pem", "LEGO_CERT_PEM_PATH=/b/c.pem"},
			"RENEWED_LINEAGE",
		},
		"nixos": {
			Target{Layout: LayoutNixOS, Base: "/b"},
			[]string{"LEGO_CERT_PATH=/b/c/fullchain.pem", "LEGO_CERT_KEY_PATH=/b/c/key.pem", "LEGO_CERT_PEM_PATH=/b/c/full.pem"},
			"LEGO_CERT_PFX",
		},
		"two key types": {
			Target{Files: []File{{Path: "/x/r.key", KeyType: rsa2, Content: []Part{PartKey}}, {Path: "/x/e.pem", Content: []Part{PartFullchain}}, {Path: "/x/r.pem", KeyType: rsa2, Content: []Part{PartFullchain}}}},
			[]string{"LEGO_CERT_PATH=/x/r.pem", "LEGO_CERT_KEY_PATH=/x/r.key"},
			"LEGO_CERT_PEM_PATH",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.target.Cert, test.target.Name, test.target.KeyTypes = "c", "d", []string{p256, rsa2}
			if name != "two key types" {
				test.target.KeyTypes = []string{p256}
			}
			env := payload(t, test.target).environment()
			for _, want := range test.want {
				if !slices.Contains(env, want) {
					t.Errorf("lacks %s: %v", want, env)
				}
			}
			if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, test.not) }) {
				t.Errorf("has %s: %v", test.not, env)
			}
		})
	}
}

func TestHookFailures(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx                     context.Context
		hook                    Hook
		veto, missing, timedOut bool
		said                    string
	}{
		"says no":              {t.Context(), Hook{Shell: "echo because; exit 1"}, true, false, false, "because"},
		"breaks":               {t.Context(), Hook{Shell: "echo boom >&2; exit 3"}, false, false, false, "boom"},
		"is not there":         {t.Context(), Hook{Args: []string{"/no/such/hook"}}, false, true, false, ""},
		"hangs":                {t.Context(), Hook{Shell: "echo waiting; sleep 1000", Timeout: 50 * time.Millisecond}, false, false, true, "waiting"},
		"is nothing":           {t.Context(), Hook{}, false, true, false, ""},
		"has an unknown user":  {t.Context(), Hook{Args: []string{"true"}, User: "nobody-of-that-name"}, false, true, false, ""},
		"came after the end":   {ended, Hook{Args: []string{"true"}}, false, false, false, ""},
		"was ended by SIGKILL": {t.Context(), Hook{Shell: "kill -9 $$"}, false, true, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			test.hook.Event = "renewing"
			err := Run(test.ctx, test.hook, Payload{Event: "renewing"})
			failed, ok := errors.AsType[*HookError](err)
			if !ok {
				t.Fatalf("Run() = %v, want a *HookError", err)
			}
			if failed.Veto() != test.veto || failed.Missing != test.missing || failed.TimedOut != test.timedOut {
				t.Errorf("%+v", failed)
			}
			fault := failed.Fault(time.Now())
			if fault.Code != plan.CodeHook || !strings.Contains(fault.Words, "renewing") || !strings.Contains(strings.Join(fault.Detail, ""), test.said) {
				t.Errorf("fault %+v", fault)
			}
		})
	}
}

// What others may write would run as we do.
func TestProgramsOfOthersAreNotRun(t *testing.T) {
	dir := t.TempDir()
	program, ran := dir+"/hook", dir+"/ran"
	if err := errors.Join(os.WriteFile(program, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755), os.Chmod(dir, 0o755), os.Chmod(program, 0o777)); err != nil {
		t.Fatal(err)
	}
	hook := Hook{Event: "installed", Args: []string{program}}
	err := Run(t.Context(), hook, Payload{Event: "installed"})
	failed, ok := errors.AsType[*HookError](err)
	if !ok || failed.Veto() || !strings.Contains(failed.Fault(time.Now()).Words, "chmod go-w "+program) {
		t.Errorf("Run() = %v, want a failure that says what to do", err)
	}
	err = New(Options{State: dir}).CheckService(t.Context(), service.Service{Name: "web", Check: []service.Action{{Args: []string{program}}}})
	if untrusted, ok := errors.AsType[*command.UntrustedError](err); !ok || untrusted.Path != program {
		t.Errorf("CheckService() = %v, want one about %s", err, program)
	}
	if _, err := os.Stat(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was run: %v", err)
	}
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), hook, Payload{Event: "installed"}); err != nil {
		t.Error(err)
	}
}
