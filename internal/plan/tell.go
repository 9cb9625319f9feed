package plan

import (
	"cmp"
	"slices"
	"time"
)

// How messages are made.
const (
	named     = 10             // of a group's notices that stand in a message, and of those that are taken one by one
	staleMail = 24 * time.Hour // what could not be delivered for so long is made anew
)

// toldKey tells conditions apart.
type toldKey struct {
	event        string
	code         Code
	cert, target string
}

func (t Told) key() toldKey { return toldKey{t.Event, t.Code, t.Cert, t.Target} }

// pause is how long after one notice the next like it is told at the earliest.
func pause(event string) time.Duration {
	switch event {
	case "errored", "verify-failed", "rolled-back":
		return time.Hour
	case "expiring", "revoked", "issued", "installed", "ocsp-updated":
		return 24 * time.Hour
	}
	return 0
}

// quiet reports whether it is too early to tell the like of t again. What was
// told under a clock that was ahead keeps nobody quiet.
func (t Told) quiet(now time.Time) bool {
	return !ahead(t.At, now) && t.At.Add(pause(t.Event)).After(now)
}

// before reports whether what was told is older than what failed at an instant.
// Under a clock that was ahead it looks younger.
func (t Told) before(failed, now time.Time) bool {
	return failed.After(t.Since) || ahead(t.Since, now) && !failed.Equal(t.Since)
}

// eventOf is the event that a condition counts as.
func eventOf(code Code) string {
	switch code {
	case CodeExpiring, CodeExpired, CodeGivenExpiring, CodeGivenExpired:
		return "expiring"
	case CodeVerifyWrong, CodeVerifyStaple:
		return "verify-failed"
	case CodeRolledBack:
		return "rolled-back"
	case CodeRevoked, CodeGivenRevoked:
		return "revoked"
	case CodeHook, CodeOCSP, CodeSCT:
		return "errored"
	}
	if code.Severity() == "" { // a failure
		return "errored"
	}
	return NoticeProblem
}

// Tell decides what goes out over a channel: of the conditions, those that
// are new or have grown, those that stand and are told again, and those that
// are no more; and the events that wait. It returns the message, which is to
// be sent when next is not after now; nil when there is nothing to tell,
// next then being when there may be, or zero. A message of no notices is not
// sent, but counts as delivered.
func Tell(now time.Time, want WantedChannel, known KnownChannel, conditions []Problem) (s *Sending, next time.Time) {
	if s := known.Sending; s != nil && now.Sub(s.Message.At).Abs() < staleMail {
		return s, known.Tries.WaitsUntil(now)
	}
	t := telling{now: now, want: want, told: make(map[toldKey]Told, len(known.Told))}
	told := known.maybeTold()
	for _, each := range told {
		t.told[each.key()] = each
	}
	t.conditions(conditions)
	t.solved(told)
	t.events(known.Waiting)
	if len(t.notices)+len(t.marks)+t.used == 0 {
		return nil, t.next
	}
	m := Message{At: now, Count: len(t.notices), Missed: known.Missed, Groups: grouped(t.notices)}
	next = known.Tries.WaitsUntil(now)
	if sent := recentlySent(now, known.Sent); !want.Each && m.Count > 0 && len(sent) >= want.Limit {
		next = later(next, sent[len(sent)-want.Limit].Add(time.Hour))
	}
	return &Sending{Message: m, Marks: t.marks, Events: t.used}, next
}

// telling gathers what goes into one message.
type telling struct {
	now     time.Time
	want    WantedChannel
	told    map[toldKey]Told
	stands  map[toldKey]bool
	notices []Notice
	marks   []Told
	used    int
	next    time.Time
}

// full reports whether no more notices fit.
func (t *telling) full() bool { return t.want.Each && len(t.notices) >= named }

// wait notes that something is told from an instant on.
func (t *telling) wait(at time.Time) {
	if t.next.IsZero() || at.Before(t.next) {
		t.next = at
	}
}

// conditions adds those that are to be told. Of several that differ in words
// alone the worst counts.
func (t *telling) conditions(all []Problem) {
	t.stands = make(map[toldKey]bool, len(all))
	worst := slices.Clone(all)
	slices.SortStableFunc(worst, func(a, b Problem) int { return cmp.Compare(rank(a), rank(b)) })
	for _, p := range worst {
		event := eventOf(p.Code)
		key := toldKey{event, p.Code, p.Cert, p.Target}
		// That a certificate is missing says no more than why it is.
		skip := p.Code == CodeMissing || p.Code == CodeNotify && p.Target == t.want.Name
		if skip || !t.want.Hears(event) || t.stands[key] {
			continue
		}
		t.stands[key] = true
		if t.full() {
			continue
		}
		change, ok := t.changed(key, p)
		if !ok {
			continue
		}
		t.notices = append(t.notices, Notice{
			Event: event, Change: change, Code: p.Code, Severity: p.Severity, Cert: p.Cert, Target: p.Target, Words: p.Words, Detail: p.Detail, At: p.Since,
		})
		t.marks = append(t.marks, Told{Event: event, Code: p.Code, Cert: p.Cert, Target: p.Target, Severity: p.Severity, At: t.now, Since: p.Since})
	}
}

// changed compares a condition with what was told of it.
func (t *telling) changed(key toldKey, p Problem) (Change, bool) {
	told, ok := t.told[key]
	if !ok || told.Doubtful {
		return ChangeAppeared, true
	}
	if !told.Gone && p.Severity == Critical && told.Severity != Critical {
		return ChangeGrown, true
	}
	change := ChangeLasting
	switch key.event {
	case "errored", "verify-failed", "rolled-back": // each failure anew
		if !told.Gone && !told.before(p.Since, t.now) {
			return "", false
		}
	case "expiring", "revoked":
	default:
		if !told.Gone {
			return "", false
		}
	}
	if told.quiet(t.now) {
		t.wait(told.At.Add(pause(key.event)))
		return "", false
	}
	if told.Gone {
		change = ChangeAppeared
	}
	return change, true
}

// solved adds the conditions that were told and are no more. A condition that
// is no longer wanted to be heard of is dropped without a word.
func (t *telling) solved(all []Told) {
	for _, told := range all {
		if told.Gone || t.stands[told.key()] || t.full() {
			continue
		}
		mark := told
		mark.Gone, mark.Doubtful = true, false
		t.marks = append(t.marks, mark)
		if t.want.Hears(NoticeSolved) && t.want.Hears(told.Event) {
			t.notices = append(t.notices, Notice{
				Event: NoticeSolved, Change: ChangeSolved, Code: told.Code, Severity: told.Severity, Cert: told.Cert, Target: told.Target, At: t.now,
			})
		}
	}
}

// events adds those that wait. One of which the like was told a short while
// ago is passed over.
func (t *telling) events(waiting []Notice) {
	heard := map[toldKey]bool{}
	for _, n := range waiting {
		if t.full() {
			return
		}
		t.used++
		key := toldKey{n.Event, n.Code, n.Cert, n.Target}
		told, known := t.told[key]
		if !t.want.Hears(n.Event) || t.stands[key] || heard[key] && pause(n.Event) > 0 || known && told.quiet(t.now) {
			continue
		}
		heard[key] = true
		t.notices = append(t.notices, n)
		if pause(n.Event) > 0 {
			t.marks = append(t.marks, Told{Event: n.Event, Code: n.Code, Cert: n.Cert, Target: n.Target, Severity: n.Severity, At: t.now, Since: n.At, Gone: true})
		}
	}
}

// grouped puts notices of one kind together, the worst kind first.
func grouped(notices []Notice) []NoticeGroup {
	type kind struct {
		event  string
		change Change
		code   Code
	}
	at := map[kind]int{}
	groups := []NoticeGroup{}
	for _, n := range notices {
		k := kind{n.Event, n.Change, n.Code}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			g := NoticeGroup{Event: n.Event, Change: n.Change, Code: n.Code, Severity: n.Severity}
			if n.Code != "" && n.Change != ChangeSolved {
				g.Remedy = n.Code.Remedy()
			}
			groups = append(groups, g)
		}
		g := &groups[i]
		g.Count++
		if n.Severity == Critical {
			g.Severity = Critical
		}
		if len(g.Notices) < named {
			g.Notices = append(g.Notices, n)
		}
	}
	slices.SortStableFunc(groups, func(a, b NoticeGroup) int { return cmp.Compare(urgency(a), urgency(b)) })
	return groups
}

// urgency orders groups: critical, other conditions, what happened, what is solved.
func urgency(g NoticeGroup) int {
	switch {
	case g.Change == ChangeSolved:
		return 3
	case g.Severity == Critical:
		return 0
	case g.Severity != "":
		return 1
	}
	return 2
}
