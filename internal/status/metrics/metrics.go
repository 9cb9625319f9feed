// Package metrics tells Prometheus how everything is. Write is the function to
// call first: it writes a snapshot, and what a process has counted, in the
// text format 0.0.4. Counters is what a process counts in.
//
// Names follow those of cert-manager where both know a thing. Labels are
// bounded: names of certificates and issuers, which the config gives, and
// words of fixed lists. A series goes when its certificate leaves the config.
// The format is a line for each number, so it is written here, without a
// library between: a hundred thousand certificates are read by Prometheus in
// less time than a library needs to make objects of them.
package metrics

import (
	"bufio"
	"cmp"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// ContentType is that of what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Facts are what is told.
type Facts struct {
	Now      time.Time
	Build    status.Build
	Snapshot *status.Snapshot // nil where there is none yet
	Counters *Counters        // nil where nothing was counted
	Run      *Run             // of a process that has ended; nil in one that goes on
}

// Run is how a command ended.
type Run struct {
	Ended    time.Time
	ExitCode int
	Failed   int // steps
}

// Write writes all metrics.
func Write(to io.Writer, f Facts) error {
	w := &writer{out: bufio.NewWriterSize(to, 64<<10)}
	w.family("certkeep_build_info", gauge, "What the program was made from; always 1.")
	w.value(1, "version", f.Build.Version, "go_version", f.Build.Go, "revision", f.Build.Revision)
	w.family("certkeep_clock_time_seconds", gauge, "What the clock of this machine says.")
	w.value(seconds(f.Now))
	if f.Snapshot != nil {
		w.snapshot(f.Snapshot)
	}
	if f.Counters != nil {
		w.write(f.Counters.text())
	}
	if f.Run != nil {
		w.family("certkeep_run_timestamp_seconds", gauge, "When the last command that does something ended.")
		w.value(seconds(f.Run.Ended))
		w.family("certkeep_run_exit_code", gauge, "What it exited with.")
		w.value(float64(f.Run.ExitCode))
		w.family("certkeep_run_failed_steps", gauge, "How many of its steps failed.")
		w.value(float64(f.Run.Failed))
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// The types of families.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
)

// writer writes families in the text format.
type writer struct {
	out  *bufio.Writer
	line []byte
	name string
	err  error // the first one; what comes after it is dropped
}

func (w *writer) family(name, kind, help string) {
	w.name = name
	w.write([]byte("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"))
}

// value writes one number of the family; labels are names and values by turns.
func (w *writer) value(v float64, labels ...string) { w.sample("", v, labels...) }

// sample is value for a name that goes on behind the family's.
func (w *writer) sample(suffix string, v float64, labels ...string) {
	line := append(append(w.line[:0], w.name...), suffix...)
	for i := 0; i+1 < len(labels); i += 2 {
		mark := byte(',')
		if i == 0 {
			mark = '{'
		}
		line = append(append(append(line, mark), labels[i]...), '=', '"')
		line = append(escaped(line, labels[i+1]), '"')
	}
	if len(labels) > 0 {
		line = append(line, '}')
	}
	line = strconv.AppendFloat(append(line, ' '), v, 'f', -1, 64)
	w.line = append(line, '\n')
	w.write(w.line)
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
}

// escaped appends the value of a label. What is no UTF-8 would make Prometheus
// refuse everything.
func escaped(to []byte, s string) []byte {
	for _, r := range s { // gives U+FFFD for what is none
		switch r {
		case '\\':
			to = append(to, `\\`...)
		case '"':
			to = append(to, `\"`...)
		case '\n':
			to = append(to, `\n`...)
		default:
			to = append(to, string(r)...)
		}
	}
	return to
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// snapshot writes what follows from the store.
func (w *writer) snapshot(s *status.Snapshot) {
	w.family("certkeep_snapshot_timestamp_seconds", gauge, "When the state was read that the numbers about certificates come from.")
	w.value(seconds(s.At))
	w.instants("certkeep_certificate_expiration_timestamp_seconds", "When the certificate that is in force ends.", s, func(r *status.Row) time.Time { return r.NotAfter })
	w.instants("certkeep_certificate_not_before_timestamp_seconds", "When the certificate that is in force began.", s, func(r *status.Row) time.Time { return r.NotBefore })
	w.instants("certkeep_certificate_renewal_timestamp_seconds", "When the certificate is renewed next.", s, func(r *status.Row) time.Time { return r.RenewAt })
	w.family("certkeep_certificate_ready_status", gauge, "1 where a valid certificate is in force and lies at all its targets, else 0.")
	for i := range s.Rows {
		ready := 0.0
		if s.Rows[i].Ready() {
			ready = 1
		}
		w.certificate(&s.Rows[i], ready)
	}
	w.family("certkeep_certificate_failed_attempts", gauge, "Orders in a row that came to nothing.")
	for i := range s.Rows {
		w.certificate(&s.Rows[i], float64(s.Rows[i].Failed))
	}
	w.totals(s)
}

func (w *writer) certificate(r *status.Row, v float64) {
	w.value(v, "name", r.Name, "issuer_name", r.Issuer)
}

func (w *writer) instants(name, help string, s *status.Snapshot, of func(*status.Row) time.Time) {
	w.family(name, gauge, help)
	for i := range s.Rows {
		if at := of(&s.Rows[i]); !at.IsZero() {
			w.certificate(&s.Rows[i], seconds(at))
		}
	}
}

// totals writes how many there are of each kind.
func (w *writer) totals(s *status.Snapshot) {
	states, places := s.Counts(), map[status.Place]int{}
	for _, r := range s.Rows {
		places[r.Place]++
	}
	w.family("certkeep_certificates", gauge, "Certificates by how they are.")
	for _, state := range []status.State{status.OK, status.Warning, status.Critical, status.Unknown} {
		w.value(float64(states[state]), "state", string(state))
	}
	w.family("certkeep_certificates_installed", gauge, "Certificates by how far they came at the worst of their targets.")
	for _, place := range []status.Place{status.PlaceWrong, status.PlaceBehind, status.PlaceWritten, status.PlaceReloaded, status.PlaceVerified} {
		w.value(float64(places[place]), "state", string(place))
	}
	type kind struct {
		code     plan.Code
		severity plan.Severity
	}
	problems := map[kind]int{}
	for _, p := range s.Process {
		problems[kind{p.Code, p.Severity}]++
	}
	for _, r := range s.Rows {
		for _, p := range r.Problems {
			problems[kind{p.Code, p.Severity}]++
		}
	}
	w.family("certkeep_problems", gauge, "Conditions that a person must know.")
	for _, k := range slices.SortedFunc(maps.Keys(problems), func(a, b kind) int {
		return cmp.Or(strings.Compare(string(a.code), string(b.code)), strings.Compare(string(a.severity), string(b.severity)))
	}) {
		w.value(float64(problems[k]), "code", string(k.code), "severity", string(k.severity))
	}
}
