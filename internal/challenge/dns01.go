package challenge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/plan"
)

const (
	// DefaultPropagation is how long Wait waits where the config is silent.
	DefaultPropagation = 2 * time.Minute

	firstPause = 200 * time.Millisecond // between two looks at the servers; doubled each time
	lastPause  = 5 * time.Second
	undoTime   = 15 * time.Second
)

// DNS01 answers dns-01 by TXT records. Make it with NewDNS01.
type DNS01 struct {
	config DNS01Config

	mu    sync.Mutex
	names map[Challenge]string // where the record was written, aliases followed
}

// DNS01Config says who writes the records, and who is asked whether they are
// to be seen.
type DNS01Config struct {
	Writer   dns.Writer
	Resolver dns.Resolver
	TTL      time.Duration // zero is dns.DefaultTTL
	Timeout  time.Duration // of Wait; zero is DefaultPropagation
}

// NewDNS01 answers by means of the config. It contacts nobody.
func NewDNS01(c DNS01Config) *DNS01 {
	if c.Timeout <= 0 {
		c.Timeout = DefaultPropagation
	}
	return &DNS01{config: c, names: make(map[Challenge]string)}
}

// Type implements Solver.
func (s *DNS01) Type() string { return TypeDNS01 }

// Lasting implements Lasting: an answer is a record in a zone.
func (s *DNS01) Lasting() {}

// Present implements Solver. The name's other values stay: a name and its
// wildcard are proven by two values of one name.
func (s *DNS01) Present(ctx context.Context, c Challenge) error {
	op := fmt.Sprintf("answer dns-01 for %s", c.Identifier)
	if c.Identifier.IP {
		return failed(op, plan.CodeNoChallenge, errIP, "") // RFC 8738 section 7
	}
	record, err := s.record(ctx, c)
	if err != nil {
		return failed(op, plan.CodeDNSUpdate, err, "")
	}
	if err := s.config.Writer.Add(ctx, record); err != nil {
		return failed(op, plan.CodeDNSUpdate, err, s.undo(ctx, record, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[c] = record.Name
	return nil
}

// undo takes back an addition of which nobody knows whether it was made. It
// returns what a person should know.
func (s *DNS01) undo(ctx context.Context, record dns.Record, err error) string {
	if _, refused := errors.AsType[*dns.Refusal](err); refused {
		return "" // certainly not made
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if err := s.config.Writer.Remove(ctx, record); err != nil {
		return fmt.Sprintf("the record may be there all the same: TXT %q at %s", record.Value, record.Name)
	}
	return ""
}

// CleanUp implements Solver: it removes this value only.
func (s *DNS01) CleanUp(ctx context.Context, c Challenge) error {
	record, err := s.record(ctx, c)
	if err == nil {
		err = s.config.Writer.Remove(ctx, record)
	}
	if err != nil {
		return failed(fmt.Sprintf("clean up dns-01 for %s", c.Identifier), plan.CodeDNSUpdate, err, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, c)
	return nil
}

// record is the answer. Where it was presented already its name is remembered,
// so that an alias that changes meanwhile leaves nothing behind.
func (s *DNS01) record(ctx context.Context, c Challenge) (dns.Record, error) {
	s.mu.Lock()
	name := s.names[c]
	s.mu.Unlock()
	if name == "" {
		var err error
		name, err = s.config.Resolver.Alias(ctx, "_acme-challenge."+c.Identifier.Value)
		if err != nil {
			return dns.Record{}, err
		}
	}
	return dns.Record{Name: name, Type: "TXT", Value: c.DNSValue(), TTL: s.config.TTL, Subject: c.Identifier.String()}, nil
}

// Wait implements Waiter: until every authoritative server shows the record.
// When time is up it names those that do not, with plan.CodeDNSPropagation. It
// looks at least once, and ends a look that has begun: some seconds more where
// a server does not answer.
func (s *DNS01) Wait(ctx context.Context, c Challenge) error {
	op := fmt.Sprintf("wait for the dns-01 record of %s", c.Identifier)
	record, err := s.record(ctx, c)
	if err != nil {
		return failed(op, plan.CodeDNSPropagation, err, "")
	}
	servers, err := s.config.Resolver.Authorities(ctx, record.Name)
	if err != nil {
		return failed(op, plan.CodeDNSPropagation, err, "list the servers to ask in nameservers")
	}
	timeout := time.NewTimer(s.config.Timeout)
	defer timeout.Stop()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		lacking := s.config.Resolver.Lacking(ctx, servers, record)
		if len(lacking) == 0 {
			return nil
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-timeout.C:
			again.Stop()
			return failed(op, plan.CodeDNSPropagation, &NotPropagatedError{Record: record, After: s.config.Timeout, Lacking: lacking},
				"see that these servers get the zone's changes (NOTIFY, transfers), or give it more time")
		case <-ctx.Done():
			again.Stop()
			return failed(op, plan.CodeDNSPropagation, context.Cause(ctx), "")
		}
	}
}

// NotPropagatedError names the servers that do not show a record.
type NotPropagatedError struct {
	Record  dns.Record
	After   time.Duration
	Lacking []dns.Lack
}

func (e *NotPropagatedError) Error() string {
	var servers []string
	for _, l := range e.Lacking {
		servers = append(servers, l.String())
	}
	return fmt.Sprintf("after %v TXT %q at %s is not to be seen: %s", e.After, e.Record.Value, e.Record.Name, strings.Join(servers, ", "))
}
