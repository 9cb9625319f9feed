//go:build race

package sim

// seeds is how many histories are lived through where every access to memory
// is watched.
const seeds = 3
