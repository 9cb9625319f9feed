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

// disk is the process's disk in one life. It lets changes go wrong, ends the
// process at one of them, and shows each to whoever looks on.
type disk struct {
	under   *faultfs.Disk // what PowerCut is asked of
	wrong   func(verb faultfs.Verb, path string) (how faultfs.Fault, happens bool)
	changed func(verb faultfs.Verb, path string)
	killed  func() // the process ends at this change

	mu   sync.Mutex // guards what follows, and makes changes one by one
	dead bool
	full time.Time // until then there is no room; zero: there is
}

// do lets a change go well or wrong.
func (d *disk) do(verb faultfs.Verb, path string, change func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return faultfs.ErrKilled
	}
	if !d.full.IsZero() && !time.Now().Before(d.full) {
		d.full = time.Time{}
		d.under.Disarm()
	}
	if how, happens := d.wrong(verb, path); happens {
		d.under.Arm(1, how)
		d.dead = how == faultfs.Killed || how == faultfs.Torn
		if how == faultfs.Full {
			d.full = time.Now().Add(roomAfter)
		}
	}
	err := change()
	if d.dead {
		d.killed()
		return err
	}
	if d.full.IsZero() && (err == nil || !errors.Is(err, faultfs.ErrFault)) {
		d.under.Disarm()
	}
	d.changed(verb, path)
	return err
}

// end lets no change through any more: the process is dead.
func (d *disk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
}

// roomAfter is how long a disk stays full.
const roomAfter = 3 * time.Hour

// fill leaves no room on the disk until an instant.
func (d *disk) fill(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = until
	d.under.Arm(1, faultfs.Full)
}

// mischief decides by the seed which changes of the disk go wrong in a life.
// It is asked under the disk's lock.
type mischief struct {
	chance chance
	life   int
	root   string
	rate   float64 // of changes that go wrong
	victim string  // the process is killed at a change that is about it
	die    int     // the how-manieth of these; 0: never
	fault  func(kind string)

	count map[string]int       // changes, by whom they are about
	times map[string]int       // how often a class of changes was seen
	quiet map[string]time.Time // no fault before, by whom the changes are about
}

// diskPause is how long a disk works after a change that went wrong.
const diskPause = 6 * time.Hour

func (m *mischief) wrong(verb faultfs.Verb, path string) (how faultfs.Fault, happens bool) {
	class, about := string(verb)+" "+m.class(path), m.about(path)
	m.count[about]++
	m.times[class]++
	switch {
	case about == m.victim && m.count[about] == m.die:
		how, happens = pick(m.chance.of("death", m.life), []faultfs.Fault{faultfs.Killed, faultfs.Torn}), true
	case time.Now().After(m.quiet[about]) && m.chance.happens(m.rate, "disk", m.life, class, m.times[class]):
		how, happens = pick(m.chance.of("disk fault", m.life, class, m.times[class]), []faultfs.Fault{faultfs.Refused, faultfs.AnswerLost}), true
		m.quiet[about] = time.Now().Add(diskPause)
	}
	if happens {
		m.fault("disk: " + how.String())
	}
	return how, happens
}

// about is the certificate that a path speaks of; "" for none. What happens to
// one certificate happens in the same order in every run.
func (m *mischief) about(path string) string {
	for _, part := range strings.Split(path, "/") {
		if i := strings.Index(part, ".test"); i > 0 {
			return strings.TrimPrefix(part[:i+len(".test")], ".")
		}
	}
	return ""
}

// class is a path without what is drawn by lot in it.
func (m *mischief) class(path string) string {
	path, _ = strings.CutPrefix(path, m.root)
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
