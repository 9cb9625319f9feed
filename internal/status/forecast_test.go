package status_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

// outline renders the steps that are not routine, one word each.
func outline(f status.Forecast) string {
	var words []string
	for _, s := range f.Steps {
		if s.Routine {
			continue
		}
		word := string(s.Kind)
		if s.KeyType != "" {
			word += "(" + s.KeyType + ")"
		}
		if s.Follows {
			word = "+" + word
		}
		if !s.Due {
			word += fmt.Sprintf("@%d", int(s.At.Sub(now)/day))
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestForesee(t *testing.T) {
	t.Parallel()
	asked := func(_ *plan.WantedCert, k *plan.KnownCert) {
		k.Asks = map[plan.AskKind]plan.Ask{plan.AskRenew: {At: now}}
	}
	twoKeys := func(w *plan.WantedCert, _ *plan.KnownCert) { w.KeyTypes = []string{p256, "rsa-2048"} }
	sixDays := func(_ *plan.WantedCert, k *plan.KnownCert) {
		p := &k.Versions[0].Pairs[0]
		p.NotBefore, p.NotAfter = now.Add(-day), now.Add(5*day)
	}
	for _, c := range []struct {
		name  string
		world plan.World
		until time.Duration
		want  string
	}{
		{"nothing is due and nothing comes", world(), 10 * day, ""},
		{"the next renewal", world(), 40 * day, "issue(ecdsa-p256)@30 +install@30 +verify@30"},
		{"the one after it too", world(), 95 * day, "issue(ecdsa-p256)@30 +install@30 +verify@30 +issue(ecdsa-p256)@90 +install@90 +verify@90"},
		{"asked for", world(asked), day, "issue(ecdsa-p256) +install +verify"},
		{"adopted, or issued", world(nothing), day, "adopt +issue(ecdsa-p256) +install +verify"},
		{"two key types, one installation", world(twoKeys, asked), day, "issue(ecdsa-p256) issue(rsa-2048) +install +verify"},
		{"short lives repeat", world(sixDays), 9 * day, "issue(ecdsa-p256)@2 +install@2 +verify@2 +issue(ecdsa-p256)@5 +install@5 +verify@5 +issue(ecdsa-p256)@8 +install@8 +verify@8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := outline(status.Foresee(now, c.world, now.Add(c.until))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestForeseeGivesReasons(t *testing.T) {
	t.Parallel()
	for _, s := range status.Foresee(now, world(nothing), now.Add(90*day)).Steps {
		if s.Reason.Code == "" || s.Reason.Words == "" {
			t.Errorf("%s has no reason", s.Kind)
		}
	}
}

func TestForeseeSumsUpOrders(t *testing.T) {
	t.Parallel()
	w := world()
	fresh := w.Wanted.Certs[0]
	fresh.Name, fresh.Names, fresh.Targets = "fresh", []string{"a.example", "b.example"}, nil
	w.Wanted.Certs = append(w.Wanted.Certs, fresh)
	got := status.Foresee(now, w, now.Add(40*day)).Spends
	want := []status.Spend{{Issuer: "letsencrypt", Orders: 2, Names: 3, Replaces: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("spends %+v, want %+v", got, want)
	}
}

// However far a forecast for strangers looks, it has bounds, and says where it
// was cut. What comes first is in it.
func TestForecastOfASnapshotIsBounded(t *testing.T) {
	t.Parallel()
	w := plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{}}}
	for i := range 20 {
		one := world(func(want *plan.WantedCert, k *plan.KnownCert) {
			for n := range 20 {
				target := want.Targets[0]
				target.Name = fmt.Sprint(n)
				want.Targets = append(want.Targets, target)
			}
			p := &k.Versions[0].Pairs[0] // renewed every fourth day
			p.NotBefore, p.NotAfter = time.Now().Add(-day), time.Now().Add(5*day+time.Duration(i)*time.Minute)
		})
		name := fmt.Sprint("site", i)
		one.Wanted.Certs[0].Name, w.Known.Certs[name] = name, one.Known.Certs["mail"]
		w.Wanted.Certs = append(w.Wanted.Certs, one.Wanted.Certs[0])
	}
	s := take(t, status.NewSnapshots(t.Context(), status.Source{Read: func(context.Context) (plan.World, error) { return w, nil }}))
	cut, whole := s.Foresee(s.Weighed.Add(400*day)), status.Foresee(s.Weighed, w, s.Weighed.Add(400*day))
	if !cut.Truncated || len(cut.Steps) > 50_000 || len(cut.Steps) < 45_000 || whole.Truncated || len(whole.Steps) < 110_000 {
		t.Fatalf("%d steps of %d", len(cut.Steps), len(whole.Steps))
	}
	// Of the last instant a few that repeat may differ.
	if n := len(cut.Steps) - 100; !slices.EqualFunc(cut.Steps[:n], whole.Steps[:n], func(a, b status.Step) bool {
		return a.Kind == b.Kind && a.Certificate == b.Certificate && a.Target == b.Target && a.At.Equal(b.At)
	}) {
		t.Error("it begins otherwise than the whole one")
	}
	if short := s.Foresee(s.Weighed.Add(day)); short.Truncated {
		t.Errorf("%d steps of a day are cut", len(short.Steps))
	}
}
