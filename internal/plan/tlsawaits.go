package plan

import (
	"slices"
	"time"
)

// WaitsForTLSA lists the certificates of which something is ready to be served
// that waits for TLSA records which have yet to be looked at or published.
func WaitsForTLSA(now time.Time, w World) []string {
	var names []string
	for _, want := range w.Wanted.Certs {
		if len(want.TLSA) == 0 {
			continue
		}
		steps := Cert(now, w, want)
		due := slices.ContainsFunc(steps, func(s Step) bool { return (s.Kind == KindLookTLSA || s.Kind == KindTLSA) && s.Due(now) })
		if due && slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == KindPublish && !s.Due(now) }) {
			names = append(names, want.Name)
		}
	}
	for _, s := range allKeys(now, w) {
		if s.Kind == KindSwitch && !s.Due(now) {
			names = append(names, keysWaiting(now, w, s.Keys)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// keysWaiting are the certificates on keys whose records have yet to be looked
// at or published.
func keysWaiting(now time.Time, w World, keys string) []string {
	var names []string
	for _, want := range w.Wanted.Certs {
		if want.Keys != keys || len(want.TLSA) == 0 {
			continue
		}
		if slices.ContainsFunc(Cert(now, w, want), func(s Step) bool { return (s.Kind == KindLookTLSA || s.Kind == KindTLSA) && s.Due(now) }) {
			names = append(names, want.Name)
		}
	}
	return names
}
