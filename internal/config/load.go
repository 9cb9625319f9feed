package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config/acmebot"
)

// maxFile bounds a configuration file, in bytes: ten times what 100,000
// certificates need.
const maxFile = 64 << 20

// EnvPath is the environment variable that names the configuration.
const EnvPath = "CERTKEEP_CONFIG"

// Path returns the configuration to load: what the command line says, else
// what the environment says, else the first of the standard places where
// there is a file, else the first of them.
func Path(flag, env string) string {
	standard := []string{"/etc/certkeep/certkeep.yaml", "/etc/certkeep/certkeep.yml", "/etc/certkeep/certkeep.json"}
	if flag != "" {
		return flag
	}
	if env != "" {
		return env
	}
	for _, path := range standard {
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return standard[0]
}

// Load reads the file at path and the conf.d beside it. Files that others may
// write are refused. The error is of type Errors, and holds all that is wrong;
// the warnings are given with and without an error.
func Load(path string) (*Config, []Warning, error) {
	return load(path, nil, func(trees []*node) []*node { return trees })
}

// LoadWith is Load as it would be with other files in conf.d: given has their
// content by path. Nothing is written.
func LoadWith(path string, given map[string][]byte) (*Config, []Warning, error) {
	return load(path, given, func(trees []*node) []*node { return trees })
}

// load is Load with what is added to the files.
func load(path string, given map[string][]byte, add func([]*node) []*node) (*Config, []Warning, error) {
	out := &findings{}
	var trees []*node
	beside := append(confD(out, path), slices.Collect(maps.Keys(given))...)
	slices.Sort(beside)
	for _, file := range append([]string{path}, slices.Compact(beside)...) {
		index := len(out.files)
		out.files = append(out.files, file)
		data, ours := given[file]
		var refused *Finding
		if !ours {
			data, refused = readConfigFile(file)
		}
		if refused != nil {
			out.errors = append(out.errors, *refused)
			continue
		}
		trees = append(trees, parseYAML(out, index, data))
	}
	cfg, warnings, err := decode(out, add(trees), factsOf(path))
	if cfg != nil {
		cfg.Path = path
	}
	return cfg, warnings, err
}

// LoadBytes reads a single configuration from memory; name stands for the
// file in findings. No permissions are looked at.
func LoadBytes(name string, data []byte) (*Config, []Warning, error) {
	out := &findings{files: []string{name}}
	return decode(out, []*node{parseYAML(out, 0, data)}, noFacts())
}

// LoadAlone reads a single configuration, and nothing else: no file that it names,
// and of this machine neither users nor groups. What it finds is what is wrong
// wherever the configuration is used. name stands for the file in findings.
func LoadAlone(name string, from io.Reader) (*Config, []Warning, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, nil, Errors{{File: name, Words: fmt.Sprintf("cannot be read: %v", cause(err))}}
	}
	if len(data) > maxFile {
		return nil, nil, Errors{{File: name, Words: fmt.Sprintf("larger than %d MB", maxFile>>20)}}
	}
	out := &findings{files: []string{name}, alone: true}
	cfg, warnings, err := decode(out, []*node{parseYAML(out, 0, data)}, noFacts())
	if cfg != nil {
		cfg.Path = name
	}
	return cfg, warnings, err
}

// decode makes a Config of what was read. Files that are acmebot's are
// translated first; facts are what that needs.
func decode(out *findings, trees []*node, facts acmebot.Facts) (*Config, []Warning, error) {
	root, foreign := translated(out, trees, facts)
	if !foreign {
		root = mergeFiles(out, trees)
	}
	if root == nil {
		root = &node{kind: null, at: place{line: 1, column: 1}}
	}
	s := schema()
	cfg := s.new()
	r := &reader{cfg: &cfg, out: out, root: s.table}
	if !out.broken && (!foreign || len(out.errors) == 0) {
		readInto(r, s, root, &cfg)
		if keys := root.get("keys"); foreign && keys != nil {
			for _, p := range keys.value.pairs {
				cfg.KeyOrder = append(cfg.KeyOrder, p.key)
			}
		}
	}
	byPlace := compareFindings(out.files)
	slices.SortStableFunc(out.errors, byPlace)
	slices.SortStableFunc(out.warnings, func(a, b Warning) int { return byPlace(Finding(a), Finding(b)) })
	if len(out.errors) > 0 {
		return nil, out.warnings, slices.Compact(out.errors)
	}
	return &cfg, out.warnings, nil
}

// confD lists the files of conf.d beside the main file, in name order.
func confD(out *findings, path string) []string {
	dir := filepath.Join(filepath.Dir(path), "conf.d")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		out.errors = append(out.errors, Finding{File: dir, Words: fmt.Sprintf("cannot be read: %v", cause(err))})
		return nil
	}
	var files []string
	for _, e := range entries { // sorted by name
		ext := filepath.Ext(e.Name())
		if strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			continue
		}
		files = append(files, filepath.Join(dir, e.Name()))
	}
	if len(files) > 0 {
		if refused := checkWay(dir); refused != nil {
			out.errors = append(out.errors, *refused)
		}
	}
	return files
}
