package ct

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// State is how far browsers trust a log, in the words of their lists.
type State string

// The states. A log of an administrator's own has none.
const (
	Pending   State = "pending"
	Qualified State = "qualified"
	Usable    State = "usable"
	ReadOnly  State = "readonly"
	Retired   State = "retired"
	Rejected  State = "rejected"
)

// takes reports whether a log in that state takes certificates.
func (s State) takes() bool { return s != ReadOnly && s != Retired && s != Rejected }

// Log is a log of certificates, or the part of one for certificates that end
// within a certain time.
type Log struct {
	Name     string // a description such as "Google 'Argon2026h1' log", or a name of the config
	Operator string
	URL      string // where certificates are handed in; ct/v1/add-chain lies below it
	ID       LogID
	Key      []byte // SubjectPublicKeyInfo in DER; empty where only the id is known
	Static   bool   // read by the static API; handing in is the same
	State    State
	// Start and End bound the end of the certificates that it takes: not
	// before Start, and before End. Zero is no bound.
	Start, End time.Time
}

// Check says what is wrong with the description of a log.
func (l Log) Check() error {
	u, err := url.Parse(l.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("log %q: its address, %q, does not begin with http:// or https://", l.Name, l.URL)
	}
	if !l.End.IsZero() && !l.Start.Before(l.End) {
		return fmt.Errorf("log %q: it ends before it begins", l.Name)
	}
	if len(l.Key) == 0 {
		if l.ID == (LogID{}) {
			return fmt.Errorf("log %q has neither key nor id", l.Name)
		}
		return nil
	}
	if _, err := parseKey(l.Key); err != nil {
		return fmt.Errorf("log %q: %w", l.Name, err)
	}
	if sum := sha256.Sum256(l.Key); LogID(sum) != l.ID {
		return fmt.Errorf("log %q: its id does not belong to its key", l.Name)
	}
	return nil
}

// Covers reports whether the log takes certificates that end at notAfter.
func (l Log) Covers(notAfter time.Time) bool {
	return !notAfter.Before(l.Start) && (l.End.IsZero() || notAfter.Before(l.End))
}

// listed is a log in the JSON of a list, version 3.
type listed struct {
	Description   string                    `json:"description"`
	LogID         string                    `json:"log_id"`
	Key           []byte                    `json:"key"`
	URL           string                    `json:"url"`            // of RFC 6962
	SubmissionURL string                    `json:"submission_url"` // of the static API
	State         map[State]json.RawMessage `json:"state"`
	Temporal      struct {
		Start time.Time `json:"start_inclusive"`
		End   time.Time `json:"end_exclusive"`
	} `json:"temporal_interval"`
}

// ReadList reads a list of logs as Google publishes it for Chrome, and Apple
// for Safari (JSON, version 3). What else stands there is not looked at. A log
// that is described wrongly is an error, since the file is not what it seems.
func ReadList(text []byte) ([]Log, error) {
	var list struct {
		Operators []struct {
			Name  string   `json:"name"`
			Logs  []listed `json:"logs"`
			Tiled []listed `json:"tiled_logs"`
		} `json:"operators"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read list of logs: %w", err)
	}
	var logs []Log
	for _, operator := range list.Operators {
		for i, entry := range slices.Concat(operator.Logs, operator.Tiled) {
			l, err := entry.log()
			if err != nil {
				return nil, fmt.Errorf("read list of logs: %w", err)
			}
			l.Operator, l.Static = operator.Name, i >= len(operator.Logs)
			logs = append(logs, l)
		}
	}
	if len(logs) == 0 {
		return nil, errors.New("read list of logs: there is no log in it")
	}
	return logs, nil
}

// log is the log that an entry of a list describes.
func (e listed) log() (Log, error) {
	l := Log{Name: e.Description, URL: e.URL, Key: e.Key, Start: e.Temporal.Start, End: e.Temporal.End}
	if l.URL == "" {
		l.URL = e.SubmissionURL
	}
	for state := range e.State { // there is one at most
		l.State = state
	}
	var err error
	if l.ID, err = ParseLogID(e.LogID); err != nil {
		return Log{}, fmt.Errorf("log %q: %w", l.Name, err)
	}
	return l, l.Check()
}

// quoted splits a description such as "Google 'Argon2026h1' log", and shard
// finds the time in what is quoted.
var (
	quoted = regexp.MustCompile(`^(.*) '([^']+)'`)
	shard  = regexp.MustCompile(`[ _-]?20\d\d(h\d)?[a-z]?$`)
)

// names are the words by which a config may mean the log: google_argon2026h1
// for this part of it, google_argon for the part that fits a certificate, as
// acmebot calls it.
func (l Log) names() []string {
	name := l.Name
	if m := quoted.FindStringSubmatch(name); m != nil {
		name = m[1] + " " + m[2]
	}
	return []string{word(name), word(shard.ReplaceAllString(name, ""))}
}

// word makes a name such as lets_encrypt_oak of "Let's Encrypt Oak".
func word(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case r == ' ', r == '-', r == '_':
			return '_'
		}
		return -1
	}, strings.ToLower(name))
}

// Named finds the log of that name that takes a certificate which ends at
// notAfter: the part of it for that time, and where several fit, the one that
// browsers trust most. The error says whether there is no such log, or none
// for that time, or only one that takes nothing any more.
func Named(logs []Log, name string, notAfter time.Time) (Log, error) {
	var known, covers bool
	var best *Log
	trust := []State{"", Rejected, Retired, ReadOnly, Pending, Qualified, Usable}
	for i, l := range logs {
		if !slices.Contains(l.names(), word(name)) {
			continue
		}
		known = true
		if !l.Covers(notAfter) {
			continue
		}
		covers = true
		if l.State.takes() && (best == nil || slices.Index(trust, l.State) > slices.Index(trust, best.State)) {
			best = &logs[i]
		}
	}
	switch {
	case best != nil:
		return *best, nil
	case covers:
		return Log{}, fmt.Errorf("the log %q takes no certificates any more", name)
	case known:
		return Log{}, fmt.Errorf("no part of the log %q takes certificates that end at %s", name, notAfter.UTC().Format(time.DateOnly))
	}
	return Log{}, fmt.Errorf("there is no log called %q in the list", name)
}
