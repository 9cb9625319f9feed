package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultPort = "53"
	udpTries    = 2
	udpTimeout  = 2 * time.Second
	tcpTimeout  = 5 * time.Second
	udpSize     = 1232 // fits every path unfragmented
)

var (
	errMismatch = errors.New("the answer does not belong to the question")
	errUnsigned = errors.New("the server did not sign its answer")
)

// Refusal is an answer that says no.
type Refusal struct {
	Server string
	Rcode  string // NOTAUTH, REFUSED, …
	TSIG   string // BADSIG, BADKEY, BADTIME (RFC 8945 section 5.2), or ""
}

func (e *Refusal) Error() string {
	if e.TSIG != "" {
		return fmt.Sprintf("%s answered %s (%s)", e.Server, e.Rcode, e.TSIG)
	}
	return fmt.Sprintf("%s answered %s", e.Server, e.Rcode)
}

// exchange asks one server: by UDP, then by TCP where the answer was cut off
// or none came, or at once where the message is too long for UDP. An answer to
// a signed message is proven to be signed by the same key; one that says no is
// returned as a *Refusal, NXDOMAIN excepted.
func (r Resolver) exchange(ctx context.Context, server string, m *dns.Msg, key *TSIG) (*dns.Msg, error) {
	server = withPort(server)
	var answer *dns.Msg
	var err error
	tries := udpTries
	if m.Len() > udpSize {
		tries = 0
	}
	for range tries {
		answer, err = r.once(ctx, "udp", server, m, key)
		if _, slow := errors.AsType[net.Error](err); err == nil || !slow || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil && (tries == 0 || err != nil || answer.Truncated) {
		answer, err = r.once(ctx, "tcp", server, m, key)
	}
	if ctx.Err() != nil && (err != nil || answer == nil) {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	if answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError {
		return answer, nil
	}
	refusal := &Refusal{Server: server, Rcode: rcode(answer.Rcode)}
	if t := answer.IsTsig(); t != nil && t.Error != 0 {
		refusal.TSIG = rcode(int(t.Error))
	}
	return nil, refusal
}

// once sends m over a connection of its own and reads the answer.
func (r Resolver) once(ctx context.Context, kind, server string, m *dns.Msg, key *TSIG) (*dns.Msg, error) {
	limit := udpTimeout
	if kind == "tcp" {
		limit = tcpTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := r.network().DialContext(ctx, kind, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })() // ends a read when ctx is canceled
	wire := &dns.Conn{Conn: conn, UDPSize: udpSize}
	m = m.Copy() // sending a signed message takes its signature away
	if key != nil {
		wire.TsigSecret = map[string]string{key.name: key.secret}
		if key.algorithm == hmacMD5 {
			wire.TsigProvider = md5Signer{*key}
		}
		m.SetTsig(key.name, key.algorithm, 300, time.Now().Unix())
	}
	if err := wire.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		answer, err := wire.ReadMsg()
		if answer != nil && answer.Id != m.Id && kind == "udp" {
			continue // a late answer to somebody else, or a guess
		}
		return accept(m, answer, err, key != nil)
	}
}

// accept checks that r answers m. err is what reading it said.
func accept(m, r *dns.Msg, err error, signed bool) (*dns.Msg, error) {
	if r == nil {
		return nil, err
	}
	refused := r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError
	fits := r.Id == m.Id && r.Response && r.Opcode == m.Opcode &&
		(slices.Equal(r.Question, m.Question) || refused && len(r.Question) == 0)
	switch {
	case !fits && err != nil:
		return nil, fmt.Errorf("%w: %w", errMismatch, err)
	case !fits:
		return nil, errMismatch
	case err != nil && !(refused && r.IsTsig() != nil):
		return nil, err
	case err == nil && signed && !refused && r.IsTsig() == nil:
		return nil, errUnsigned
	}
	// A refusal may come unsigned: a server that does not accept our key has
	// nothing to sign with. It can only make us fail, with its words.
	return r, nil
}

func rcode(code int) string {
	// 16 has two meanings; where a signature is judged it is this one.
	if code == dns.RcodeBadSig {
		return "BADSIG"
	}
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return fmt.Sprintf("error %d", code)
}

// withPort adds the DNS port to a server given without one.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(server, defaultPort)
}
