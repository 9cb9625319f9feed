package status

import (
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Snapshot is how everything was at an instant. It never changes, so that
// many may read it while the next one is made.
type Snapshot struct {
	At       time.Time      // when the store was read
	Weighed  time.Time      // when the rows were made; states depend on the time too
	Node     string         // this machine's name in the records
	Rows     []Row          // of the wanted certificates, in the order of the config
	Process  []plan.Problem // of no single certificate
	Leftover []string       // stored, and no longer wanted
	Trouble  string         // why there is no newer one; "" where there could be one

	world  plan.World
	places map[string]int // of rows, by name
}

// weigh makes a snapshot of a world at an instant. Of rows that were made
// shortly before, those that are not named are taken over.
func weigh(now time.Time, read time.Time, w plan.World, before *Snapshot, changed map[string]bool) *Snapshot {
	s := &Snapshot{
		At: read.UTC(), Weighed: now.UTC(), Node: w.Wanted.Node, Rows: make([]Row, 0, len(w.Wanted.Certs)),
		world: w, places: make(map[string]int, len(w.Wanted.Certs)),
	}
	if before != nil {
		s.Weighed = before.Weighed
	}
	for i, want := range w.Wanted.Certs {
		s.places[want.Name] = i
		if before != nil && !changed[want.Name] {
			s.Rows = append(s.Rows, before.Rows[i])
			continue
		}
		s.Rows = append(s.Rows, rowOf(certificate(now, w, want), want))
	}
	for name := range w.Known.Certs {
		if _, wanted := s.places[name]; !wanted {
			s.Leftover = append(s.Leftover, name)
		}
	}
	return s
}

// Certificate tells all of one certificate, as it was at the snapshot's
// instant; false where the config has none of that name.
func (s *Snapshot) Certificate(name string) (Certificate, bool) {
	i, ok := s.places[name]
	if !ok {
		return Certificate{}, false
	}
	return certificate(s.Weighed, s.world, s.world.Wanted.Certs[i]), true
}

// Row returns the row of a certificate.
func (s *Snapshot) Row(name string) (Row, bool) {
	i, ok := s.places[name]
	if !ok {
		return Row{}, false
	}
	return s.Rows[i], true
}

// mostSteps bounds a forecast for strangers: ten thousand certificates of ninety
// days have fewer in a month.
const mostSteps = 50_000

// Foresee tells what is due and what comes next up to and including until,
// within bounds.
func (s *Snapshot) Foresee(until time.Time) Forecast {
	return foresee(s.Weighed, s.world, until, mostSteps, nil)
}

// Counts says how many certificates are in each state.
func (s *Snapshot) Counts() map[State]int {
	count := map[State]int{}
	for _, r := range s.Rows {
		count[r.State]++
	}
	return count
}

// State is the worst of all.
func (s *Snapshot) State() State {
	state := OK
	for _, r := range s.Rows {
		state = worse(state, r.State)
	}
	for _, p := range s.Process {
		state = worse(state, stateOf(p.Severity))
	}
	return state
}

// Problems are all that a person must know, the worst first.
func (s *Snapshot) Problems() []plan.Problem {
	all := []plan.Problem{}
	for _, severity := range []plan.Severity{plan.Critical, plan.Warning} {
		for _, p := range s.Process {
			if p.Severity == severity {
				all = append(all, p)
			}
		}
		for _, r := range s.Rows {
			for _, p := range r.Problems {
				if p.Severity == severity {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// Wanted returns what the config asks for of a certificate.
func (s *Snapshot) Wanted(name string) plan.WantedCert {
	if i, ok := s.places[name]; ok {
		return s.world.Wanted.Certs[i]
	}
	return plan.WantedCert{}
}

// Staged are the pairs of a certificate that were obtained and are not in
// force yet.
func (s *Snapshot) Staged(name string) []plan.Pair {
	known := s.world.Known.Cert(name)
	for _, id := range []string{known.Ready, known.Rolled} {
		if v, ok := known.Version(id); ok && id != known.Published {
			return v.Pairs
		}
	}
	return nil
}

// Managed returns the certificate of that name, or else the first that holds
// the name: itself, or by a wildcard.
func (s *Snapshot) Managed(name string) (cert string, ok bool) {
	if _, ok := s.places[name]; ok {
		return name, true
	}
	_, above, _ := strings.Cut(name, ".")
	for _, wanted := range []string{name, "*." + above} {
		for i := range s.Rows {
			if slices.Contains(s.Rows[i].Names, wanted) {
				return s.Rows[i].Name, true
			}
		}
	}
	return "", false
}

// SnapshotOf is how a world is at an instant.
func SnapshotOf(now time.Time, w plan.World) *Snapshot { return weigh(now, now, w, nil, nil) }
