//go:build race

package sim

// How many histories are lived through, of how many years, and defects tried,
// where every access to memory is watched: that takes six times as long.
const (
	seeds     = 3
	years     = 0.25
	mutations = 1
	every     = 331 // of the faults in a whole life one is tried
	stride    = 17  // in tests of a single chapter
)
