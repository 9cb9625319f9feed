package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// chance is where everything that a seed decides comes from. What is asked by
// the same words gets the same answer, in whatever order goroutines ask: so a
// fault belongs to a certificate, a step and an attempt, and not to the order
// in which things happened to run.
type chance uint64

// of returns the dice of an occasion, which words name.
func (c chance) of(words ...any) *rand.Rand {
	h := sha256.New()
	fmt.Fprintln(h, uint64(c))
	for _, w := range words {
		fmt.Fprintf(h, "%v\x00", w)
	}
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:])))
}

// happens reports whether something of probability p happens on an occasion.
func (c chance) happens(p float64, words ...any) bool { return c.of(words...).Float64() < p }

// between is a duration from least to most, short ones as likely as long ones
// in orders of magnitude: outages last minutes or weeks.
func between(dice *rand.Rand, least, most time.Duration) time.Duration {
	steps := 0
	for d := least; d < most; d *= 2 {
		steps++
	}
	d := least << dice.IntN(max(steps, 1))
	return min(d+time.Duration(dice.Int64N(int64(d))), most)
}

// pick is one of some things.
func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }
