package notify_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/notify"
)

// TestOneNoticeThatFailsHoldsNoOtherBack: each certificate's notice is brought by
// itself, and only what failed is left.
func TestOneNoticeThatFailsHoldsNoOtherBack(t *testing.T) {
	dir := folder(t)
	by := notify.Program{Command: command.Command{Args: []string{program(t, dir, `echo "$1 $2" >> told; [ "$2" != a.test ]`)}, Timeout: 10 * time.Second}, Arguments: true}
	failed, ok := errors.AsType[*notify.Error](by.Send(t.Context(), message()))
	if !ok || len(failed.Left) != 1 || failed.Left[0].Cert != "a.test" || !failed.Unknown {
		t.Errorf("%+v", failed)
	}
	told, err := os.ReadFile(dir + "/told")
	if err != nil || string(told) != "errored a.test\ninstalled b.test\nsolved c.test\n" {
		t.Errorf("told is %q, %v", told, err)
	}
	by.Command.Args = []string{dir + "/none"}
	if failed, ok = errors.AsType[*notify.Error](by.Send(t.Context(), message())); !ok || len(failed.Left) != 3 || failed.Unknown {
		t.Errorf("without a program: %+v", failed)
	}
}
