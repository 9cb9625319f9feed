package status

import (
	"cmp"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Row is a certificate in short: what lists, filters and metrics need of it,
// and no more, since there may be a hundred thousand.
type Row struct {
	Name      string
	State     State
	Names     []string
	Issuer    string    // who issued what is published, else who is asked first
	NotBefore time.Time // zero where nothing is published
	NotAfter  time.Time
	RenewAt   time.Time // zero where nothing is to come
	Why       string    // the words of the reason of the next renewal
	Place     Place     // how far the published version came at the worst of its targets
	Failed    int       // attempts in a row that came to nothing
	Problems  []plan.Problem

	authorize, ended bool
}

// Place is how far something came, the worst of all targets.
type Place string

// The places, from bad to good. Where there are no targets there is no place.
const (
	PlaceNone     Place = ""
	PlaceWrong    Place = "wrong"    // a service presents something else
	PlaceBehind   Place = "behind"   // the published version does not lie there yet
	PlaceWritten  Place = "written"  // services are not told yet
	PlaceReloaded Place = "reloaded" // nobody looked, or nobody could
	PlaceVerified Place = "verified"
)

// Ready reports whether a valid certificate is in force and lies wherever it
// is to be served. Of names that are only kept proven: whether all are.
func (r Row) Ready() bool {
	if r.authorize {
		return r.State == OK
	}
	return !r.NotAfter.IsZero() && !r.ended && r.State != Unknown && r.Place != PlaceWrong && r.Place != PlaceBehind
}

func rowOf(c Certificate, want plan.WantedCert) Row {
	r := Row{
		Name: c.Name, State: c.State, Names: c.Names, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Place: placeOf(c), authorize: want.Authorize, ended: c.ended,
	}
	if len(c.Problems) > 0 {
		r.Problems = c.Problems
	}
	if len(c.Pairs) > 0 {
		r.Issuer = c.Pairs[0].Issuer
	}
	r.Issuer = cmp.Or(r.Issuer, first(c.Issuers))
	if c.Renewal != nil {
		r.RenewAt, r.Why = c.Renewal.At, c.Renewal.Reason.Words
	}
	for _, a := range c.Attempts {
		r.Failed += a.Count
	}
	return r
}

// placeOf is how far the worst of a certificate's targets came.
func placeOf(c Certificate) Place {
	worst := PlaceNone
	for _, t := range c.Targets {
		if p := placeOfTarget(t); worst == PlaceNone || weight(p) < weight(worst) {
			worst = p
		}
	}
	return worst
}

func placeOfTarget(t Target) Place {
	switch {
	case t.Current && t.Verify != nil && t.Verify.Version == t.Version && t.Verify.Verdict == string(plan.VerdictWrong):
		return PlaceWrong
	case !t.Current, t.State == string(plan.TargetPending):
		return PlaceBehind
	case t.State == string(plan.TargetWritten):
		return PlaceWritten
	case t.State == string(plan.TargetVerified):
		return PlaceVerified
	}
	return PlaceReloaded
}

func weight(p Place) int {
	return map[Place]int{PlaceWrong: 1, PlaceBehind: 2, PlaceWritten: 3, PlaceReloaded: 4, PlaceVerified: 5}[p]
}
