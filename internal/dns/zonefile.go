package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// ZoneFile hands the records of dns-01 to a program that makes zones out of
// files, in the way of acmebot and bindtool: a file for each zone, which holds
//
//	{"example.com":"TEXT","*.example.com":"TEXT"}
//
// for the TXT records of _acme-challenge.example.com, and a command that reads
// it. A zone without a file has no such records. Make it with NewZoneFile.
type ZoneFile struct {
	config ZoneFileConfig
	zones  []string // canonical

	mu     sync.Mutex
	states map[string]*zoneState // by zone, plain; also the files' lock
}

// zoneState is what is remembered of one zone.
type zoneState struct {
	turn chan struct{} // holds a value while the command runs
	// Under ZoneFile.mu: how often the zone's data was changed, and how many
	// of these changes a successful command has seen.
	written, loaded int
	mine            map[string]string // what this process added and has not taken away
}

// ZoneFileConfig names the files and the command.
type ZoneFileConfig struct {
	// Path is the file of a zone, whose name stands for "{zone}" in it.
	Path string
	// Command reads the files. It gets one argument more than Args has, the
	// zone, and runs once for changes that come together.
	Command  command.Command
	Zones    []string // the longest that fits is changed; else the one that DNS says
	Attr     durable.Attr
	Disk     durable.Disk
	Resolver Resolver
}

// reloadPause is how long the command's work is left to take effect.
const reloadPause = 2 * time.Second

// maxZoneFile bounds what is read of a zone's file.
const maxZoneFile = 1 << 20

var (
	errNotChallenge = errors.New("files for local zones can hold the TXT records of _acme-challenge names only")
	errPending      = errors.New("another proof of the same name is pending, and the zone's file has place for one")
)

var _ Writer = (*ZoneFile)(nil)

// NewZoneFile checks the config. It touches no file and runs nothing.
func NewZoneFile(c ZoneFileConfig) (*ZoneFile, error) {
	switch {
	case len(c.Command.Args) == 0 || c.Command.Shell != "":
		return nil, errors.New("the command that reloads a zone must be a program with arguments, not a shell text")
	case !filepath.IsAbs(c.Path) || !strings.Contains(filepath.Base(c.Path), "{zone}"):
		return nil, fmt.Errorf("the path of the zones' files must be absolute and have {zone} in its file name, unlike %q", c.Path)
	}
	zones, err := canonicalZones(c.Zones)
	return &ZoneFile{config: c, zones: zones, states: make(map[string]*zoneState)}, err
}

// Add implements Writer. One value of a name and one of its wildcard can stand
// in the file: one that is there already is replaced, unless this process put
// it there and has not removed it.
func (z *ZoneFile) Add(ctx context.Context, r Record) error {
	return z.change(ctx, "add", r, func(s *zoneState, held map[string]string, name string) error {
		if strings.HasPrefix(r.Subject, "*.") {
			name = "*." + name
		}
		if mine, ok := s.mine[name]; ok && mine != r.Value && held[name] == mine {
			return errPending
		}
		held[name], s.mine[name] = r.Value, r.Value
		return nil
	})
}

// Remove implements Writer. A file that holds nothing more is removed.
func (z *ZoneFile) Remove(ctx context.Context, r Record) error {
	return z.change(ctx, "remove", r, func(s *zoneState, held map[string]string, name string) error {
		for _, key := range []string{name, "*." + name} {
			if held[key] == r.Value {
				delete(held, key)
			}
			if s.mine[key] == r.Value {
				delete(s.mine, key)
			}
		}
		return nil
	})
}

// change alters the file of r's zone, and has it read. The command runs also
// where the file stays as it was: whoever was killed before it ran comes back.
func (z *ZoneFile) change(ctx context.Context, verb string, r Record, alter func(s *zoneState, held map[string]string, name string) error) error {
	fail := func(err error, hint string) error {
		op := fmt.Sprintf("%s the %s record of %s", verb, r.Type, plain(r.Name))
		return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: hint}
	}
	full, err := canonical(r.Name)
	if err != nil {
		return fail(err, "")
	}
	name, ok := strings.CutPrefix(plain(full), "_acme-challenge.")
	if !ok || r.Type != "TXT" {
		return fail(errNotChallenge, "use another way to write records for this name")
	}
	zone, err := z.config.Resolver.zoneAmong(ctx, z.zones, full)
	if err != nil {
		return fail(err, "list the zone in zones")
	}
	zone = plain(zone)
	z.mu.Lock()
	s := z.state(zone)
	err = z.rewrite(zone, func(held map[string]string) error { return alter(s, held, name) })
	s.written++
	until := s.written
	z.mu.Unlock()
	if err != nil {
		return fail(err, "")
	}
	if err := z.load(ctx, zone, s, until); err != nil {
		return fail(err, "run the command by hand with the zone as its argument to see why")
	}
	return nil
}

// Reload has the command read a zone anew: its other records (TLSA) are made
// from files that were installed.
func (z *ZoneFile) Reload(ctx context.Context, zone string) error {
	canonicalZone, err := canonical(zone)
	if err == nil {
		z.mu.Lock()
		s := z.state(plain(canonicalZone))
		s.written++
		until := s.written
		z.mu.Unlock()
		err = z.load(ctx, plain(canonicalZone), s, until)
	}
	if err != nil {
		return &Error{Op: "reload the zone " + plain(zone), Code: plan.CodeDNSUpdate, Err: err}
	}
	return nil
}

// state is what is remembered of a zone. The caller holds mu.
func (z *ZoneFile) state(zone string) *zoneState {
	s := z.states[zone]
	if s == nil {
		s = &zoneState{turn: make(chan struct{}, 1), mine: make(map[string]string)}
		z.states[zone] = s
	}
	return s
}

// rewrite changes the file of a zone, if anything changes. The caller holds mu.
//
// Killed after it, the file says what no server shows yet: whoever does it
// again has the command run.
func (z *ZoneFile) rewrite(zone string, alter func(held map[string]string) error) error {
	path := strings.ReplaceAll(z.config.Path, "{zone}", zone)
	if err := z.tidy(path); err != nil {
		return err
	}
	held, before, err := readZoneFile(path)
	if err != nil {
		return err
	}
	if err := alter(held); err != nil {
		return err
	}
	after, err := json.Marshal(held)
	switch {
	case err != nil:
		return fmt.Errorf("write %s: %w", path, err)
	case len(held) == 0 && before == nil:
		return nil
	case len(held) == 0:
		if err := z.config.Disk.Remove(path); err != nil {
			return err
		}
		return z.config.Disk.SyncDir(filepath.Dir(path))
	case slices.Equal(after, before):
		return nil
	}
	folder := z.config.Attr
	folder.Mode |= folder.Mode & 0o444 >> 2 // who may read may enter
	if err := z.config.Disk.Mkdir(filepath.Dir(path), folder); err != nil {
		return err
	}
	return durable.Write(z.config.Disk, path, after, z.config.Attr)
}

// tidy removes what a kill in the middle of durable.Write left beside the file.
func (z *ZoneFile) tidy(path string) error {
	folder, base := filepath.Split(path)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); durable.IsTemp(name) && strings.HasPrefix(name, "."+base+".tmp-") {
			if err := z.config.Disk.Remove(folder + name); err != nil {
				return err
			}
		}
	}
	return nil
}

// readZoneFile returns what the file holds, and its text; nil where there is
// none.
func readZoneFile(path string) (held map[string]string, text []byte, err error) {
	held = make(map[string]string)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return held, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err = io.ReadAll(io.LimitReader(f, maxZoneFile+1))
	if err == nil && len(text) > maxZoneFile {
		err = errors.New("it is too long")
	}
	if err == nil {
		err = json.Unmarshal(text, &held)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s, which should hold texts by name; remove it where it is of no use: %w", path, err)
	}
	if held == nil {
		held = make(map[string]string) // the file says null
	}
	return held, text, nil
}

// load runs the command unless it ran since change number until was made, and
// gives it time to take effect. Those who wait their turn need no run each.
func (z *ZoneFile) load(ctx context.Context, zone string, s *zoneState, until int) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	z.mu.Lock()
	done, seen := s.loaded >= until, s.written
	z.mu.Unlock()
	if done {
		return nil
	}
	c := z.config.Command
	c.Args = append(slices.Clone(c.Args), zone)
	if err := c.Trusted(); err != nil {
		return err
	}
	if _, err := command.Run(ctx, c); err != nil {
		return err
	}
	pause := time.NewTimer(reloadPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	s.loaded = seen
	return nil
}
