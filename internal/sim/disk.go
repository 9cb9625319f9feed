package sim

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/faultfs"
)

// disk is the process's disk in one life. It lets changes go wrong as the
// seed says, ends the process at one of them, and shows each to the judge.
type disk struct {
	chance  chance
	life    int
	root    string
	rate    float64       // of changes that go wrong
	victim  string        // the process is killed at a change that is about it
	die     int           // the how-manieth of these; 0: never
	under   *faultfs.Disk // what PowerCut is asked of
	changed func(verb faultfs.Verb, path string)
	killed  func()
	fault   func(kind string) // counts it

	mu    sync.Mutex // guards what follows, and makes changes one by one
	dead  bool
	count map[string]int       // changes, by whom they are about
	times map[string]int       // how often a class of changes was seen
	quiet map[string]time.Time // no fault before, by whom the changes are about
}

// diskPause is how long a disk works after a change that went wrong.
const diskPause = 6 * time.Hour

// do lets a change go well or wrong.
func (d *disk) do(verb faultfs.Verb, path string, change func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return faultfs.ErrKilled
	}
	class, about := string(verb)+" "+d.class(path), d.about(path)
	d.count[about]++
	d.times[class]++
	switch {
	case about == d.victim && d.count[about] == d.die:
		kind := pick(d.chance.of("death", d.life), []faultfs.Fault{faultfs.Killed, faultfs.Torn})
		d.under.Arm(1, kind)
		d.dead = true
		d.fault("disk: " + kind.String())
	case time.Now().After(d.quiet[about]) && d.chance.happens(d.rate, "disk", d.life, class, d.times[class]):
		kind := pick(d.chance.of("disk fault", d.life, class, d.times[class]), []faultfs.Fault{faultfs.Refused, faultfs.AnswerLost})
		d.under.Arm(1, kind)
		d.quiet[about] = time.Now().Add(diskPause)
		d.fault("disk: " + kind.String())
	}
	err := change()
	if d.dead {
		d.killed()
		return err
	}
	if err == nil || !errors.Is(err, faultfs.ErrFault) {
		d.under.Disarm()
	}
	d.changed(verb, path)
	return err
}

// about is the certificate that a path speaks of; "" for none. What happens to
// one certificate happens in the same order in every run.
func (d *disk) about(path string) string {
	for _, part := range strings.Split(path, "/") {
		if i := strings.Index(part, ".test"); i > 0 {
			return strings.TrimPrefix(part[:i+len(".test")], ".")
		}
	}
	return ""
}

// class is a path without what is drawn by lot in it.
func (d *disk) class(path string) string {
	path, _ = strings.CutPrefix(path, d.root)
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if stem, _, temp := strings.Cut(part, ".tmp-"); temp {
			parts[i] = stem
		}
		if len(part) > 2 && i > 1 && !strings.Contains(part, ".") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

func (d *disk) Create(path string, data []byte, a durable.Attr) error {
	return d.do(faultfs.Create, path, func() error { return d.under.Create(path, data, a) })
}

func (d *disk) Rename(oldPath, newPath string) error {
	return d.do(faultfs.Rename, newPath, func() error { return d.under.Rename(oldPath, newPath) })
}

func (d *disk) Symlink(target, link string) error {
	return d.do(faultfs.Symlink, link, func() error { return d.under.Symlink(target, link) })
}

func (d *disk) Remove(path string) error {
	return d.do(faultfs.Remove, path, func() error { return d.under.Remove(path) })
}

func (d *disk) Mkdir(path string, a durable.Attr) error {
	return d.do(faultfs.Mkdir, path, func() error { return d.under.Mkdir(path, a) })
}

func (d *disk) SyncDir(dir string) error {
	return d.do(faultfs.SyncDir, dir, func() error { return d.under.SyncDir(dir) })
}

func (d *disk) Append(path string, line []byte) error {
	return d.do(faultfs.Append, path, func() error { return d.under.Append(path, line) })
}

// powerCut takes back what was not synced, as a machine without power does.
func (d *disk) powerCut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.under.PowerCut(); err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	return nil
}
