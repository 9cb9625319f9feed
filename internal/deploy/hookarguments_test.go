package deploy

import (
	"errors"
	"os"
	"testing"
)

// TestHookWithArguments is run as mod_md runs its message command, and may say
// no in the same way.
func TestHookWithArguments(t *testing.T) {
	dir := t.TempDir()
	h := Hook{Event: "renewing", Shell: "echo \"$*\" >> " + dir + "/args; exit 1", Arguments: true}
	err := Run(t.Context(), h, Payload{Event: "renewing", Certificate: "www"})
	if failed, ok := errors.AsType[*HookError](err); !ok || !failed.Veto() {
		t.Errorf("it ended with %v", err)
	}
	_ = Run(t.Context(), h, Payload{Event: "challenge-setup", Certificate: "www", Challenge: &HookChallenge{Type: "http-01", Domain: "a.test"}})
	_ = Run(t.Context(), h, Payload{Event: "issued", Certificate: "www"})
	text, err := os.ReadFile(dir + "/args")
	if want := "renewing www\nchallenge-setup:http-01:a.test www\nrenewed www\n"; err != nil || string(text) != want {
		t.Errorf("its arguments were %q, want %q, %v", text, want, err)
	}
}
