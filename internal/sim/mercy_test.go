package sim

import (
	"path/filepath"
	"testing"
	"time"
)

// TestJudgeWaitsForWhatIsOnItsWay: a response of another certificate than is
// served is one that is there an hour later, too.
func TestJudgeWaitsForWhatIsOnItsWay(t *testing.T) {
	w := &world{}
	j := newJudge(w)
	s := side{cert: &cert{name: "a.test"}}
	for _, look := range []struct {
		after    time.Duration
		serial   string
		onItsWay bool
	}{
		{0, "1", true},
		{time.Hour, "1", false},
		{2 * time.Hour, "1", false},
		{3 * time.Hour, "2", true},
		{4 * time.Hour, "2", false},
		{40 * time.Hour, "2", true},
	} {
		w.offset = look.after
		if got := j.another(s.String(), look.serial); got != look.onItsWay {
			t.Errorf("certificate %s after %v is on its way: %t, want %t", look.serial, look.after, got, look.onItsWay)
		}
	}
}

// TestJudgeWantsTidyFolders: a temporary is left behind, unless it is of a
// certificate that was taken out of the config.
func TestJudgeWantsTidyFolders(t *testing.T) {
	w := &world{root: "/r", people: []*cert{{name: "in.test", wanted: true}, {name: "out.test"}}}
	j := newJudge(w)
	for path, want := range map[string]bool{
		"out/ocsp/.out.test.ecdsa-p384.ocsp.tmp-1": true,
		"out/.out.test.tmp-1":                      true,
		"out/ocsp/.in.test.ecdsa-p384.ocsp.tmp-1":  false,
		"state/records/groups/.out.test.tmp-1":     false,
	} {
		if got := j.ofUnwanted(filepath.Join(w.root, path)); got != want {
			t.Errorf("%s is of what is not wanted: %t, want %t", path, got, want)
		}
	}
}
