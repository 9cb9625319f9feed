package sim

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/faultfs"
	"github.com/certkeep/certkeep/internal/keys"
)

// TestJudgeForgivesWhatSomebodyDid: what somebody did to a file is forgiven
// wherever readers get to it, be it that it could not be repaired yet or that
// it was put back; the same done by nobody is not.
func TestJudgeForgivesWhatSomebodyDid(t *testing.T) {
	for _, remove := range []bool{true, false} {
		p := &cert{name: "c0.test", names: []string{"c0.test"}, wanted: true}
		w := &world{root: t.TempDir(), people: []*cert{p}, faults: map[string]int{}}
		w.judge = newJudge(w)
		link := filepath.Join(w.root, "out", p.name)
		for _, version := range []string{"a", "b"} {
			writePair(t, filepath.Join(w.root, version))
		}
		switched := func(version string) {
			t.Helper()
			_ = os.Remove(link) // there is none at first
			if err := os.Symlink("../"+version, link); err != nil {
				t.Fatal(err)
			}
			w.judge.changed(faultfs.Rename, link)
		}
		if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		switched("a")
		w.spoil(p, remove)
		w.judge.changed(faultfs.Rename, link) // it was refused
		switched("b")
		switched("a") // put back, as where a service would not take b
		switched("b")
		if len(w.judge.breaches) > 0 || w.isSpoilt(p) {
			t.Errorf("breaches %q, spoilt %v", w.judge.breaches, w.isSpoilt(p))
		}
		if err := os.Remove(w.chainFile(p)); err != nil {
			t.Fatal(err)
		}
		w.judge.look(p)
		if len(w.judge.breaches) != 1 {
			t.Errorf("a file is gone, and the breaches are %q", w.judge.breaches)
		}
	}
}

// writePair makes a folder with a key and a certificate.
func writePair(t *testing.T, folder string) {
	t.Helper()
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	private, err := keys.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := chain.SelfSigned(key, []string{"c0.test"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"privkey.pem": private, "fullchain.pem": leaf} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestJudgeForgetsWhatIsGone: whoever goes back to a version with one kind of
// key shows no other one, so that no client can refuse it, also where the power
// fails then; TLSA records without what is still shown are a breach.
func TestJudgeForgetsWhatIsGone(t *testing.T) {
	const nothing = "3 1 1 1717171717171717171717171717171717171717171717171717171717171717"
	for _, gone := range []func(*judge, *cert){nil, (*judge).look, func(j *judge, _ *cert) { j.powerLost() }} {
		p := &cert{name: "c0.test", names: []string{"c0.test"}, wanted: true, keyType: "ecdsa-p384", second: true, restored: true, tlsa: ofLeafKey}
		w := &world{root: t.TempDir(), people: []*cert{p}, faults: map[string]int{}}
		w.judge, w.zone = newJudge(w), newZone(w)
		s := side{p, true}
		chainFile, keyFile := w.files(s)
		if err := os.Mkdir(filepath.Join(w.root, "out"), 0o755); err != nil {
			t.Fatal(err)
		}
		writePair(t, filepath.Dir(chainFile))
		for from, to := range map[string]string{w.chainFile(p): chainFile, w.keyFile(p): keyFile} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		w.judge.lookAt(s)
		want := 1
		if gone != nil {
			want = 0
			if err := os.Remove(chainFile); err != nil {
				t.Fatal(err)
			}
			gone(w.judge, p)
		}
		w.judge.refused(s, w.judge.presented[s.String()], []string{nothing}, "now are published")
		if len(w.judge.breaches) != want {
			t.Errorf("breaches %q, want %d", w.judge.breaches, want)
		}
	}
}

// TestJudgeEndsOrdersInWholeSeconds: a CA says when an order ends in whole
// seconds, and a client goes by that: what was signed and not fetched by then is
// signed again.
func TestJudgeEndsOrdersInWholeSeconds(t *testing.T) {
	end := time.Date(2015, 2, 12, 9, 36, 52, 950e6, time.UTC)
	p := &cert{name: "c0.test"}
	j := newJudge(&world{people: []*cert{p}})
	for at, want := range map[time.Duration]bool{-time.Second: false, -10 * time.Millisecond: true, time.Second: true} {
		if got := j.lost(p, issue{ends: end, made: end.Add(-50 * time.Hour)}, end.Add(at)); got != want {
			t.Errorf("%v from the end it is lost: %v", at, got)
		}
	}
}
