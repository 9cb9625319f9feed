package faultfs

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Tree describes all that stands below a folder, by path within it: kind,
// mode, content, and when a file was last written. Two equal trees say that
// nothing was written in between, not even the same bytes again. Paths for
// which skip is true are left out, with all below them; skip may be nil.
func Tree(root string, skip func(path string) bool) (map[string]string, error) {
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if skip != nil && skip(name) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s, err := look(path)
		if err != nil {
			return err
		}
		words := fmt.Sprintf("%v %v %s %x", info.Mode(), s.owner, s.target, sha256.Sum256(s.data))
		if info.Mode().IsRegular() {
			words += " " + info.ModTime().String()
		}
		tree[name] = words
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", root, err)
	}
	return tree, nil
}

// Differ lists the paths at which two trees differ, in no order.
func Differ(before, after map[string]string) []string {
	var paths []string
	for path, words := range after {
		if before[path] != words {
			paths = append(paths, path)
		}
	}
	for path := range before {
		if _, still := after[path]; !still {
			paths = append(paths, path)
		}
	}
	return paths
}
