package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// filter says which certificates are wanted, and in which order.
type filter struct {
	words  string // part of a name
	state  status.State
	issuer string
	code   plan.Code
	sort   string
}

// The orders of lists.
const (
	sortUrgency = "urgency"
	sortName    = "name"
	sortExpiry  = "expiry"
	sortRenewal = "renewal"
)

func filterOf(q url.Values) (filter, error) {
	f := filter{
		words: strings.ToLower(strings.TrimSpace(q.Get("q"))), state: status.State(q.Get("state")), issuer: q.Get("issuer"),
		code: plan.Code(q.Get("problem")), sort: cmp.Or(q.Get("sort"), sortName),
	}
	switch {
	case f.state != "" && !slices.Contains([]status.State{status.OK, status.Warning, status.Critical, status.Unknown}, f.state):
		return f, &failure{http.StatusBadRequest, "state takes ok, warning, critical or unknown"}
	case !slices.Contains([]string{sortUrgency, sortName, sortExpiry, sortRenewal}, f.sort):
		return f, &failure{http.StatusBadRequest, "sort takes urgency, name, expiry or renewal"}
	}
	return f, nil
}

func (f filter) fits(r *status.Row) bool {
	switch {
	case f.state != "" && r.State != f.state, f.issuer != "" && r.Issuer != f.issuer:
		return false
	case f.code != "" && !slices.ContainsFunc(r.Problems, func(p plan.Problem) bool { return p.Code == f.code }):
		return false
	case f.words == "" || strings.Contains(strings.ToLower(r.Name), f.words):
		return true
	}
	return slices.ContainsFunc(r.Names, func(name string) bool { return strings.Contains(name, f.words) })
}

// find returns a part of the rows that fit, in order, and how many fit. It never
// sorts many more than lie before the part's end: a page shows a hundred of
// 100,000.
func (f filter) find(s *status.Snapshot, offset, limit int) (rows []*status.Row, found int) {
	order, end, sorted := f.order(), offset+limit, false
	var first []*status.Row // where sorted, those up to end are, and no row that was left out comes before them
	for i := range s.Rows {
		row := &s.Rows[i]
		if !f.fits(row) {
			continue
		}
		found++
		if sorted && order(row, first[end-1]) >= 0 {
			continue
		}
		if first = append(first, row); len(first) == 2*end {
			slices.SortFunc(first, order)
			first, sorted = first[:end], true
		}
	}
	slices.SortFunc(first, order)
	return part(first, offset, limit), found
}

// order compares two rows; by name where nothing else tells them apart, so
// that no page lacks what another shows twice.
func (f filter) order() func(a, b *status.Row) int {
	by := func(*status.Row, *status.Row) int { return 0 }
	switch f.sort {
	case sortExpiry:
		by = func(a, b *status.Row) int { return a.NotAfter.Compare(b.NotAfter) }
	case sortRenewal:
		by = func(a, b *status.Row) int { return compareSet(a.RenewAt, b.RenewAt) }
	case sortUrgency:
		by = func(a, b *status.Row) int {
			if c := cmp.Compare(urgency(b.State), urgency(a.State)); c != 0 {
				return c
			}
			return compareSet(a.RenewAt, b.RenewAt)
		}
	}
	return func(a, b *status.Row) int {
		if c := by(a, b); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	}
}

// compareSet puts instants that are none last.
func compareSet(a, b time.Time) int {
	if a.IsZero() != b.IsZero() {
		if a.IsZero() {
			return 1
		}
		return -1
	}
	return a.Compare(b)
}

func urgency(s status.State) int {
	switch s {
	case status.Critical:
		return 3
	case status.Unknown:
		return 2
	case status.Warning:
		return 1
	}
	return 0
}
