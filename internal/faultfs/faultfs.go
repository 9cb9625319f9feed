// Package faultfs is a disk for tests that counts every change and lets one
// of them go wrong.
//
// Wrap the real disk with New, run the code once to learn from Count how many
// changes it makes, then run it again with Arm for each of them and each
// Fault, and look at what is left. PowerCut takes back every name that was
// changed and not made durable, as a machine that loses power may. It is not
// part of any program.
package faultfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/certkeep/certkeep/internal/durable"
)

// Fault says how a change goes wrong.
type Fault int

// The faults.
const (
	// Refused: it is not done, and its error says so. The next ones work.
	Refused Fault = iota
	// AnswerLost: it is done, and reported as failed. The next ones work.
	AnswerLost
	// Killed: neither it nor any later one is done, as if the process had
	// been killed just before it.
	Killed
	// Torn: as Killed, but a Create or Append leaves half of its data, as if
	// the process had been killed within it.
	Torn
	// Full: it is not done, and neither is any later one that needs room on
	// the disk, until Arm or Disarm: a disk that is full, and stays so.
	Full
)

// Faults lists those that happen once. Whoever can go on without room on the
// disk tries Full too.
func Faults() []Fault { return []Fault{Refused, AnswerLost, Killed, Torn} }

// String names a fault, for the names of tests.
func (f Fault) String() string {
	switch f {
	case Refused:
		return "refused"
	case AnswerLost:
		return "answer-lost"
	case Killed:
		return "killed"
	case Torn:
		return "torn"
	case Full:
		return "full"
	}
	return fmt.Sprintf("fault-%d", int(f))
}

// ErrFault is wrapped by every error that this package makes, beside the
// error that the system would give: ENOSPC where a change was refused or its
// answer lost.
var ErrFault = errors.New("fault made by the test")

// ErrKilled is what a process that is no more gets for its changes: the test
// stands for the end of the process there.
var ErrKilled = fmt.Errorf("%w: the process was killed", ErrFault)

// Verb names a change.
type Verb string

// The verbs, one for each method of [durable.Disk].
const (
	Create  Verb = "create"
	Rename  Verb = "rename"
	Symlink Verb = "symlink"
	Remove  Verb = "remove"
	Mkdir   Verb = "mkdir"
	SyncDir Verb = "syncdir"
	Append  Verb = "append"
)

// Op is one change that was asked for.
type Op struct {
	Verb Verb
	Path string // the new name of a rename, the link of a symlink
}

// needsRoom reports whether a full disk refuses it.
func (op Op) needsRoom() bool {
	switch op.Verb {
	case Create, Symlink, Append:
		return true
	case Mkdir:
		_, err := os.Stat(op.Path)
		return err != nil
	}
	return false
}

// Disk wraps another disk.
type Disk struct {
	under durable.Disk

	mu     sync.Mutex // guards all below
	ops    []Op
	at     int // the op that goes wrong, counted from 1; 0 for none
	fault  Fault
	killed bool
	undo   []undo
}

var _ durable.Disk = (*Disk)(nil)

// New wraps a disk, without any fault.
func New(under durable.Disk) *Disk { return &Disk{under: under} }

// Arm makes the n-th change from now go wrong, the next one being the first,
// and starts counting anew.
func (d *Disk) Arm(n int, fault Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops, d.at, d.fault, d.killed = nil, n, fault, false
}

// Disarm lets all go well again, as after a restart of the process, and
// starts counting anew.
func (d *Disk) Disarm() { d.Arm(0, Refused) }

// Count is how many changes were asked for since New, Arm or Disarm.
func (d *Disk) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// Tally counts them by verb. Create and SyncDir are the ones that wait for
// the disk.
func (d *Disk) Tally() map[Verb]int {
	tally := map[Verb]int{}
	for _, op := range d.Ops() {
		tally[op.Verb]++
	}
	return tally
}

// Ops lists them in order.
func (d *Disk) Ops() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Op(nil), d.ops...)
}

// Tripped reports whether the armed fault has happened.
func (d *Disk) Tripped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at > 0 && len(d.ops) >= d.at
}

// do counts a change and does it, unless it is the one to go wrong. Changes
// are done one at a time, so that their order is the order of Ops. tear does
// a half of it, and is nil where there is no half.
func (d *Disk) do(op Op, touches []string, change, tear func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.killed {
		return &opError{op, ErrKilled}
	}
	d.ops = append(d.ops, op)
	full := &opError{op, errors.Join(ErrFault, syscall.ENOSPC)}
	if d.fault == Full && d.at > 0 && len(d.ops) >= d.at && op.needsRoom() {
		return full
	}
	if len(d.ops) != d.at || d.fault == Full {
		return d.record(touches, change)
	}
	switch d.fault {
	case AnswerLost:
		if err := d.record(touches, change); err != nil {
			return err
		}
		return full
	case Refused:
		return full
	case Torn:
		d.killed = true
		if tear != nil {
			if err := d.record(touches, tear); err != nil {
				return err
			}
		}
	default:
		d.killed = true
	}
	return &opError{op, ErrKilled}
}

// opError says which change went wrong.
type opError struct {
	op  Op
	err error
}

func (e *opError) Error() string { return fmt.Sprintf("%s %s: %v", e.op.Verb, e.op.Path, e.err) }
func (e *opError) Unwrap() error { return e.err }

// Create implements [durable.Disk].
func (d *Disk) Create(path string, data []byte, a durable.Attr) error {
	return d.do(Op{Create, path}, []string{path},
		func() error { return d.under.Create(path, data, a) },
		func() error { return d.under.Create(path, data[:len(data)/2], durable.Private()) })
}

// Rename implements [durable.Disk].
func (d *Disk) Rename(oldPath, newPath string) error {
	return d.do(Op{Rename, newPath}, []string{oldPath, newPath},
		func() error { return d.under.Rename(oldPath, newPath) }, nil)
}

// Symlink implements [durable.Disk].
func (d *Disk) Symlink(target, link string) error {
	return d.do(Op{Symlink, link}, []string{link},
		func() error { return d.under.Symlink(target, link) }, nil)
}

// Remove implements [durable.Disk].
func (d *Disk) Remove(path string) error {
	return d.do(Op{Remove, path}, []string{path},
		func() error { return d.under.Remove(path) }, nil)
}

// Mkdir implements [durable.Disk]. The real disk makes the new names durable
// itself, so a power cut leaves them.
func (d *Disk) Mkdir(path string, a durable.Attr) error {
	return d.do(Op{Mkdir, path}, nil,
		func() error { return d.under.Mkdir(path, a) }, nil)
}

// SyncDir implements [durable.Disk].
func (d *Disk) SyncDir(dir string) error {
	return d.do(Op{SyncDir, dir}, nil, func() error {
		err := d.under.SyncDir(dir)
		if err == nil {
			d.synced(filepath.Clean(dir))
		}
		return err
	}, nil)
}

// Append implements [durable.Disk].
func (d *Disk) Append(path string, line []byte) error {
	return d.do(Op{Append, path}, []string{path},
		func() error { return d.under.Append(path, line) },
		func() error { return d.under.Append(path, line[:len(line)/2]) })
}
