package sim

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/seal"
	"github.com/certkeep/certkeep/internal/store"
)

// The store is sealed from the first day on in every second history, and at
// some time in the others. Its key changes now and then.

// storeKeyFile holds the store keys, the newest first.
func (w *world) storeKeyFile() string { return filepath.Join(w.root, "store.key") }

// sealConfig is what the config says of the store key.
func (w *world) sealConfig() string {
	if len(w.storeKeys) == 0 {
		return ""
	}
	return "store_key_file: " + w.storeKeyFile() + "\n"
}

// newStoreKey puts a key before those that there are.
func (w *world) newStoreKey() {
	w.storeKeys = append([]seal.Key{seal.NewKey()}, w.storeKeys...)
	w.writeStoreKeys()
}

// writeStoreKeys writes the file as an administrator should: at once.
func (w *world) writeStoreKeys() {
	var text []byte
	for _, k := range w.storeKeys {
		text = append(append(text, k.Text()...), '\n')
	}
	beside := w.storeKeyFile() + ".new"
	w.must(os.WriteFile(beside, text, 0o600))
	w.must(os.Rename(beside, w.storeKeyFile()))
}

// sealAnew is a person who has the store sealed, or sealed under another key, and
// takes the former keys away once nothing needs them any more.
func (w *world) sealAnew(_ *rand.Rand, at time.Time) []event {
	events := []event{{at, func(e *engine.Engine) {
		w.newStoreKey()
		w.note("the store gets key %s", w.storeKeys[0].ID())
		w.useStoreKeys(e)
	}}}
	for i := range 5 { // he looks each week, also where no process runs
		events = append(events, event{at.Add(time.Duration(i+1) * 7 * day), w.retireStoreKeys})
	}
	return events
}

func (w *world) useStoreKeys(e *engine.Engine) {
	if e == nil {
		return // the next process reads them
	}
	cfg := w.load()
	w.must(e.Configure(cfg))
	if err := e.UseKeys(context.Background(), cfg.StoreKeys); err != nil && !errors.Is(err, faultfs.ErrFault) {
		w.judge.breach("the store does not take its keys: %v", err)
	}
}

func (w *world) retireStoreKeys(e *engine.Engine) {
	if e == nil || len(w.storeKeys) < 2 {
		return
	}
	known, err := e.Store.KnownSeal(context.Background())
	if err != nil || known == nil || known.Key != w.storeKeys[0].ID() || len(known.Others)+len(known.Left) > 0 {
		return // `certkeep store status` says that they are needed
	}
	w.note("%d former store keys are thrown away", len(w.storeKeys)-1)
	w.storeKeys = w.storeKeys[:1]
	w.writeStoreKeys()
	w.useStoreKeys(e)
}

// sealed holds at the end that every secret is under the newest key.
func (j *judge) sealed(s *store.Store) {
	w := j.world
	if len(w.storeKeys) == 0 {
		return
	}
	known, err := s.KnownSeal(context.Background())
	if err != nil || known == nil || known.Key != w.storeKeys[0].ID() || len(known.Others)+len(known.Left) > 0 {
		j.breach("not every secret is sealed under store key %s: %+v, %v", w.storeKeys[0].ID(), known, err)
	}
	w.must(filepath.WalkDir(filepath.Join(w.root, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			j.breach("a secret lies in the clear: %s", path)
		}
		return err
	}))
}
