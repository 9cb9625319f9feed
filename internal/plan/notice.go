package plan

import (
	"slices"
	"strings"
	"time"
)

// Change says what a notice tells of a condition. "" is of something that
// happened once.
type Change string

// The changes.
const (
	ChangeAppeared Change = "appeared"
	ChangeGrown    Change = "grown"   // it is more severe than it was told before
	ChangeLasting  Change = "lasting" // it was told before, and stands
	ChangeSolved   Change = "solved"  // it was told before, and is no more
)

// The events that notices have beside those of the store.
const (
	NoticeProblem = "problem" // a condition that is none of the events
	NoticeSolved  = "solved"  // a condition is no more
	NoticeTest    = "test"    // a person tries the channel
)

// WantedChannel is a way to tell people, and what they want to hear by it.
type WantedChannel struct {
	Name   string
	Events []string // those that are told
	Limit  int      // messages in an hour; what is more waits and becomes one
	Each   bool     // it takes notices one by one, and knows neither limit nor digest
}

// Hears reports whether an event is told by the channel.
func (c WantedChannel) Hears(event string) bool { return slices.Contains(c.Events, event) }

// OldReason is what mod_md calls an event of a certificate; Certkeep's own word
// where it has none.
func OldReason(event string, code Code) string {
	switch {
	case event == "issued":
		return "renewed"
	case event == "ocsp-updated":
		return "ocsp-renewed"
	case event == "errored" && strings.HasPrefix(string(code), "ocsp-"):
		return "ocsp-errored"
	}
	return event
}

// Notice is one thing that a person is told.
type Notice struct {
	Event    string    `json:"event"`
	Change   Change    `json:"change,omitempty"`
	Code     Code      `json:"code,omitempty"`
	Severity Severity  `json:"severity,omitempty"`
	Cert     string    `json:"certificate,omitempty"`
	Target   string    `json:"target,omitempty"`
	Words    string    `json:"words,omitempty"`
	Detail   []string  `json:"detail,omitempty"`
	At       time.Time `json:"at,omitzero"` // when it happened, or since when it stands
}

// Message is what goes out at once over a channel. However many notices it
// is made of, it is bounded: they are grouped, and each group names the first
// of them.
type Message struct {
	ID     string        `json:"id"` // the same when it is sent again
	At     time.Time     `json:"at"` // when it was made
	Node   string        `json:"node"`
	Count  int           `json:"count"` // of notices, those that are not named included
	Missed int           `json:"missed"`
	Groups []NoticeGroup `json:"groups"` // the worst first
}

// NoticeGroup are notices of one kind: the same event and change, and the same
// code where they speak of a condition.
type NoticeGroup struct {
	Event    string   `json:"event"`
	Change   Change   `json:"change,omitempty"`
	Code     Code     `json:"code,omitempty"`
	Severity Severity `json:"severity,omitempty"` // the worst of them
	Count    int      `json:"count"`
	Remedy   string   `json:"remedy,omitempty"`
	Notices  []Notice `json:"notices"` // the first of them
}

// KnownChannel is what is remembered of a channel on this node.
type KnownChannel struct {
	Told    []Told      `json:"told,omitempty"`    // in no order
	Waiting []Notice    `json:"waiting,omitempty"` // events that have yet to be told, oldest first
	Missed  int         `json:"missed,omitempty"`  // events beyond what can wait
	Sending *Sending    `json:"sending,omitempty"` // set before it is sent
	Sent    []time.Time `json:"sent,omitempty"`    // messages of the last hour
	Tries   Tries       `json:"tries,omitzero"`    // failures in a row to send
}

// Told is a condition that was told, or an event of which no other like it is
// told soon.
type Told struct {
	Event    string    `json:"event"`
	Code     Code      `json:"code,omitempty"`
	Cert     string    `json:"certificate,omitempty"`
	Target   string    `json:"target,omitempty"`
	Severity Severity  `json:"severity,omitempty"`
	At       time.Time `json:"at"`             // when it was last told
	Since    time.Time `json:"since,omitzero"` // of the failure that was told
	Gone     bool      `json:"gone,omitempty"` // it is no more: kept until it may be told again
	// Doubtful says that nobody knows whether people heard it: a message was given up that may have arrived.
	Doubtful bool `json:"doubtful,omitempty"`
}

// Sending is a message with what is known once it is delivered.
type Sending struct {
	Message Message `json:"message"`
	Marks   []Told  `json:"marks,omitempty"`
	Events  int     `json:"events,omitempty"`  // how many of those that wait are in it
	Unknown bool    `json:"unknown,omitempty"` // an attempt failed in a way that it may have arrived all the same
}

// maxWaiting bounds the events that wait to be told.
const maxWaiting = 1000

// Heard adds events that are to be told. Beyond what can wait they are
// counted.
func (k KnownChannel) Heard(events []Notice) KnownChannel {
	room := max(0, maxWaiting-len(k.Waiting))
	k.Waiting = slices.Concat(k.Waiting, events[:min(room, len(events))])
	k.Missed += max(0, len(events)-room)
	return k
}

// Begin counts an attempt to send a message, before it is made. A channel is
// tried again within an hour: whoever waits for a warning does not wait a day.
func (k KnownChannel) Begin(now time.Time, jitter float64, s Sending) KnownChannel {
	k = k.instead(s)
	if k.Sending != nil && k.Sending.Message.ID == s.Message.ID {
		s.Unknown = s.Unknown || k.Tries.Open // the process ended while it was sent
	}
	k.Sending, k.Tries = &s, k.Tries.Begin(now, jitter)
	if latest := now.Add(time.Hour); k.Tries.NotBefore.After(latest) {
		k.Tries.NotBefore = latest
	}
	return k
}

// instead takes over what may have been told by a message that is given up for
// another one.
func (k KnownChannel) instead(s Sending) KnownChannel {
	if k.Sending != nil && k.Sending.Message.ID != s.Message.ID {
		k.Told = k.maybeTold()
	}
	return k
}

// maybeTold is what was told if the message that is on its way arrived, where
// nobody knows whether it did: then the end of its conditions has to be told, and
// what it called solved, and is not, has to be told again.
func (k KnownChannel) maybeTold() []Told {
	if k.Sending == nil || !k.Tries.Open && !k.Sending.Unknown {
		return k.Told
	}
	said := make(map[toldKey]Told, len(k.Sending.Marks))
	for _, m := range k.Sending.Marks {
		said[m.key()] = m
	}
	var told []Told
	for _, t := range k.Told {
		if m, ok := said[t.key()]; ok && t.Gone != m.Gone {
			if t.Gone {
				t = m
			}
			t.Doubtful = true
		}
		delete(said, t.key())
		told = append(told, t)
	}
	for _, m := range k.Sending.Marks {
		if _, left := said[m.key()]; left && !m.Gone {
			m.Doubtful = true
			told = append(told, m)
		}
	}
	return told
}

// Refused notes that the message could not be delivered; unknown, that it may
// have arrived all the same; and what is left of it, where some of it was.
func (k KnownChannel) Refused(now time.Time, fault Fault, retryAfter time.Time, unknown bool, left []Notice) KnownChannel {
	if k.Sending != nil {
		s := *k.Sending
		s.Unknown = s.Unknown || unknown
		if len(left) > 0 {
			s.Message.Groups, s.Message.Count = grouped(left), len(left)
		}
		k.Sending = &s
	}
	k.Tries = k.Tries.Failed(now, fault, retryAfter)
	return k
}

// Delivered notes that the message arrived: only now do its conditions count
// as told.
func (k KnownChannel) Delivered(now time.Time, s Sending) KnownChannel {
	k = k.instead(s)
	marked := make(map[toldKey]bool, len(s.Marks))
	for _, m := range s.Marks {
		marked[m.key()] = true
	}
	told := slices.DeleteFunc(slices.Clone(k.Told), func(t Told) bool {
		return marked[t.key()] || t.Gone && !t.quiet(now)
	})
	k.Told = slices.Concat(told, s.Marks)
	k.Waiting = slices.Clone(k.Waiting[min(s.Events, len(k.Waiting)):])
	k.Missed -= min(k.Missed, s.Message.Missed)
	if s.Message.Count > 0 {
		k.Sent, k.Tries = append(recentlySent(now, k.Sent), now), Tries{}
	}
	k.Sending = nil
	return k
}

// recentlySent are the messages of the last hour.
func recentlySent(now time.Time, sent []time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(sent), func(at time.Time) bool {
		return ahead(at, now) || !at.Add(time.Hour).After(now)
	})
}

// ChannelProblems derives what a person must know of the channels.
func ChannelProblems(w World) []Problem {
	var all []Problem
	for _, c := range w.Wanted.Channels {
		tries := w.Known.Channels[c.Name].Tries
		if tries.Count > 0 && tries.Fault != nil {
			all = append(all, Problem{
				Code: CodeNotify, Severity: CodeNotify.Severity(), Target: c.Name, Words: tries.Fault.Words,
				Detail: tries.Fault.Detail, Remedy: CodeNotify.Remedy(), Since: tries.Fault.At,
			})
		}
	}
	return all
}
