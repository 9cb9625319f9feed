package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// journalFormat is the format of journals; a newer one is left alone.
const journalFormat = 1

// journal is an installation under way: the switches that must all happen, or
// none. It lies in journal/CERT@TARGET.json from before the first switch until
// after the last one is durable.
type journal struct {
	Format  int    `json:"format"`
	Cert    string `json:"certificate"`
	Target  string `json:"target"`
	Version string `json:"version"`
	Back    bool   `json:"back,omitempty"` // all is to become as it was before
	Entries []Op   `json:"entries"`
}

func (c change) journal(back bool) journal {
	return journal{Format: journalFormat, Cert: c.cert, Target: c.target, Version: c.version, Back: back, Entries: c.swtch}
}

// needed reports whether a crash could leave the installation half done: one
// rename cannot be.
func (j journal) needed() bool {
	return len(j.Entries) > 1 || slices.ContainsFunc(j.Entries, func(op Op) bool { return op.Aside != "" })
}

func (d *Deployer) journalPath(cert, target string) string {
	return filepath.Join(d.journalDir(), cert+"@"+target+".json")
}

// journalOwner is whose journal lies at path.
func journalOwner(path string) (cert, target string) {
	cert, target, _ = strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "@")
	return cert, target
}

func (d *Deployer) saveJournal(j journal) error {
	if !j.needed() {
		return nil
	}
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("save journal: %w", err)
	}
	if err := d.disk.Mkdir(d.journalDir(), durable.PrivateDir()); err != nil {
		return fmt.Errorf("save journal: %w", err)
	}
	if err := durable.Write(d.disk, d.journalPath(j.Cert, j.Target), append(data, '\n'), durable.Private()); err != nil {
		return fmt.Errorf("save journal: %w", err)
	}
	return nil
}

// dropJournal forgets an installation that is done. The removal is synced: a
// journal that came back after a power cut would undo later work.
func (d *Deployer) dropJournal(j journal) error {
	if !j.needed() || !stands(d.journalPath(j.Cert, j.Target)) {
		return nil
	}
	if err := d.disk.Remove(d.journalPath(j.Cert, j.Target)); err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	if err := d.disk.SyncDir(d.journalDir()); err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}

// Recovery is an installation that a crash interrupted, and what became of it.
type Recovery struct {
	Cert, Target, Version string
	Forward               bool        // the version's files are in place; else the old ones are
	Fault                 *plan.Fault // what a person must look at, if anything
}

// Recover finishes the installations that a crash interrupted: forward where
// everything was staged, else back. A file that is neither the old nor the new
// one is left as it is and reported. Services are not told: the target's facts
// still say that they have to be. The error says that the journals could not
// be read at all.
func (d *Deployer) Recover(ctx context.Context) ([]Recovery, error) {
	entries, err := os.ReadDir(d.journalDir())
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for interrupted installations: %w", err)
	}
	var done []Recovery
	for _, e := range entries {
		path := filepath.Join(d.journalDir(), e.Name())
		switch {
		case ctx.Err() != nil:
			return done, context.Cause(ctx)
		case durable.IsTemp(e.Name()):
			if err := d.disk.Remove(path); err != nil {
				return done, fmt.Errorf("remove what a crash left: %w", err)
			}
		case strings.HasSuffix(e.Name(), ".json"):
			cert, target := journalOwner(path)
			release := d.locks.acquire([]string{lockOf(cert, target)})
			if stands(path) {
				r, err := d.recover(path)
				if err != nil {
					r.Fault = faultOf(Target{Cert: cert, Name: target}, err)
				}
				done = append(done, r)
			}
			release()
		}
	}
	return done, nil
}

// recoverTarget finishes what an earlier attempt at a target left.
func (d *Deployer) recoverTarget(t Target) error {
	path := d.journalPath(t.Cert, t.Name)
	if !stands(path) {
		return nil
	}
	_, err := d.recover(path)
	if _, foreign := errors.AsType[*ForeignError](err); foreign {
		return nil // the survey that follows sees it, and the archive keeps it
	}
	return err
}

// recover finishes one installation.
func (d *Deployer) recover(path string) (Recovery, error) {
	cert, target := journalOwner(path)
	r := Recovery{Cert: cert, Target: target}
	j, err := readJournal(path)
	if err != nil {
		return r, d.putAside(path, err)
	}
	r.Version = j.Version
	// Killed right after it was written, it may not be durable yet. What is
	// switched now must not be without it.
	if err := d.disk.SyncDir(filepath.Dir(path)); err != nil {
		return r, fmt.Errorf("finish what a crash interrupted: %w", err)
	}
	var foreign []string
	r.Forward = !j.Back && d.complete(j.Entries)
	if r.Forward {
		foreign, err = d.forward(j.Entries)
	} else {
		foreign, err = d.back(j.Entries)
	}
	if err == nil {
		err = d.finish(j)
	}
	if err != nil {
		return r, fmt.Errorf("finish what a crash interrupted: %w", err)
	}
	if len(foreign) > 0 {
		return r, &ForeignError{Path: strings.Join(foreign, ", "), What: "changed by somebody else while an installation was interrupted"}
	}
	return r, nil
}

func readJournal(path string) (journal, error) {
	data, _, err := read(path)
	if err != nil {
		return journal{}, err
	}
	var j journal
	if err := json.Unmarshal(data, &j); err != nil {
		return journal{}, err
	}
	if j.Format != journalFormat {
		return journal{}, fmt.Errorf("its format is %d, this program knows %d", j.Format, journalFormat)
	}
	return j, nil
}

// damagedError is a journal that cannot be read.
type damagedError struct{ err error }

func (e *damagedError) Error() string {
	return fmt.Sprintf("the journal of an interrupted installation cannot be read: %v", e.err)
}

func (e *damagedError) Unwrap() error { return e.err }

// putAside puts a journal that cannot be read out of the way, so that its
// target is not stuck.
func (d *Deployer) putAside(path string, cause error) error {
	aside := strings.TrimSuffix(path, ".json") + ".damaged"
	if err := d.disk.Rename(path, aside); err != nil {
		return &damagedError{errors.Join(cause, err)}
	}
	return &damagedError{fmt.Errorf("%w; it is kept as %s", cause, aside)}
}
