package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hookFolder is a folder as certbot's renewal-hooks/deploy: what is no program
// stands in it too.
func hookFolder(t *testing.T, scripts map[string]string) (folder, log string) {
	t.Helper()
	folder, log = t.TempDir(), filepath.Join(t.TempDir(), "log")
	for name, script := range scripts {
		text := fmt.Sprintf("#!/bin/sh\necho %s $RENEWED_LINEAGE $RENEWED_DOMAINS >> %s\n%s\n", name, log, script)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "05-notes"), []byte("not a program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Mkdir(filepath.Join(folder, "06-folder"), 0o700), os.Symlink("/nowhere", filepath.Join(folder, "07-dangling"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder, log
}

func ranHooks(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// The programs of a folder run in the order of their names, then the command;
// a failing one keeps none of the others from it, and is the hook's failure.
func TestHookFolder(t *testing.T) {
	folder, log := hookFolder(t, map[string]string{"20-second": "", "10-first": "exit 3", "30-old~": ""})
	p := payload(t, Target{Cert: "c", Name: "d", Layout: LayoutCertbot, Base: "/etc/letsencrypt", KeyTypes: []string{p256}})
	err := Run(t.Context(), Hook{Event: "installed", Directory: folder, Shell: "echo last >> " + log}, p)
	failed, ok := errors.AsType[*HookError](err)
	if !ok || failed.Code != 3 || failed.Program != folder+"/10-first" {
		t.Errorf("error %v", err)
	}
	said := " /etc/letsencrypt/live/c a.test *.a.test"
	if got, want := ranHooks(t, log), []string{"10-first" + said, "20-second" + said, "last"}; !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

// A command that stands in the folder is not run twice; a folder alone is
// enough; one that is missing is a failure and no veto.
func TestHookFolderAndCommand(t *testing.T) {
	folder, log := hookFolder(t, map[string]string{"only": ""})
	p := payload(t, Target{Cert: "c", Name: "d", Base: "/b", KeyTypes: []string{p256}})
	for _, h := range []Hook{{Directory: folder, Args: []string{folder + "/only"}}, {Directory: folder}} {
		if err := Run(t.Context(), h, p); err != nil {
			t.Error(err)
		}
	}
	if got := ranHooks(t, log); len(got) != 2 {
		t.Errorf("ran %q, want each hook once", got)
	}
	err := Run(t.Context(), Hook{Directory: folder + "/none", Shell: "echo after >> " + log}, p)
	failed, ok := errors.AsType[*HookError](err)
	if !ok || !failed.Missing || failed.Veto() || !slices.Contains(ranHooks(t, log), "after") {
		t.Errorf("a folder that is not there: %v, ran %q", err, ranHooks(t, log))
	}
}

// A program that others may write is not run.
func TestHookFolderIsTrusted(t *testing.T) {
	folder, log := hookFolder(t, map[string]string{"10-open": "", "20-fine": ""})
	if err := os.Chmod(folder+"/10-open", 0o777); err != nil {
		t.Fatal(err)
	}
	p := payload(t, Target{Cert: "c", Name: "d", Base: "/b", KeyTypes: []string{p256}})
	err := Run(t.Context(), Hook{Directory: folder}, p)
	if err == nil || !strings.Contains(err.Error(), "may be written by everybody") {
		t.Errorf("error %v", err)
	}
	if got := ranHooks(t, log); len(got) != 1 || !strings.HasPrefix(got[0], "20-fine") {
		t.Errorf("ran %q", got)
	}
}
