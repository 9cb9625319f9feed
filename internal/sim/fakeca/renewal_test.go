package fakeca_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/sim/fakeca"
)

func TestRenewalInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *fakeca.Options) { o.WindowAfter = time.Hour })
		a := w.register()
		for profile, ideal := range map[string]time.Duration{"classic": 60 * day, "shortlived": 3 * day} {
			job := w.job(a, profile+".example")
			job.Profile = profile
			if _, err := w.client.Issue(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			got := w.last()
			info, err := w.client.RenewalInfo(t.Context(), got.CertID)
			if err != nil || info.RetryAfter != time.Hour {
				t.Fatal(info.RetryAfter, err)
			}
			at := got.NotBefore.Add(ideal)
			if !info.Start.Before(at) || !info.End.After(at) || info.End.Sub(info.Start) > ideal/10 {
				t.Errorf("%s: from %s to %s; it lives from %s to %s", profile, info.Start, info.End, got.NotBefore, got.NotAfter)
			}
		}
		w.wantBreaches(0)
		if _, err := w.client.RenewalInfo(t.Context(), w.last().CertID); err != nil {
			t.Error(err)
		}
		w.wantBreaches(1)
		if _, err := w.client.RenewalInfo(t.Context(), "AAAA.AAAA"); failure(t, err).Status != 404 {
			t.Errorf("error %v, want it unknown", err)
		}
	})
}

func TestMoveWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustIssue(w.register(), "a.example")
		got, now := w.last(), time.Now().UTC().Truncate(time.Second)
		if err := w.ca.MoveWindow(got.CertID, now, now.Add(time.Minute), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		info, err := w.client.RenewalInfo(t.Context(), got.CertID)
		if err != nil || !info.Start.Equal(now) || !info.End.Equal(now.Add(time.Minute)) || info.RetryAfter != 2*time.Minute {
			t.Errorf("%+v, %v", info, err)
		}
		if w.ca.MoveWindow("AAAA.AAAA", now, now, 0) == nil || w.ca.Revoke("00") == nil {
			t.Error("a certificate that is not there was touched")
		}
	})
}

// replace orders a successor.
func (w *world) replace(a issuer.Account, certID string, names ...string) (warned []string, err error) {
	w.t.Helper()
	job := w.job(a, names...)
	job.Replaces = certID
	job.Warn = func(err error) { warned = append(warned, err.Error()) }
	_, err = w.client.Issue(w.t.Context(), job)
	return warned, err
}

func TestReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.register(), w.register()
	w.mustIssue(a, "a.example", "b.example")
	first := w.last().CertID
	for _, test := range []struct {
		who    issuer.Account
		certID string
		name   string
		words  string // in the warning; "" where the CA agrees
	}{
		{a, "AAAA.AAAA", "a.example", "not known"},
		{other, first, "a.example", "another account"},
		{a, first, "c.example", "none of its names"},
		{a, first, "a.example", ""},
		{a, first, "b.example", "alreadyReplaced"},
	} {
		warned, err := w.replace(test.who, test.certID, test.name)
		if err != nil {
			t.Fatal(err)
		}
		got := w.last().Replaces
		if test.words == "" && (len(warned) > 0 || got != test.certID) {
			t.Errorf("%+v: warned %q, replaces %q", test, warned, got)
		}
		if test.words != "" && (len(warned) != 1 || !strings.Contains(warned[0], test.words) || got != "") {
			t.Errorf("%+v: warned %q, replaces %q", test, warned, got)
		}
	}
}

// TestReplacesTwiceOpen: an order that is only open is no successor yet.
func TestReplacesTwiceOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.register()
	w.mustIssue(a, "a.example", "b.example")
	id := w.last().CertID
	job := w.job(a, "a.example")
	job.Replaces = id
	job.Save = func(issuer.Order) error { return errAbandoned }
	if _, err := w.client.Issue(t.Context(), job); !errors.Is(err, errAbandoned) {
		t.Fatal(err)
	}
	if warned, err := w.replace(a, id, "b.example"); err != nil || len(warned) > 0 || w.last().Replaces != id {
		t.Errorf("warned %q, %v", warned, err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, other := w.register(), w.register()
	issued := w.mustIssue(a, "a.example")
	leaf := issued.Chain.Leaf()
	if err := w.client.Revoke(t.Context(), issuer.Revocation{Account: other, Certificate: leaf}); err == nil {
		t.Error("revoked by another account")
	}
	if err := w.client.Revoke(t.Context(), issuer.Revocation{Certificate: leaf, Key: newKey(t, keys.ECDSAP256)}); err == nil {
		t.Error("revoked by another key")
	}
	if !w.last().RevokedAt.IsZero() {
		t.Fatal("it was revoked")
	}
	if err := w.client.Revoke(t.Context(), issuer.Revocation{Account: a, Certificate: leaf, Reason: 4}); err != nil {
		t.Fatal(err)
	}
	if got := w.last(); got.RevokedAt.IsZero() || got.Reason != 4 {
		t.Errorf("revoked at %s, reason %d", got.RevokedAt, got.Reason)
	}
	info, err := w.client.RenewalInfo(t.Context(), w.last().CertID)
	if err != nil || !info.End.Before(time.Now()) || info.URL == "" {
		t.Errorf("%+v, %v; want a window in the past", info, err)
	}
}

func TestRevokeByKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, mine := w.register(), newKey(t, keys.ECDSAP256)
	job := w.job(a, "a.example")
	job.Public = mine.Public()
	var err error
	if job.CSR, err = issuer.CSR(mine, job.Names, "", false); err != nil {
		t.Fatal(err)
	}
	issued, err := w.client.Issue(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.client.Revoke(t.Context(), issuer.Revocation{Certificate: issued.Chain.Leaf(), Key: mine, Reason: 1}); err != nil {
		t.Fatal(err)
	}
	if got := w.last(); got.Reason != 1 {
		t.Errorf("reason %d", got.Reason)
	}
	if err := w.ca.Revoke(w.last().Serial); err != nil || w.last().Reason != 1 {
		t.Errorf("revoking again: %v, reason %d", err, w.last().Reason)
	}
}
