package ct_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/ct"
)

// list is a list of logs in the form that Google and Apple publish. KEY and ID
// stand for those of a log.
const list = `{
  "version": "50.5",
  "log_list_timestamp": "2026-11-01T12:55:14Z",
  "operators": [
    {"name": "Google", "email": ["google-ct-logs@googlegroups.com"], "logs": [
      {"description": "Google 'Argon2026h1' log", "log_id": "ID", "key": "KEY", "url": "https://ct.googleapis.com/logs/us1/argon2026h1/", "mmd": 86400,
       "state": {"readonly": {"timestamp": "2026-08-01T00:00:00Z", "final_tree_head": {"sha256_root_hash": "AAAA", "tree_size": 5}}},
       "temporal_interval": {"start_inclusive": "2026-01-01T00:00:00Z", "end_exclusive": "2026-07-01T00:00:00Z"}},
      {"description": "Google 'Argon2026h2' log", "log_id": "ID", "key": "KEY", "url": "https://ct.googleapis.com/logs/us1/argon2026h2/", "mmd": 86400,
       "state": {"usable": {"timestamp": "2024-09-30T22:19:27Z"}},
       "temporal_interval": {"start_inclusive": "2026-07-01T00:00:00Z", "end_exclusive": "2027-01-01T00:00:00Z"}}
    ], "tiled_logs": []},
    {"name": "Let's Encrypt", "email": ["x"], "logs": [], "tiled_logs": [
      {"description": "Let's Encrypt 'Sycamore2026h2'", "log_id": "ID", "key": "KEY", "submission_url": "https://log.sycamore.ct.letsencrypt.org/2026h2/",
       "monitoring_url": "https://mon.sycamore.ct.letsencrypt.org/2026h2/", "mmd": 60, "state": {"pending": {"timestamp": "2026-01-01T00:00:00Z"}},
       "temporal_interval": {"start_inclusive": "2026-06-18T00:00:00Z", "end_exclusive": "2026-12-18T00:00:00Z"}},
      {"description": "Let's Encrypt 'Sycamore2026h2b'", "log_id": "ID", "key": "KEY", "submission_url": "https://log.sycamore.ct.letsencrypt.org/2026h2b/",
       "monitoring_url": "https://mon.sycamore.ct.letsencrypt.org/2026h2b/", "mmd": 60, "state": {"qualified": {"timestamp": "2026-01-01T00:00:00Z"}},
       "temporal_interval": {"start_inclusive": "2026-06-18T00:00:00Z", "end_exclusive": "2026-12-18T00:00:00Z"}}
    ]}
  ]
}`

func day(s string) time.Time {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return at
}

// filled is the list with the key and id of a log.
func filled(t testing.TB, l *testLog) string {
	return strings.NewReplacer("ID", l.ID.String(), "KEY", base64.StdEncoding.EncodeToString(l.Key)).Replace(list)
}

func TestReadList(t *testing.T) {
	l := newLog(t, ecKey(t))
	logs, err := ct.ReadList([]byte(filled(t, l)))
	if err != nil || len(logs) != 4 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	if got, want := fmt.Sprintf("%+v", logs[1]), fmt.Sprintf("%+v", ct.Log{
		Name: "Google 'Argon2026h2' log", Operator: "Google", URL: "https://ct.googleapis.com/logs/us1/argon2026h2/",
		ID: l.ID, Key: l.Key, State: ct.Usable, Start: day("2026-07-01"), End: day("2027-01-01"),
	}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := logs[2]; !got.Static || got.Operator != "Let's Encrypt" || got.URL != "https://log.sycamore.ct.letsencrypt.org/2026h2/" || got.State != ct.Pending {
		t.Errorf("static: %+v", got)
	}
	text := filled(t, l)
	for name, bad := range map[string]string{
		"no JSON":       "<html>",
		"nothing":       "",
		"no logs":       `{"operators": []}`,
		"another id":    strings.Replace(text, l.ID.String(), newLog(t, ecKey(t)).ID.String(), 1),
		"a short id":    strings.Replace(text, l.ID.String(), "AAAA", 1),
		"no key":        strings.Replace(text, base64.StdEncoding.EncodeToString(l.Key), "AAAA", 1),
		"no address":    strings.Replace(text, "https://ct.googleapis.com/logs/us1/argon2026h1/", "", 1),
		"another time":  strings.Replace(text, "2026-01-01T00:00:00Z", "January", 1),
		"reversed time": strings.Replace(text, `"2026-07-01T00:00:00Z"}}`, `"2025-07-01T00:00:00Z"}}`, 1),
		"half of it":    text[:len(text)/2],
	} {
		if logs, err := ct.ReadList([]byte(bad)); err == nil {
			t.Errorf("%s: %d logs", name, len(logs))
		}
	}
}

func TestNamed(t *testing.T) {
	l := newLog(t, ecKey(t))
	logs, err := ct.ReadList([]byte(filled(t, l)))
	if err != nil {
		t.Fatal(err)
	}
	own := ct.Log{Name: "my_log", URL: "https://ct.example.test/", ID: l.ID}
	logs = append(logs, own)
	for _, test := range []struct{ name, end, want string }{
		{"google_argon", "2026-07-01", "Google 'Argon2026h2' log"},
		{"google_argon", "2026-12-31", "Google 'Argon2026h2' log"},
		{"Google_Argon2026h2", "2026-12-31", "Google 'Argon2026h2' log"},
		{"google_argon", "2026-06-30", ""}, // takes no more
		{"google_argon", "2027-01-01", ""}, // for another time
		{"google_argon2026h2", "2026-06-30", ""},
		{"argon", "2026-12-31", ""}, // whose?
		{"lets_encrypt_sycamore", "2026-12-01", "Let's Encrypt 'Sycamore2026h2b'"},
		{"lets_encrypt_sycamore2026h2", "2026-12-01", "Let's Encrypt 'Sycamore2026h2'"},
		{"my_log", "2036-01-01", "my_log"},
		{"", "2026-12-31", ""},
	} {
		got, err := ct.Named(logs, test.name, day(test.end))
		if got.Name != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q until %s: %q, %v; want %q", test.name, test.end, got.Name, err, test.want)
		}
	}
}

func TestCheckLog(t *testing.T) {
	l := newLog(t, ecKey(t))
	for name, change := range map[string]func(*ct.Log){
		"neither key nor id": func(l *ct.Log) { l.Key, l.ID = nil, ct.LogID{} },
		"another id":         func(l *ct.Log) { l.ID[0]++ },
		"a broken key":       func(l *ct.Log) { l.Key = l.Key[1:] },
		"no address":         func(l *ct.Log) { l.URL = "log.example.test" },
		"no time":            func(l *ct.Log) { l.Start, l.End = day("2026-01-01"), day("2026-01-01") },
	} {
		log := l.Log
		change(&log)
		if err := log.Check(); err == nil {
			t.Errorf("%s: %+v", name, log)
		}
	}
	byID := l.Log
	byID.Key = nil
	if err := byID.Check(); err != nil {
		t.Errorf("by its id alone: %v", err)
	}
}
