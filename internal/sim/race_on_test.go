//go:build race

package sim

// How many histories are lived through, and defects tried, where every access
// to memory is watched: that takes ten times as long.
const (
	seeds     = 3
	mutations = 1
)
