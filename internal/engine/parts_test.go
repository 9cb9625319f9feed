package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
)

// A config that is read again has a key file read again whose content changed,
// and keeps what stayed the same.
func TestMendedUpdateKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "update.key")
	cfg, _, err := config.LoadBytes("c.yaml", fmt.Appendf(nil, "dns: {main: {provider: rfc2136, tsig_file: %q}}\n", file))
	if err != nil {
		t.Fatal(err)
	}
	var last *parts
	read := func(key string) challenge.Solver {
		t.Helper()
		if key != "" {
			if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		last, err = newParts(cfg, last, Options{Disk: durable.NoSync{}, Network: network.OS{}})
		if err != nil {
			t.Fatal(err)
		}
		return last.writers["main"].solver
	}
	const first, second = `key "a" { algorithm hmac-sha256; secret "c2VjcmV0"; };`, `key "a" { algorithm hmac-sha256; secret "c2Vjcm90"; };`
	if _, bad := read("").(unusable); !bad {
		t.Error("a key file that is missing makes no unusable writer")
	}
	one := read(first)
	if _, bad := one.(unusable); bad || read(first) != one {
		t.Error("a writer whose key stayed the same was not kept")
	}
	if two := read(second); two == one {
		t.Error("a mended key is not used")
	}
}
