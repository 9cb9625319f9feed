package plan_test

import (
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// An outage of DNS that begins after all servers showed the records of a new
// key changes no cache: only time is waited for then.
func TestTLSAOutageAfterTheRecordsWereSeen(t *testing.T) {
	t.Parallel()
	l := newDANELife(t, "3 1 1")
	l.until(l.now)
	l.ask(plan.AskRenew, l.now)
	l.until(l.now)
	if l.serves != "v1" || l.known.Ready != "v2" || len(l.shown()) != 2 {
		t.Fatalf("served %s, ready %s, in DNS %q", l.serves, l.known.Ready, l.shown())
	}
	published := l.now
	l.down = true
	l.until(published.Add(2*tlsaTTL - time.Second))
	if l.serves != "v1" {
		t.Errorf("%s is served before every cache has its record", l.serves)
	}
	l.until(published.Add(2 * tlsaTTL))
	if l.serves != "v2" {
		t.Errorf("%s is served, though every cache has the record of v2", l.serves)
	}
	l.down = false
	l.until(published.Add(24 * time.Hour))
	l.settled("v2", l.record("v2"))
}
