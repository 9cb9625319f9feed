package params

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
)

// The search looks at q in steps of 12, so that q is 11 modulo 12 and p = 2q+1
// is 23 modulo 24: then 3 divides neither, and 2 generates the q elements that
// are squares, as in RFC 7919 and from OpenSSL.
const (
	step    = 12
	residue = 11
	window  = 1 << 16 // how many q are sieved together, before another start is drawn
	sieveTo = 1 << 16 // by the primes below this
)

// Generate searches for a group of its own: a random safe prime of so many
// bits, with generator 2. It ends early with ctx's cause.
//
// It takes a core for long, with wide variance: 0.03 s at 512 bits and 0.4 s at
// 1024 were measured, on average, from which ten seconds at 2048 and some five
// minutes at 4096 follow. It is meant for the background. It needs no openssl,
// which a host or a container may not have, and which took twice as long.
func Generate(ctx context.Context, bits int) (DH, error) {
	if bits < minBits || bits > maxBits {
		return DH{}, fmt.Errorf("generate DH parameters: %d bits are not between %d and %d", bits, minBits, maxBits)
	}
	primes := smallPrimes()
	for {
		start, err := drawStart(bits)
		if err != nil {
			return DH{}, fmt.Errorf("generate DH parameters: %w", err)
		}
		struck := sieve(start, primes)
		for i, out := range struck {
			if ctx.Err() != nil {
				return DH{}, fmt.Errorf("generate DH parameters: %w", context.Cause(ctx))
			}
			if out {
				continue
			}
			q := new(big.Int).Add(start, big.NewInt(int64(i)*step))
			if p, ok := safePrime(q); ok && p.BitLen() == bits {
				return DH{P: p, G: big.NewInt(2)}, nil
			}
		}
	}
}

// drawStart draws where to begin: any q of one bit less than the prime, with
// the residue that the search keeps.
func drawStart(bits int) (*big.Int, error) {
	top := new(big.Int).Lsh(big.NewInt(1), uint(bits-2))
	q, err := rand.Int(rand.Reader, top)
	if err != nil {
		return nil, err
	}
	q.Add(q, top)
	down := new(big.Int).Mod(new(big.Int).Sub(q, big.NewInt(residue)), big.NewInt(step))
	return q.Sub(q, down), nil
}

// safePrime tests q, and 2q+1. Nearly every number falls at the first test of
// one of them, so the cheap test of both comes first.
func safePrime(q *big.Int) (p *big.Int, ok bool) {
	const rounds = 20
	if !q.ProbablyPrime(0) {
		return nil, false
	}
	p = new(big.Int).Lsh(q, 1)
	p.SetBit(p, 0, 1)
	return p, p.ProbablyPrime(0) && q.ProbablyPrime(rounds) && p.ProbablyPrime(rounds)
}

// smallPrimes are the primes from 5 to sieveTo.
func smallPrimes() []int64 {
	composite := make([]bool, sieveTo)
	var primes []int64
	for n := 2; n < sieveTo; n++ {
		if composite[n] {
			continue
		}
		if n >= 5 {
			primes = append(primes, int64(n))
		}
		for m := n * n; m < sieveTo; m += n {
			composite[m] = true
		}
	}
	return primes
}

// sieve says of each q in the window whether a small prime divides it or 2q+1.
func sieve(start *big.Int, primes []int64) []bool {
	struck := make([]bool, window)
	for _, r := range primes {
		prime := big.NewInt(r)
		inverse := new(big.Int).ModInverse(big.NewInt(step), prime).Int64()
		at := new(big.Int).Mod(start, prime).Int64()
		for _, bad := range []int64{0, (r - 1) / 2} { // q, and 2q+1, are multiples of r
			first := (bad - at + r) % r * inverse % r
			for i := first; i < window; i += r {
				struck[i] = true
			}
		}
	}
	return struck
}
