package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// examiner looks at one thing after the other. It holds nothing, and leaves
// everything as it was.
type examiner struct {
	cfg    *config.Config
	online bool
	checks []checked
	known  *plan.Known // what is stored; nil where it cannot be read
}

func (d *examiner) add(v verdict, name, words, remedy string) {
	d.checks = append(d.checks, checked{Name: name, Verdict: v, Words: words, Remedy: remedy})
}

// fault adds a failure that is a fact.
func (d *examiner) fault(name string, f *plan.Fault) {
	d.checks = append(d.checks, checked{Name: name, Verdict: verdictProblem, Words: f.Words, Detail: f.Detail, Remedy: f.Code.Remedy()})
}

func (d *examiner) examine(ctx context.Context) {
	d.config()
	d.state(ctx)
	d.listeners(ctx)
	d.helper(ctx)
	if !d.helped() {
		d.outputs()
		d.services(ctx)
		d.readers()
	}
	d.programs()
	d.dns(ctx)
	if d.online {
		d.clocks(ctx)
	}
}

// config looks at the files that the config speaks of. What it says of entries
// of dns stands with these.
func (d *examiner) config() {
	found := slices.DeleteFunc(d.cfg.Check(), func(f config.Finding) bool { return strings.HasPrefix(f.Words, "dns.") })
	for _, f := range found {
		d.add(verdictProblem, "config", f.Words, f.Hint)
	}
	if len(found) == 0 {
		d.add(verdictOK, "config", d.cfg.Path+" and the files that it names can be used", "")
	}
}

// state looks whether the state folder is there for us and for nobody else.
func (d *examiner) state(ctx context.Context) {
	const name = "state"
	s, err := openReader(ctx, d.cfg)
	if err == nil {
		var known plan.Known
		if known, err = s.Known(ctx); err == nil {
			d.known = &known
		}
	}
	if err == nil {
		err = s.CheckKeys(ctx)
	}
	if sealed, ok := errors.AsType[*store.StoreKeyError](err); ok {
		d.add(verdictProblem, name, sealed.Error(), sealed.Remedy())
		return
	}
	if unusable, ok := errors.AsType[*store.FolderError](err); ok {
		d.add(verdictProblem, name, unusable.Dir+": "+unusable.Words, unusable.Remedy)
		return
	}
	if err != nil {
		d.add(verdictProblem, name, err.Error(), "`certkeep status` tells more")
		return
	}
	d.folder(name, d.cfg.State)
}

// folder looks whether a folder can be written, or can be made.
func (d *examiner) folder(name, dir string) {
	at, info, err := standing(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", at)
	}
	if err == nil {
		err = unix.Access(at, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		d.add(verdictProblem, name, fmt.Sprintf("%s cannot be written: %v", at, err), fmt.Sprintf("run Certkeep as a user that may write there, or give it to user %d", os.Geteuid()))
		return
	}
	where, words, hint, err := command.ExposedWay(at)
	switch {
	case err != nil:
		d.add(verdictProblem, name, fmt.Sprintf("cannot be looked at: %v", err), "")
	case words != "":
		d.add(verdictWarning, name, where+" "+words+": who can, may have files made elsewhere", hint)
	case at != dir:
		d.add(verdictOK, name, dir+" can be made", "")
	default:
		d.add(verdictOK, name, dir+" can be written", "")
	}
}

// standing is the folder itself, or the nearest above it that is there.
func standing(dir string) (string, fs.FileInfo, error) {
	for {
		info, err := os.Stat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir, info, err
		}
		dir = filepath.Dir(dir)
	}
}

// listeners looks whether the own listeners that are needed can be opened.
func (d *examiner) listeners(ctx context.Context) {
	l := d.cfg.Listen
	http, tls := d.answers()
	if http || l.HTTP.Redirect != "" {
		d.port(ctx, "listen.http", l.HTTP.Address)
	}
	if tls {
		d.port(ctx, "listen.tls", l.TLS)
	}
	if !strings.HasPrefix(l.Status.Address, "unix:") {
		d.port(ctx, "listen.status", l.Status.Address)
	}
}

// answers reports which own listeners the names of the config are proven by.
func (d *examiner) answers() (http, tls bool) {
	look := func(cert string, names []string) {
		for _, name := range names {
			base, wildcard := strings.CutPrefix(name, "*.")
			for _, m := range d.cfg.MethodsFor(cert, base, wildcard) {
				http = http || m.Type == config.MethodHTTP01 && m.Webroot == "" && m.Folder == "" && m.Manual == nil
				tls = tls || m.Type == config.MethodTLSALPN01
			}
		}
	}
	for _, cert := range d.cfg.Certificates {
		look(cert.Name, cert.Names)
	}
	look("", d.cfg.Authorizations)
	return http, tls
}

// port opens a listener for a moment. Whoever holds the state has it open
// rightly.
func (d *examiner) port(ctx context.Context, name, address string) {
	if address == "" {
		return
	}
	listener, err := challenge.ListenOn(network.OS{}, address)(ctx)
	if err == nil {
		err = listener.Close()
	}
	if err == nil {
		d.add(verdictOK, name, address+" can be listened on", "")
		return
	}
	failed, ok := errors.AsType[*challenge.Error](err)
	if !ok {
		d.add(verdictProblem, name, err.Error(), "")
		return
	}
	if holder := store.HolderOf(d.cfg.State); failed.Code == plan.CodePortTaken && holder != 0 && challenge.PortHolder(address) == holder {
		d.add(verdictOK, name, fmt.Sprintf("the Certkeep that runs (process %d) listens on %s", holder, address), "")
		return
	}
	remedy := failed.Hint
	if name == "listen.status" {
		remedy = "name another address in listen.status, or false"
	}
	d.add(verdictProblem, name, failed.Op+": "+failed.Err.Error(), remedy)
}

// outputs looks at the folders where files are installed, each once.
func (d *examiner) outputs() {
	dirs := map[string]bool{}
	for _, cert := range d.cfg.Certificates {
		for _, target := range cert.Targets() {
			if target.Layout != "" {
				dirs[target.Path] = true
			}
			for _, f := range target.Files {
				dirs[filepath.Dir(f.Path)] = true
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		d.folder("output", dir)
	}
}

// services runs the checks of the services that are told of certificates.
func (d *examiner) services(ctx context.Context) {
	for _, id := range slices.Sorted(maps.Keys(d.used())) {
		name, s := "services."+id, d.cfg.Services[id]
		if len(s.Check) == 0 {
			d.add(verdictOK, name, "it has no check", "")
		} else if f := engine.LookAtService(ctx, d.cfg, s); f != nil {
			d.fault(name, f)
		} else {
			d.add(verdictOK, name, "its configuration is sound", "")
		}
	}
}

// dns looks whether the entries of dns can be used.
func (d *examiner) dns(ctx context.Context) {
	found := d.cfg.Check()
	for _, id := range slices.Sorted(maps.Keys(d.cfg.DNS)) {
		name, entry := "dns."+id, d.cfg.DNS[id]
		untrusted := slices.IndexFunc(found, func(f config.Finding) bool { return strings.HasPrefix(f.Words, name+": ") })
		var names []string
		if d.online {
			names = d.zones(entry)
		}
		weak, instead := "", ""
		if key, err := engine.UpdateKey(entry); err == nil && key != nil {
			weak, instead = key.Weak()
		}
		switch f := engine.LookAtDNS(ctx, d.cfg, id, names); {
		case f != nil:
			d.fault(name, f)
		case untrusted >= 0:
			d.add(verdictProblem, name, strings.TrimPrefix(found[untrusted].Words, name+": "), found[untrusted].Hint)
		case readableByAll(entry.TSIGFile):
			d.add(verdictWarning, name, entry.TSIGFile+" may be read by everybody: who can, may change the zone", "chmod 600 "+entry.TSIGFile)
		case weak != "":
			d.add(verdictWarning, name, weak, instead)
		case entry.Provider == config.ProviderZoneFile:
			d.folder(name, entry.Directory)
		case len(names) > 0:
			d.add(verdictOK, name, "its server answers for "+strings.Join(names[:min(len(names), 5)], ", "), "")
		default:
			d.add(verdictOK, name, "it can be used", "")
		}
	}
}

// readableByAll reports whether everybody may read a file.
func readableByAll(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// zones are what an entry is asked about: its zones, or the names that it is
// needed for.
func (d *examiner) zones(entry config.DNS) []string {
	if len(entry.Zones) > 0 {
		return entry.Zones
	}
	var names []string
	for _, t := range engine.DNSTests(d.cfg, allNames(d.cfg)) {
		if t.Via == entry.Name {
			names = append(names, t.Name)
		}
	}
	return names
}

// clockWarning is how far off a clock may be before that is told. Name servers
// refuse signed updates at 5 minutes (RFC 8945 section 10).
const clockWarning = time.Minute

// clocks compares ours with that of each CA in use.
func (d *examiner) clocks(ctx context.Context) {
	used := map[string]bool{}
	for _, cert := range d.cfg.Certificates {
		for _, id := range cert.Issuers {
			used[id] = true
		}
	}
	if len(d.cfg.Authorizations) > 0 && len(d.cfg.Defaults.Issuers) > 0 {
		used[d.cfg.Defaults.Issuers[0]] = true
	}
	for _, id := range slices.Sorted(maps.Keys(used)) {
		ahead, known, f := engine.LookAtClock(ctx, d.cfg, id, userAgent())
		if f != nil {
			d.fault("clock", f)
			continue
		}
		d.checks = append(d.checks, clockVerdict(id, ahead, known))
	}
}

// clockVerdict judges by how far the clock of a CA is ahead of ours.
func clockVerdict(id string, ahead time.Duration, known bool) checked {
	c := checked{Name: "clock", Verdict: verdictOK, Words: "it agrees with that of issuer " + id}
	if !known {
		c.Words = "issuer " + id + " does not say what time it is"
		return c
	}
	off := ahead.Abs()
	if off <= clockWarning {
		return c
	}
	way := "behind"
	if ahead < 0 {
		way = "ahead of"
	}
	c.Verdict, c.Words, c.Remedy = verdictWarning, fmt.Sprintf("it is %s %s that of issuer %s", inWords(off), way, id), plan.CodeClock.Remedy()
	if off > network.MaxClockError {
		c.Verdict = verdictProblem
		c.Words += ": nothing is ordered"
	}
	return c
}
