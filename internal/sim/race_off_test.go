//go:build !race

package sim

// How many histories are lived through, and defects tried.
const (
	seeds     = 20
	mutations = 100 // all
)
