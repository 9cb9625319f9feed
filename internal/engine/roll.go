package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"time"
)

// roll is a number in [0,1) by which instants are spread. It differs between
// nodes, certificates, purposes and nanoseconds, and is the same for the same
// four: so nothing that is decided depends on dice, and a history can be lived
// through again.
func (w *worker) roll(now time.Time, purpose string) float64 {
	return spread(now, w.node, w.want.Name, purpose)
}

// spread is roll for whoever has a name.
func spread(now time.Time, node, name, purpose string) float64 {
	h := sha256.New()
	for _, word := range []string{node, name, purpose, now.UTC().Format(time.RFC3339Nano)} {
		_, _ = io.WriteString(h, word+"\x00") // a hash takes everything
	}
	const bits = 53 // of a float64's fraction
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>(64-bits)) / (1 << bits)
}
