package sim

import (
	"testing"
	"time"
)

// TestWindow: the judge knows when a maintenance window is open, and says it as
// the config does.
func TestWindow(t *testing.T) {
	nightly := &window{from: time.Hour, to: 4 * time.Hour}
	weekly := &window{weekly: true, from: 2 * time.Hour, to: 5 * time.Hour}
	if got := nightly.String(); got != `{from: "01:00", to: "04:00", timezone: UTC}` {
		t.Errorf("the config says %s", got)
	}
	if got := weekly.String(); got != `{days: [sat], from: "02:00", to: "05:00", timezone: UTC}` {
		t.Errorf("the config says %s", got)
	}
	for _, c := range []struct {
		window    *window
		at, opens string
	}{
		{nightly, "2015-01-01 00:59", "2015-01-01 01:00"},
		{nightly, "2015-01-01 03:59", "2015-01-01 01:00"},
		{nightly, "2015-01-01 04:00", "2015-01-02 01:00"},
		{weekly, "2015-01-01 12:00", "2015-01-03 02:00"}, // a Thursday
		{weekly, "2015-01-03 04:00", "2015-01-03 02:00"},
		{weekly, "2015-01-03 05:00", "2015-01-10 02:00"},
	} {
		const form = "2006-01-02 15:04"
		at, err := time.Parse(form, c.at)
		if err != nil {
			t.Fatal(err)
		}
		opens, closes := c.window.next(at)
		if got := opens.Format(form); got != c.opens || closes.Sub(opens) != 3*time.Hour {
			t.Errorf("%s at %s: %s to %s, want %s", c.window, c.at, got, closes, c.opens)
		}
	}
}
