package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func TestRestorable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	version := func(id string, end time.Time, change func(*plan.Version)) plan.Version {
		v := plan.Version{ID: id, Pairs: []plan.Pair{{KeyType: "ecdsa-p256", NotBefore: now.Add(-time.Hour), NotAfter: end}}}
		if change != nil {
			change(&v)
		}
		return v
	}
	later := now.Add(time.Hour)
	held := listVersions(now, "www", plan.World{Known: plan.Known{Certs: map[string]*plan.KnownCert{"www": {Published: "GOOD", Versions: []plan.Version{
		version("ENDED", now, nil),
		version("BROKEN", later, func(v *plan.Version) { v.Broken = "its key is gone" }),
		version("REVOKED", later, func(v *plan.Version) { v.Pairs[0].Revoked = true }),
		version("EMPTY", later, func(v *plan.Version) { v.Pairs = nil }),
		version("GOOD", later, nil),
	}}}}})
	if held.Versions[0].ID != "GOOD" || !held.Versions[0].Published {
		t.Errorf("the newest is not first: %+v", held.Versions)
	}
	for id, why := range map[string]string{
		"GOOD": "", "ENDED": "it ended 2026-11-20 12:00 UTC", "BROKEN": "its key is gone", "REVOKED": "it was revoked", "EMPTY": "it holds no certificate", "GODO": "no kept version",
	} {
		err := restorable(held, id)
		if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%s: %v, want %q", id, err, why)
		}
		if hinted, ok := errors.AsType[*hintedError](err); err != nil && (!ok || hinted.code != exitUsage || hinted.hint == "") {
			t.Errorf("%s: no hint: %+v", id, hinted)
		}
	}
}
