package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestFoldersMadeTogether has many goroutines make the same folders and put
// something in them: none may find its folder replaced by another's.
func TestFoldersMadeTogether(t *testing.T) {
	for round := range 50 {
		base := filepath.Join(t.TempDir(), fmt.Sprint(round))
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				dir := filepath.Join(base, "out", ".versions", fmt.Sprint(i))
				if err := (NoSync{}).Mkdir(dir, Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if entries, err := os.ReadDir(filepath.Join(base, "out", ".versions")); err != nil || len(entries) != 8 {
			t.Fatalf("%d folders are left of 8: %v", len(entries), err)
		}
	}
}
