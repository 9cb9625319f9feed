package params

import (
	"context"
	"errors"
	"fmt"
	"math/big"
)

// DH is a group for Diffie-Hellman: the integers modulo the prime P, and G.
type DH struct {
	P, G *big.Int
}

// Sizes that we make and accept, in bits. OpenSSL computes with no more than
// 10,000. What is large enough today is for the caller to say: 2048 at least.
const (
	minBits = 512
	maxBits = 10_000
)

// offset gives a group of RFC 7919 by the number that was searched for there.
func offset(bits int) (int64, bool) {
	x, ok := map[int]int64{2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728}[bits]
	return x, ok
}

// GroupSizes are the sizes in bits of which Group has one.
func GroupSizes() []int { return []int{2048, 3072, 4096, 6144, 8192} }

// GroupOf is the size of the group of RFC 7919 that is used where one of so many
// bits is wanted: that one, the next larger one, or else the largest.
func GroupOf(bits int) int {
	sizes := GroupSizes()
	for _, size := range sizes {
		if size >= bits {
			return size
		}
	}
	return sizes[len(sizes)-1]
}

// Group returns the group of RFC 7919 with a size in bits: ffdhe2048 for 2048,
// and so on. Its prime comes from the definition in appendix A,
//
//	p = 2^b - 2^(b-64) + (floor(2^(b-130) * e) + X) * 2^64 - 1
//
// with e the base of the natural logarithm, and its generator is 2.
func Group(bits int) (DH, error) {
	x, ok := offset(bits)
	if !ok {
		return DH{}, fmt.Errorf("RFC 7919 has no group with %d bits, only with %v", bits, GroupSizes())
	}
	one := big.NewInt(1)
	b := uint(bits)
	middle := new(big.Int).Add(scaledE(b-130), big.NewInt(x))
	p := new(big.Int).Lsh(one, b)
	p.Sub(p, new(big.Int).Lsh(one, b-64))
	p.Add(p, middle.Lsh(middle, 64))
	return DH{P: p.Sub(p, one), G: big.NewInt(2)}, nil
}

// scaledE is e * 2^n, rounded down: the sum of all 1/k!, with 64 bits more for
// what each division loses.
func scaledE(n uint) *big.Int {
	const more = 64
	term := new(big.Int).Lsh(big.NewInt(1), n+more)
	sum := new(big.Int).Set(term)
	for k := int64(1); term.Sign() > 0; k++ {
		term.Quo(term, big.NewInt(k))
		sum.Add(sum, term)
	}
	return sum.Rsh(sum, more)
}

// Bits is the size of the prime.
func (d DH) Bits() int {
	if d.P == nil {
		return 0
	}
	return d.P.BitLen()
}

// Name is the group's name in RFC 7919, such as ffdhe2048, or "" for a group
// of one's own.
func (d DH) Name() string {
	if d.P == nil || d.G == nil {
		return ""
	}
	known, err := Group(d.Bits())
	if err != nil || known.P.Cmp(d.P) != 0 || known.G.Cmp(d.G) != 0 {
		return ""
	}
	return fmt.Sprintf("ffdhe%d", d.Bits())
}

// Check proves that the group is sound: P is a prime, half of P is one, and G
// is no trivial element. It takes no time for the groups of RFC 7919, and for
// others some seconds at 8192 bits. It ends early with ctx's cause.
func (d DH) Check(ctx context.Context) error {
	const rounds = 5 // beside a Baillie-PSW test
	switch bits := d.Bits(); {
	case d.P == nil || d.G == nil:
		return errors.New("check DH parameters: there are none")
	case d.P.Sign() < 0 || bits < minBits || bits > maxBits:
		return fmt.Errorf("check DH parameters: a prime of %d bits is not between %d and %d", bits, minBits, maxBits)
	case d.Name() != "":
		return nil
	}
	one := big.NewInt(1)
	if d.G.Cmp(one) <= 0 || d.G.Cmp(new(big.Int).Sub(d.P, one)) >= 0 {
		return errors.New("check DH parameters: the generator is trivial")
	}
	for _, test := range []struct {
		number *big.Int
		words  string
	}{
		{d.P, "the modulus is no prime"},
		{new(big.Int).Rsh(d.P, 1), "the modulus is no safe prime"},
	} {
		if ctx.Err() != nil {
			return fmt.Errorf("check DH parameters: %w", context.Cause(ctx))
		}
		if !test.number.ProbablyPrime(rounds) {
			return errors.New("check DH parameters: " + test.words)
		}
	}
	return nil
}
