package sim

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tidy holds that nothing grows without bound and nothing is left behind.
func (j *judge) tidy() {
	count := map[string]int{}
	root := j.world.root
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.Contains(entry.Name(), ".tmp-") && !j.ofUnwanted(path) {
			j.breach("left behind: %s", path)
		}
		rest, _ := filepath.Rel(root, path)
		parts := strings.Split(rest, "/")
		count[strings.Join(parts[:min(3, len(parts)-1)], "/")]++
		return nil
	})
	j.world.must(err)
	n := len(j.world.people) + 1 // and the names that are kept proven
	for folder, most := range map[string]int{
		"state/records/versions": 6 * n, "state/records/keys": 16 * n, "state/records/groups": n, "state/records/events": n,
		"state/journal": 0,
	} {
		got := 0
		for f, c := range count {
			if f == folder || strings.HasPrefix(f, folder+"/") {
				got += c
			}
		}
		if got > most {
			j.breach("%s has %d files, more than %d", folder, got, most)
		}
	}
	j.histories(root)
}

// ofUnwanted reports whether a temporary is beside the files of a certificate
// that is not in the config any more: nobody looks there once it is taken out.
func (j *judge) ofUnwanted(path string) bool {
	rest, installed := strings.CutPrefix(path, filepath.Join(j.world.root, "out")+"/")
	return installed && slices.ContainsFunc(j.world.people, func(p *cert) bool {
		return !p.wanted && strings.HasPrefix(filepath.Base(rest), "."+p.name)
	})
}

// histories holds that they are trimmed: 64 events, and those of one worker.
func (j *judge) histories(root string) {
	files, err := filepath.Glob(filepath.Join(root, "state/records/events/*.jsonl"))
	j.world.must(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		j.world.must(err)
		if n := strings.Count(string(text), "\n"); n > 200 {
			j.breach("%s has %d lines", file, n)
		}
	}
}

// promises holds that no CA is asked before the time that it named, unless the
// process could not know it.
func (j *judge) promises() {
	for _, name := range caNames() {
		for _, b := range j.world.cas[name].Breaches() {
			excused := slices.ContainsFunc(j.world.upsets, func(u upset) bool {
				onItsWay := u.to.Add(2 * time.Second) // when the process ended
				return !b.Told.IsZero() && !onItsWay.Before(b.Told) && !u.from.After(b.At)
			})
			if !excused {
				j.breach("%s: %s", name, b)
			}
		}
	}
}
