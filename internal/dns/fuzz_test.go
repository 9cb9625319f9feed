package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/miekg/dns"
)

// How a liar's answer is made to look more like one, so that chance gets
// further than the first check. They are the bits of the first byte.
const (
	lieID       = 1 << iota // has the question's id
	lieQuestion             // repeats the question
	lieOwner                // is about the name that was asked for
)

// liar is a network on which every server gives the same answers in turn. One
// is a byte of lies, the length of a message in two bytes, and the message.
type liar struct {
	mu      sync.Mutex
	answers [][]byte
	asked   int
	next    int
}

func newLiar(script []byte) *liar {
	l := &liar{}
	for len(script) >= 3 {
		n := min(int(binary.BigEndian.Uint16(script[1:3])), len(script)-3)
		l.answers = append(l.answers, append([]byte{script[0]}, script[3:3+n]...))
		script = script[3+n:]
	}
	return l
}

func (l *liar) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.ErrUnsupported
}

func (l *liar) DialContext(_ context.Context, kind, _ string) (net.Conn, error) {
	c := &lie{liar: l, udp: kind == "udp"}
	if c.udp {
		return datagrams{c}, nil
	}
	return c, nil
}

// answer is the next answer to a question. One that UDP cannot carry comes
// again by TCP.
func (l *liar) answer(question []byte, udp bool) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if len(l.answers) == 0 {
		return nil
	}
	a := l.answers[l.next%len(l.answers)]
	if !udp || len(a) <= udpSize {
		l.next++
	}
	lies, wire := a[0], bytes.Clone(a[1:])
	var q, r dns.Msg
	if q.Unpack(question) == nil && r.Unpack(wire) == nil {
		if lies&lieQuestion != 0 {
			r.Question = q.Question
		}
		for _, rr := range r.Answer {
			if lies&lieOwner != 0 {
				rr.Header().Name = q.Question[0].Name
			}
		}
		if changed, err := r.Pack(); err == nil {
			wire = changed
		}
	}
	if lies&lieID != 0 && len(wire) >= 2 {
		copy(wire, question[:2])
	}
	return wire
}

// lie is a connection to a liar. It never makes its reader wait.
type lie struct {
	*liar
	udp  bool
	left bytes.Buffer
}

// datagrams makes the wire library see UDP.
type datagrams struct{ *lie }

func (datagrams) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, errors.ErrUnsupported }
func (datagrams) WriteTo([]byte, net.Addr) (int, error)  { return 0, errors.ErrUnsupported }
func (c *lie) Close() error                              { return nil }
func (c *lie) LocalAddr() net.Addr                       { return nil }
func (c *lie) RemoteAddr() net.Addr                      { return nil }
func (c *lie) SetDeadline(time.Time) error               { return nil }
func (c *lie) SetReadDeadline(time.Time) error           { return nil }
func (c *lie) SetWriteDeadline(time.Time) error          { return nil }

func (c *lie) Write(p []byte) (int, error) {
	if c.udp {
		c.left.Reset()
		c.left.Write(c.answer(p, true))
		return len(p), nil
	}
	a := c.answer(p[2:], false)
	c.left.Write(binary.BigEndian.AppendUint16(nil, uint16(len(a))))
	c.left.Write(a)
	return len(p), nil
}

func (c *lie) Read(p []byte) (int, error) {
	if c.left.Len() > 0 {
		n, err := c.left.Read(p)
		if c.udp {
			c.left.Reset() // a datagram is read at once, or cut off
		}
		return n, err
	}
	if c.udp {
		return 0, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	}
	return 0, io.EOF
}

// FuzzAnswers has name servers answer whatever they like to everything that
// is asked of them. It ends, after a bounded number of questions; what is
// believed are plain names; a signature is not to be had by lying; and errors
// fit on a line.
func FuzzAnswers(f *testing.F) {
	const name = "_acme-challenge.www.example.com"
	record := Record{Name: name, Type: "TXT", Value: "value"}
	key := &TSIG{name: "key.", algorithm: dns.HmacSHA256, secret: "c2VjcmV0"}
	f.Fuzz(func(t *testing.T, script []byte) {
		// One question is sent three times at most.
		try := func(most int, do func(r Resolver) error) {
			t.Helper()
			l := newLiar(script)
			err := do(Resolver{Servers: []string{"192.0.2.1"}, Network: l})
			if l.asked > 3*most {
				t.Errorf("asked %d times", l.asked)
			}
			if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("error %q", err)
			}
		}
		try(maxAliases+3, func(r Resolver) error {
			alias, err := r.Alias(t.Context(), name)
			checkPlain(t, alias, err)
			return err
		})
		try(4, func(r Resolver) error {
			zone, err := r.Zone(t.Context(), name)
			checkPlain(t, plain(zone.Name), err)
			checkPlain(t, plain(zone.Primary), err)
			return err
		})
		try(5+2*maxServers, func(r Resolver) error {
			servers, err := r.Authorities(t.Context(), name)
			if len(servers) > maxServers {
				t.Errorf("%d servers", len(servers))
			}
			for _, s := range servers {
				checkPlain(t, s.Name, err)
			}
			return err
		})
		try(1, func(r Resolver) error {
			_, err := r.shows(t.Context(), "192.0.2.1", record)
			return err
		})
		try(1, func(r Resolver) error {
			server := Nameserver{Address: "192.0.2.1"}
			set, err := r.Look(t.Context(), server, name, "TXT")
			for _, value := range set.Values {
				if found, err := (Record{Name: name, Type: "TXT", Value: value}).resource(); err != nil {
					t.Errorf("%q cannot be written again: %v, %v", value, found, err)
				}
			}
			return err
		})
		try(1, func(r Resolver) error {
			lacking := r.Differing(t.Context(), []Nameserver{{Address: "192.0.2.1"}}, Set{Name: name, Type: "TLSA"})
			for _, l := range lacking {
				if strings.ContainsFunc(l.String(), unicode.IsControl) {
					t.Errorf("it says %q", l.String())
				}
			}
			return nil
		})
		try(1, func(r Resolver) error {
			m := new(dns.Msg).SetUpdate("example.com.")
			answer, err := r.exchange(t.Context(), "192.0.2.1", m, key)
			if err == nil {
				t.Errorf("believed %v", answer)
			}
			return err
		})
	})
}

// checkPlain fails on a name that does not belong into an environment.
func checkPlain(t *testing.T, name string, err error) {
	t.Helper()
	if err != nil {
		return
	}
	if got, bad := canonical(name); bad != nil || plain(got) != name {
		t.Errorf("believed the name %q", name)
	}
}
