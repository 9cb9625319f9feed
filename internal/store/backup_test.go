package store_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// meddler is where a backup is written while the holder goes on.
type meddler struct {
	bytes.Buffer
	every  int // writes between two changes
	left   int // changes to make
	writes int
	meddle func()
}

// Write implements io.Writer.
func (m *meddler) Write(p []byte) (int, error) {
	m.writes++
	if m.left > 0 && m.writes%m.every == 0 {
		m.left--
		m.meddle()
	}
	return m.Buffer.Write(p)
}

// unpack restores a backup as docs/STORE.md says.
func unpack(t *testing.T, archive []byte) string {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	tar := exec.Command("tar", "-xpf", "-", "-C", state)
	tar.Stdin = bytes.NewReader(archive)
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return state
}

// TestBackupBesideAHolder: certificates are renewed and pruned while the
// backup is written, at every point of it. In what is restored nothing points
// to what is not there.
func TestBackupBesideAHolder(t *testing.T) {
	for every := 1; every <= 40; every += 3 {
		s := newStore(t)
		count := 0
		renew := func(name string) {
			count++
			key, fingerprint := newKey(t)
			if _, err := s.PutKey(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			v := version(fmt.Sprint("V", count), fingerprint, name)
			if err := s.PutVersion(t.Context(), chainOf(name, v)); err != nil {
				t.Fatal(err)
			}
			var old []plan.Version
			update(t, s, name, func(c *plan.KnownCert) {
				old = c.Versions
				c.Published, c.Versions = v.ID, []plan.Version{v}
			})
			for _, v := range old {
				if err := s.DeleteVersion(t.Context(), name, v.ID); err != nil {
					t.Fatal(err)
				}
				if err := s.DeleteKey(t.Context(), v.Pairs[0].Key); err != nil {
					t.Fatal(err)
				}
			}
		}
		names := []string{"a.test", "b.test", "c.test", "d.test"}
		for _, name := range names {
			renew(name)
			if err := s.Append(t.Context(), store.Event{Kind: store.EventIssued, Cert: name}); err != nil {
				t.Fatal(err)
			}
		}
		to := &meddler{every: every, left: 12}
		to.meddle = func() { renew(names[to.left%len(names)]) }
		if err := s.Backup(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		restored := open(t, unpack(t, to.Bytes()), durable.NoSync{}, store.Holder)
		for _, name := range names {
			c := known(t, restored).Cert(name)
			v, ok := c.Version(c.Published)
			if !ok || c.Damage != "" {
				t.Fatalf("every %d: %s was restored as %+v", every, name, c)
			}
			if _, err := restored.Version(t.Context(), name, v.ID); err != nil {
				t.Errorf("every %d: %v", every, err)
			}
			if _, err := restored.Key(t.Context(), v.Pairs[0].Key); err != nil {
				t.Errorf("every %d: %v", every, err)
			}
			if got := history(t, restored, name); len(got) != 1 {
				t.Errorf("every %d: the history is %v", every, got)
			}
		}
	}
}

// TestAMovedStateFolder: all that is stored is found at another path.
func TestAMovedStateFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s := open(t, path, durable.NoSync{}, store.Holder)
	fill(t, s, 3)
	before := known(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	after := known(t, open(t, moved, durable.NoSync{}, store.Holder))
	if fmt.Sprintf("%+v", after.Certs["site00001.example.test"]) != fmt.Sprintf("%+v", before.Certs["site00001.example.test"]) || len(after.Certs) != 3 {
		t.Errorf("after the move there is %+v", after)
	}
}
