//go:build !race

package sim

// How many histories are lived through, of how many years, and defects tried.
const (
	seeds     = 20
	years     = 1.0
	mutations = 100 // all
	every     = 149 // of the faults in a whole life one is tried
	stride    = 3   // in tests of a single chapter
)
