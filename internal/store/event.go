package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// EventKind says what happened. Hooks, notifications, log, metrics and
// history use the same words.
type EventKind string

// The events.
const (
	EventRenewing         EventKind = "renewing"          // an order is about to be opened
	EventChallengeSetup   EventKind = "challenge-setup"   // the answer to a challenge was put in place
	EventChallengeCleanup EventKind = "challenge-cleanup" // and was taken away
	EventDNSUpdated       EventKind = "dns-updated"       // a record was written to a zone
	EventIssued           EventKind = "issued"            // a new version was published
	EventFileInstalled    EventKind = "file-installed"    // one file of a target was switched
	EventInstalled        EventKind = "installed"         // all files of a target were switched
	EventReloaded         EventKind = "reloaded"          // a service was told
	EventVerified         EventKind = "verified"          // a handshake showed the published version
	EventVerifyFailed     EventKind = "verify-failed"     // a handshake showed another one, or failed
	EventRolledBack       EventKind = "rolled-back"       // a service refused a version; the former files are back
	EventKeyRollover      EventKind = "key-rollover"      // the key of a group was changed
	EventExpiring         EventKind = "expiring"          // little life is left
	EventErrored          EventKind = "errored"           // a step failed
	EventRevoked          EventKind = "revoked"           // a certificate was revoked
	EventOCSPUpdated      EventKind = "ocsp-updated"      // a response was written
	EventSCTUpdated       EventKind = "sct-updated"       // timestamps were written
	EventTLSAUpdated      EventKind = "tlsa-updated"      // TLSA records were written
	EventWithdrawn        EventKind = "withdrawn"         // files of what was revoked were taken away
	EventForgotten        EventKind = "forgotten"         // all that was stored of a certificate was dropped
)

// Event is one thing that happened to a certificate. Nothing is decided by
// events: a crash may lose the last ones.
type Event struct {
	Time    time.Time   `json:"time"`
	Kind    EventKind   `json:"kind"`
	Cert    string      `json:"certificate"`
	Target  string      `json:"target,omitempty"`
	KeyType string      `json:"key_type,omitempty"`
	Version string      `json:"version,omitempty"`
	Issuer  string      `json:"issuer,omitempty"`
	Words   string      `json:"words,omitempty"`
	Detail  []string    `json:"detail,omitempty"`
	Fault   *plan.Fault `json:"fault,omitempty"`
}

// maxEvent bounds an event's line. Of a longer one the details are left out.
const maxEvent = 32 << 10

// eventsKey is the key of a certificate's history.
func eventsKey(cert string) string { return keyOf("events", cert) }

// Append adds an event to the history of its certificate, which must be
// named. A zero Time means now.
func (s *Store) Append(ctx context.Context, e Event) error {
	if err := s.writable(); err != nil {
		return err
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxEvent {
		line, err = json.Marshal(shortened(e))
	}
	if err != nil {
		return fmt.Errorf("note event %s of %s: %w", e.Kind, e.Cert, err)
	}
	if err := s.backend.Append(ctx, eventsKey(e.Cert), line); err != nil {
		return fmt.Errorf("note event %s of %s: %w", e.Kind, e.Cert, err)
	}
	return nil
}

// shortened is an event without its details, and with no more words than
// anybody reads.
func shortened(e Event) Event {
	cut := func(words string) string { return words[:min(len(words), 4<<10)] }
	e.Words, e.Detail = cut(e.Words), []string{"(details left out: too long)"}
	if e.Fault != nil {
		fault := *e.Fault
		fault.Words, fault.Detail = cut(fault.Words), nil
		e.Fault = &fault
	}
	return e
}

// History yields the events of a certificate, oldest first, also of one that
// was forgotten. Lines that a crash tore are passed over.
func (s *Store) History(ctx context.Context, cert string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for line, err := range s.backend.Lines(ctx, eventsKey(cert)) {
			var e Event
			if err == nil && json.Unmarshal(line, &e) != nil {
				continue
			}
			if err != nil {
				err = fmt.Errorf("read history of %s: %w", cert, err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// TrimHistory cuts the history of a certificate to its last events.
func (s *Store) TrimHistory(ctx context.Context, cert string, keep int) error {
	if err := s.writable(); err != nil {
		return err
	}
	return s.backend.Trim(ctx, eventsKey(cert), keep)
}
