package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// InFolder lists the programs in a folder, in the order of their names, as
// certbot takes them for hooks: regular files, also behind a symlink, that
// somebody may execute, and whose name does not end in "~". Without a folder
// ("") there are none; one that cannot be listed is an error.
func InFolder(folder string) ([]string, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder) // sorted
	if err != nil {
		return nil, fmt.Errorf("list the programs: %w", err)
	}
	var programs []string
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 || strings.HasSuffix(path, "~") {
			continue // a symlink to nothing is no program either
		}
		programs = append(programs, path)
	}
	return programs, nil
}
