package plan_test

import (
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/plan"
)

// TestTLSARecordsWaitForEveryKindOfKey: what was issued first has one kind of key
// of two, and the files of the other hold a placeholder. The first record would
// have clients refuse it. Records that are there already stay right.
func TestTLSARecordsWaitForEveryKindOfKey(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	first := &l.known.Versions[0]
	l.want.KeyTypes, l.want.Targets[0].Services = []string{ec, rsa}, []string{"web"}
	l.known.Targets["default"] = verified("v1", l.now)
	l.shows = []daneSet{{l.now, nil}}
	l.known.TLSA = map[string]plan.KnownTLSA{}
	l.look()
	if steps := l.all(plan.KindTLSA); len(steps) > 0 {
		t.Errorf("one kind of key was never issued, and records are published: %+v", steps)
	}
	for what, set := range map[string]func(){
		"both kinds are there":           func() { first.Pairs = append(first.Pairs, pair(l.want, rsa, l.now, days(90))) },
		"no service needs a placeholder": func() { l.want.Targets[0].Services = nil },
		"records of it were there already": func() {
			l.shows = []daneSet{{l.now, []string{"3 1 1 k1", "3 1 1 strange"}}}
			l.look()
		},
	} {
		pairs, shows := first.Pairs, l.shows
		set()
		if step := l.the(t, plan.KindTLSA); !slices.Equal(step.Records, []string{"3 1 1 k1"}) {
			t.Errorf("%s, and published are %q", what, step.Records)
		}
		first.Pairs, l.shows, l.want.Targets[0].Services = pairs, shows, []string{"web"}
		l.look()
	}
}

// TestTLSARecordsWaitForEveryKindToBeInstalled: the second kind of key was issued
// and could not be installed, so that its files hold a placeholder still.
func TestTLSARecordsWaitForEveryKindToBeInstalled(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.want.KeyTypes, l.want.Targets[0].Services = []string{ec, rsa}, []string{"web"}
	second := version("v2", l.now, pair(l.want, ec, l.now, days(90)), pair(l.want, rsa, l.now, days(90)))
	l.known.Versions, l.known.Published, l.on["v2"] = append(l.known.Versions, second), "v2", "k1"
	l.known.Targets["default"] = verified("v1", l.now)
	l.shows = []daneSet{{l.now, nil}}
	l.known.TLSA = map[string]plan.KnownTLSA{}
	l.look()
	if steps := l.all(plan.KindTLSA); len(steps) > 0 {
		t.Errorf("one kind of key is not installed, and records are published: %+v", steps)
	}
	l.known.Targets["default"] = verified("v2", l.now)
	if step := l.the(t, plan.KindTLSA); len(step.Records) == 0 {
		t.Error("both are installed, and nothing is published")
	}
}

// TestTLSARecordsOfAKindThatIsLacking: who goes back to a version from before a
// second kind of key has files of that kind left, which a server goes on with:
// the records of it stay.
func TestTLSARecordsOfAKindThatIsLacking(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.want.KeyTypes = []string{ec, rsa}
	second := version("v2", l.now, pair(l.want, ec, l.now, days(90)), pair(l.want, rsa, l.now, days(90)))
	l.known.Versions, l.on["v2"] = append(l.known.Versions, second), "k2"
	l.known.Published, l.known.Held, l.known.HeldAt = "v1", true, l.now
	l.known.Targets["default"] = verified("v1", l.now)
	l.shows = []daneSet{{l.now, []string{"3 1 1 k1", "3 1 1 k2", "3 1 1 r2"}}}
	l.known.TLSA = map[string]plan.KnownTLSA{}
	l.look()
	l.known.TLSA[tlsaName].Chains["v2"] = [][]string{{"3 1 1 k2"}, {"3 1 1 r2"}}
	for _, step := range l.all(plan.KindTLSA) {
		if !slices.Contains(step.Records, "3 1 1 r2") {
			t.Errorf("published are %q", step.Records)
		}
	}
	// Where nothing of that kind is left, neither are its records.
	l.want.KeyTypes = []string{ec}
	if step := l.the(t, plan.KindTLSA); !slices.Equal(step.Records, []string{"3 1 1 k1"}) {
		t.Errorf("published are %q", step.Records)
	}
}

// TestASecondKindWaitsForItsRecord: a certificate of the second kind that comes
// after the records of the first waits until its own have reached every cache.
func TestASecondKindWaitsForItsRecord(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.want.KeyTypes = []string{ec, rsa}
	second := version("v2", l.now, pair(l.want, ec, l.now, days(90)), pair(l.want, rsa, l.now, days(90)))
	l.known.Versions, l.on["v2"] = append(l.known.Versions, second), "k2"
	l.known.Published, l.known.Ready = "v1", "v2"
	l.known.Targets["default"] = verified("v1", l.now)
	l.shows = []daneSet{{l.now, []string{"3 1 1 k1", "3 1 1 ready"}}}
	l.known.TLSA = map[string]plan.KnownTLSA{}
	l.look()
	l.known.TLSA[tlsaName].Chains["v2"] = [][]string{{"3 1 1 k1"}, {"3 1 1 r2"}}
	if step := l.the(t, plan.KindPublish); !step.At.After(l.now) {
		t.Errorf("it is published before its records: %+v", step)
	}
	if step := l.the(t, plan.KindTLSA); !slices.Contains(step.Records, "3 1 1 r2") {
		t.Errorf("published are %q", step.Records)
	}
}
