package plan_test

import (
	"fmt"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// A pass over a fleet with nothing due. The product promises less than a
// second for 100,000 certificates, the listing of the store included.
func BenchmarkMakeQuiet(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			one := quiet()
			w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
			for i := range n {
				want, known := one.want, one.known
				want.Name = fmt.Sprintf("c%06d", i)
				w.Wanted.Certs = append(w.Wanted.Certs, want)
				w.Known.Certs[want.Name] = &known
			}
			b.ReportAllocs()
			for b.Loop() {
				if steps := plan.Make(one.now, w); len(steps) < n {
					b.Fatal("no plan")
				}
			}
		})
	}
}
