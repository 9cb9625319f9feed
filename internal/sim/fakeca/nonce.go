package fakeca

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// maxNonces is how many unspent nonces the CA remembers; older ones are
// refused.
const maxNonces = 1 << 16

// maxReplays is how often a client may send one nonce: the first time, and
// again where it got no answer.
const maxReplays = 3

// nonceBook knows which nonces are unspent (RFC 8555 section 6.5). A nonce
// begins with its number, so that one that is spent is told from one that
// never was ours, without keeping all of them.
type nonceBook struct {
	last    uint64
	unspent map[uint64]string
	replays map[uint64]int // how often those that were spent came
}

func newNonceBook() nonceBook {
	return nonceBook{unspent: map[uint64]string{}, replays: map[uint64]int{}}
}

// issue makes a nonce.
func (b *nonceBook) issue() string {
	b.last++
	nonce := strconv.FormatUint(b.last, 36) + "-" + rand.Text()
	b.unspent[b.last] = nonce
	if len(b.unspent) > maxNonces {
		for n := range b.unspent {
			if n+maxNonces/2 < b.last {
				delete(b.unspent, n)
			}
		}
	}
	return nonce
}

// spend reports whether the nonce may be used, once. Of one that may not it
// says how often it has come by now; zero for what never was a nonce of ours.
func (b *nonceBook) spend(nonce string) (good bool, times int) {
	number, _, _ := strings.Cut(nonce, "-")
	n, err := strconv.ParseUint(number, 36, 64)
	if err != nil || n > b.last {
		return false, 0
	}
	if b.unspent[n] == nonce {
		delete(b.unspent, n)
		return true, 1
	}
	if len(b.replays) > maxNonces {
		clear(b.replays)
	}
	b.replays[n]++
	return false, b.replays[n] + 1
}
