package store

import (
	"encoding/json"
	"os"
)

// HolderOf is the number of the process that holds the state in a folder, or
// held it and died; 0 where there is none, or it cannot be read. The lock is
// not touched, so the answer may be old at once: it is for people.
func HolderOf(dir string) int {
	text, err := os.ReadFile(folder{path: dir}.lockFile())
	if err != nil {
		return 0
	}
	var n note
	if err := json.Unmarshal(text, &n); err != nil {
		return 0
	}
	return n.PID
}
