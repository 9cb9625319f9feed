//go:build !race

package sim

// seeds is how many histories are lived through.
const seeds = 20
