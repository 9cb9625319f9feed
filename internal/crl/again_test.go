package crl

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

// A list is looked at again after a quarter of what is left of it: not within
// an hour, and not later than in a day.
func TestAskAgain(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]time.Duration{
		9 * 24 * time.Hour: 24 * time.Hour,
		8 * time.Hour:      2 * time.Hour,
		time.Minute:        time.Hour,
	} {
		if got := (&list{ends: now.Add(left)}).askAgain(now); !got.Equal(now.Add(want)) {
			t.Errorf("%s left: in %s, want %s", left, got.Sub(now), want)
		}
	}
}

// A list that did not change is not sent again; an older one than that which is
// kept is no news; one that ended meanwhile is asked for without conditions.
func TestAsksUnderConditions(t *testing.T) {
	c := newCA(t, "ca")
	c.publish(nil, 23)
	old := c.list
	client := newClient(t)
	ask := func(revoked bool, full int) {
		t.Helper()
		if k := client.lists[c.web.URL]; k != nil {
			k.askAgain = time.Now() // it is time
		}
		a, err := client.Ask(t.Context(), c.leaf(24), c.cert)
		if err != nil || a.Revoked != revoked || c.full != full || !a.AskAgain.After(time.Now()) {
			t.Errorf("%+v, %v, after %d lists", a, err, c.full)
		}
	}
	ask(false, 1)
	ask(false, 1)
	c.publish(func(l *x509.RevocationList) { l.ThisUpdate = time.Now() }, 23, 24)
	ask(true, 2)
	c.list, c.etag = old, `"old"`
	ask(true, 3)
	client.lists[c.web.URL].list.ends = time.Now().Add(-time.Hour)
	c.etag = client.lists[c.web.URL].etag
	ask(false, 4)
}

// A server that gives no list is not asked for each certificate on it, but again
// some minutes later. That somebody waited no longer says nothing about it.
func TestDeadServerIsAskedOnce(t *testing.T) {
	c := newCA(t, "ca")
	c.publish(nil, 23)
	c.status = http.StatusInternalServerError
	client := newClient(t)
	ask := func(asked int) error {
		t.Helper()
		_, err := client.Ask(t.Context(), c.leaf(24), c.cert)
		if c.asked != asked {
			t.Errorf("asked %d times, want %d", c.asked, asked)
		}
		return err
	}
	first, second := ask(1), ask(1)
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("first %v, then %v", first, second)
	}
	c.status = 0
	k := client.lists[c.web.URL]
	k.failed = time.Now().Add(-deadFor)
	if err := ask(2); err != nil || k.failure != nil {
		t.Error(err)
	}
	k.askAgain = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Ask(ctx, c.leaf(24), c.cert); err == nil || k.failure != nil {
		t.Errorf("%v, %v", err, k.failure)
	}
}

// silent is a network on which nobody answers.
type silent struct {
	network.OS
	asked atomic.Int32
}

func (s *silent) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	s.asked.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A server that is silent for longer than askers wait counts as dead, too; not
// one that was asked for an instant.
func TestSilentServerIsAskedOnce(t *testing.T) {
	c := newCA(t, "ca")
	leaf := c.leaf(24)
	synctest.Test(t, func(t *testing.T) {
		n := &silent{}
		client := NewClient(n, nil, "certkeep/test")
		defer client.Close()
		for _, each := range []struct{ patience, takes time.Duration }{{time.Second, time.Second}, {10 * time.Second, 10 * time.Second}, {10 * time.Second, 0}} {
			ctx, cancel := context.WithTimeout(t.Context(), each.patience)
			began := time.Now()
			_, err := client.Ask(ctx, leaf, c.cert)
			cancel()
			if took := time.Since(began); err == nil || took != each.takes {
				t.Errorf("%v after %s, want %s", err, took, each.takes)
			}
		}
		if got := n.asked.Load(); got != 2 {
			t.Errorf("asked %d times", got)
		}
	})
}
