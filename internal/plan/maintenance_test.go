package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

func timeZone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// clock is minutes after midnight.
func clock(hour, minute int) int { return hour*60 + minute }

func TestNextWindow(t *testing.T) {
	t.Parallel()
	weekend := []time.Weekday{time.Saturday, time.Sunday}
	for _, c := range []struct {
		name         string
		zone         string
		days         []time.Weekday
		from, to     int
		at           string
		open, closes string
	}{
		{"before", "Europe/Berlin", weekend, clock(2, 0), clock(5, 0), "2027-01-13T12:00:00Z", "2027-01-16T01:00:00Z", "2027-01-16T04:00:00Z"},
		{"inside", "Europe/Berlin", weekend, clock(2, 0), clock(5, 0), "2027-01-16T03:00:00Z", "2027-01-16T03:00:00Z", "2027-01-16T04:00:00Z"},
		{"at its end", "Europe/Berlin", weekend, clock(2, 0), clock(5, 0), "2027-01-16T04:00:00Z", "2027-01-17T01:00:00Z", "2027-01-17T04:00:00Z"},
		{"over midnight", "Europe/Berlin", weekend[:1], clock(22, 0), clock(4, 0), "2027-01-17T01:00:00Z", "2027-01-17T01:00:00Z", "2027-01-17T03:00:00Z"},
		{"a whole day", "UTC", weekend[:1], 0, 0, "2027-01-16T23:59:00Z", "2027-01-16T23:59:00Z", "2027-01-17T00:00:00Z"},
		{"to midnight", "UTC", nil, clock(23, 0), clock(24, 0), "2027-01-16T12:00:00Z", "2027-01-16T23:00:00Z", "2027-01-17T00:00:00Z"},
		{"every day", "Asia/Kathmandu", nil, clock(2, 0), clock(3, 0), "2027-01-13T00:00:00Z", "2027-01-13T20:15:00Z", "2027-01-13T21:15:00Z"},
		{"begins in the hour that is left out", "Europe/Berlin", nil, clock(2, 30), clock(5, 0), "2027-03-28T00:00:00Z", "2027-03-28T01:30:00Z", "2027-03-28T03:00:00Z"},
		{"ends there", "Europe/Berlin", nil, clock(1, 0), clock(2, 30), "2027-03-28T00:00:00Z", "2027-03-28T00:00:00Z", "2027-03-28T01:30:00Z"},
		{"is that hour", "Europe/Berlin", nil, clock(2, 0), clock(3, 0), "2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"},
		{"is that hour, west of Greenwich", "America/New_York", nil, clock(2, 0), clock(3, 0), "2027-03-14T06:00:00Z", "2027-03-14T07:00:00Z", "2027-03-14T08:00:00Z"},
		{"begins there, west of Greenwich", "America/New_York", nil, clock(2, 30), clock(4, 0), "2027-03-14T06:00:00Z", "2027-03-14T07:30:00Z", "2027-03-14T08:00:00Z"},
		{"is the hour that comes twice", "Europe/Berlin", nil, clock(2, 0), clock(3, 0), "2027-10-30T23:00:00Z", "2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z"},
		{"begins in it", "America/New_York", nil, clock(1, 30), clock(3, 0), "2027-11-07T05:00:00Z", "2027-11-07T05:30:00Z", "2027-11-07T08:00:00Z"},
		{"ends in it", "Europe/Berlin", nil, clock(1, 0), clock(2, 30), "2027-10-31T01:00:00Z", "2027-10-31T01:00:00Z", "2027-10-31T01:30:00Z"},
		{"half an hour comes twice", "Australia/Lord_Howe", nil, clock(1, 30), clock(2, 0), "2027-04-03T14:00:00Z", "2027-04-03T14:30:00Z", "2027-04-03T15:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := plan.Maintenance{{Days: c.days, From: c.from, To: c.to, Zone: timeZone(t, c.zone)}}
			open, closes := w.Next(instant(t, c.at))
			if !open.Equal(instant(t, c.open)) || !closes.Equal(instant(t, c.closes)) {
				t.Errorf("opens %s, closes %s; want %s, %s", open.UTC(), closes.UTC(), c.open, c.closes)
			}
		})
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Over three years, a quarter of an hour after the other: a window is open
// exactly while clocks on the wall show its time, and what opens next is the
// first of those quarters.
func TestWindowsFollowClocksOnTheWall(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"} {
		loc := timeZone(t, name)
		w := plan.Maintenance{
			{Days: []time.Weekday{time.Wednesday}, From: clock(22, 0), To: clock(4, 30), Zone: loc},
			{Days: []time.Weekday{time.Sunday, time.Saturday}, From: clock(0, 30), To: clock(6, 0), Zone: loc},
		}
		shown := func(at time.Time) bool {
			local := at.In(loc)
			minute := local.Hour()*60 + local.Minute()
			switch local.Weekday() {
			case time.Wednesday:
				return minute >= clock(22, 0)
			case time.Thursday:
				return minute < clock(4, 30)
			case time.Sunday, time.Saturday:
				return minute >= clock(0, 30) && minute < clock(6, 0)
			}
			return false
		}
		var opens time.Time // as told last
		for at := day(0); at.Before(day(3 * 365)); at = at.Add(15 * time.Minute) {
			open, closes := w.Next(at)
			if inside := open.Equal(at); inside != shown(at) || !closes.After(open) || open.Before(at) {
				t.Fatalf("%s: at %s it opens %s and closes %s", name, at.In(loc), open.In(loc), closes.In(loc))
			}
			if at.Before(opens) && !open.Equal(opens) || !opens.IsZero() && !at.Before(opens) && at.Add(-15*time.Minute).Before(opens) && !open.Equal(at) {
				t.Fatalf("%s: at %s it opens %s, was told to open %s", name, at.In(loc), open.In(loc), opens.In(loc))
			}
			opens = open
		}
	}
}

// saturdays is a window on Saturday from two to five. Day 0 is a Friday.
func saturdays() plan.Maintenance {
	return plan.Maintenance{{Days: []time.Weekday{time.Saturday}, From: clock(2, 0), To: clock(5, 0), Zone: time.UTC}}
}

// window is when the saturday's window of a week opens.
func window(week float64) time.Time { return day(1 + 7*week).Add(2 * time.Hour) }

func TestRenewalsWaitForTheirWindow(t *testing.T) {
	t.Parallel()
	added := func(s *scene) { s.want.Names = append(s.want.Names, "new.example") }
	for _, c := range []struct {
		name    string
		now     time.Time
		disturb func(*scene)
		at      time.Time
		words   string
	}{
		{"a renewal", day(62), func(*scene) {}, window(9), "waits for the maintenance window"},
		{"inside", window(9).Add(time.Hour), func(*scene) {}, window(9).Add(time.Hour), "renewed"},
		{"a renewal to come", day(10), func(*scene) {}, window(9), "waits for the maintenance window"},
		{"a change of the config", day(10), added, window(2), "waits for the maintenance window"},
		{"the last one before the warning window", day(75), func(*scene) {}, window(11), "waits"},
		{"no other one before the warning window", day(79), func(*scene) {}, day(79), "too little of what is served is left"},
		{"in the warning window", day(83), func(*scene) {}, day(83), "too urgent"},
		{"ended", day(91), func(*scene) {}, day(91), "too urgent"},
		{"revoked", day(10), func(s *scene) { s.v1().Revoked = true }, day(10), "too urgent"},
		{"recalled", day(10), func(s *scene) {
			s.v1().Recalled = true
			s.known.Advice = map[string]plan.Advice{ec: {CertID: "id-v1", Start: day(9), End: day(9).Add(time.Hour), At: day(9), Asked: day(10), AskAgain: day(11)}}
		}, day(10), "too urgent"},
		{"missing", day(10), func(s *scene) { s.known = plan.KnownCert{Looked: true} }, day(10), "too urgent"},
		{"asked for", day(10), func(s *scene) { s.ask(plan.AskRenew, day(10)) }, day(10), "asked for"},
		{"named", day(62), func(s *scene) { s.ask(plan.AskApply, day(62)) }, day(62), "renewed"},
		{"to be verified", day(62), func(s *scene) { s.ask(plan.AskVerify, day(62)) }, window(9), "waits for the maintenance window"},
		{"asked for by a clock that was ahead", day(62), func(s *scene) { s.ask(plan.AskApply, day(100)) }, window(9), "waits for the maintenance window"},
		{"its key is banned", day(10), nil, day(10), "compromised"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now, s.want.Maintenance = c.now, saturdays()
			w := s.world()
			if c.disturb == nil {
				w.Known.Banned = map[string]plan.Ban{s.v1().Key: {At: s.now}}
			} else {
				c.disturb(s)
				w = s.world()
			}
			for _, step := range plan.Make(s.now, w) {
				if step.Kind == plan.KindIssue {
					at(t, step, c.at)
					if !strings.Contains(step.Reason.Words, c.words) {
						t.Errorf("words %q, want %q", step.Reason.Words, c.words)
					}
					return
				}
			}
			t.Error("no issue is planned")
		})
	}
}

func TestInstallationsWaitForTheirWindow(t *testing.T) {
	t.Parallel()
	published := func(s *scene) {
		s.known.Versions = append(s.known.Versions, version("v2", s.now, pair(s.want, ec, s.now, days(90))))
		s.known.Published = "v2"
	}
	for _, c := range []struct {
		name    string
		now     time.Time
		disturb func(*scene)
		at      time.Time
	}{
		{"a new version", day(10), published, window(2)},
		{"a changed target", day(10), func(s *scene) { s.want.Targets[0].Config = "c2" }, window(2)},
		{"a new version, and what lies there is about to end", day(80), published, day(80)},
		{"a new version, and what lies there ends before the next window", day(79), published, day(79)},
		{"a new version, and what lies there was revoked", day(10), func(s *scene) { published(s); s.v1().Revoked = true }, day(10)},
		{"nothing lies there", day(10), func(s *scene) { s.target(func(f *plan.Target) { *f = plan.Target{} }) }, day(10)},
		{"altered files", day(10), func(s *scene) { s.target(func(f *plan.Target) { f.Altered = []string{"/a"} }) }, day(10)},
		{"an installation that was begun", day(10), func(s *scene) { s.target(func(f *plan.Target) { f.State = plan.TargetWritten }) }, day(10)},
		{"asked for", day(10), func(s *scene) { published(s); s.ask(plan.AskApply, day(10)) }, day(10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := quiet()
			s.now, s.want.Maintenance = c.now, saturdays()
			c.disturb(s)
			at(t, s.the(t, plan.KindInstall), c.at)
		})
	}
}

// Files beside the certificate's own wait with it.
func TestCompanionsWaitWithTheirCertificate(t *testing.T) {
	t.Parallel()
	s := quiet()
	s.want.Maintenance = saturdays()
	s.want.SCT = &plan.WantedSCT{Logs: []string{"log"}}
	s.want.Companions = []plan.WantedTarget{{Name: plan.CompanionSCT, Config: "c1"}}
	p := pair(s.want, ec, s.now, days(90))
	p.SHA256 = "cd"
	s.known.Versions = append(s.known.Versions, version("v2", s.now, p))
	s.known.Published = "v2"
	s.known.SCT = map[string]plan.Receipts{ec: {Leaf: "cd", Logs: map[string]plan.Receipt{"log": {SHA256: "ef"}}}}
	at(t, s.the(t, plan.KindSCTFile), window(2))
}

// What waits for a window is spread over it, and begins before it closes.
func TestAWindowIsUsed(t *testing.T) {
	t.Parallel()
	w := fleet(3000, day0(), days(90))
	for i := range w.Wanted.Certs {
		w.Wanted.Certs[i].Maintenance = saturdays()
	}
	begun := paced(t, w, window(9), days(90), true)
	if most := mostInAnHour(begun); most > 1500 {
		t.Errorf("%d of 3000 began within one hour of a window of three", most)
	}
	if last := begun[len(begun)-1]; !last.Before(window(9).Add(3 * time.Hour)) {
		t.Errorf("the last one began at %s, when the window was closed", last)
	}
}
