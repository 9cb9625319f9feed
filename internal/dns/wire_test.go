package dns

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// serve answers on a free loopback port, by TCP and, if answer says so, UDP.
func serve(t *testing.T, networks string, handle func(w dns.ResponseWriter, m *dns.Msg)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	servers := []*dns.Server{{Listener: l}}
	if strings.Contains(networks, "udp") {
		p, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, &dns.Server{PacketConn: p})
	}
	for _, s := range servers {
		s.Handler = dns.HandlerFunc(handle)
		started, ended := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := errors.Join(s.Shutdown(), <-ended); err != nil {
				t.Error(err)
			}
		})
	}
	return address
}

func question() *dns.Msg {
	return new(dns.Msg).SetQuestion("example.com.", dns.TypeTXT)
}

func TestExchangeFallsBackToTCP(t *testing.T) {
	for name, networks := range map[string]string{"cut off": "udp tcp", "no UDP": "tcp"} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, networks, func(w dns.ResponseWriter, m *dns.Msg) {
				r := new(dns.Msg).SetReply(m)
				_, udp := w.LocalAddr().(*net.UDPAddr)
				r.Truncated = udp
				_ = w.WriteMsg(r)
			})
			r, err := (Resolver{}).exchange(t.Context(), address, question(), nil)
			if err != nil || r.Truncated {
				t.Errorf("got %v, %v", r, err)
			}
		})
	}
}

func TestExchangeRefusesWhatDoesNotBelong(t *testing.T) {
	key := &TSIG{name: "upd.", algorithm: dns.HmacSHA256, secret: "c2VjcmV0"}
	tests := []struct {
		name   string
		key    *TSIG
		change func(r *dns.Msg)
		want   error
	}{
		{"another id", nil, func(r *dns.Msg) { r.Id++ }, errMismatch},
		{"another question", nil, func(r *dns.Msg) { r.Question[0].Name = "example.org." }, errMismatch},
		{"no question", nil, func(r *dns.Msg) { r.Question = nil }, errMismatch},
		{"a question", nil, func(r *dns.Msg) { r.Response = false }, errMismatch},
		{"another opcode", nil, func(r *dns.Msg) { r.Opcode = dns.OpcodeUpdate }, errMismatch},
		{"no signature", key, func(*dns.Msg) {}, errUnsigned},
		{"false signature", key, func(r *dns.Msg) {
			r.Extra = append(r.Extra, &dns.TSIG{
				Hdr: dns.RR_Header{Name: "upd.", Rrtype: dns.TypeTSIG, Class: dns.ClassANY}, Algorithm: dns.HmacSHA256, MACSize: 1, MAC: "00", OrigId: r.Id,
			})
		}, dns.ErrSig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, "tcp", func(w dns.ResponseWriter, m *dns.Msg) {
				r := new(dns.Msg).SetReply(m)
				tt.change(r)
				wire, err := r.Pack()
				if err != nil {
					t.Error(err)
				}
				_, _ = w.Write(wire)
			})
			if _, err := (Resolver{}).exchange(t.Context(), address, question(), tt.key); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestExchangeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, "tcp udp", func(dns.ResponseWriter, *dns.Msg) { cancel() })
	if _, err := (Resolver{}).exchange(ctx, address, question(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestExchangeNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = (Resolver{}).exchange(t.Context(), address, question(), nil)
	if _, ok := errors.AsType[net.Error](err); !ok {
		t.Errorf("got %v", err)
	}
}

// A message too long for UDP is not sent at all where time is up already.
func TestExchangeTooLate(t *testing.T) {
	m := question()
	for range 40 {
		m.Extra = append(m.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: "a.example.test.", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{strings.Repeat("x", 100)}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if answer, err := (Resolver{}).exchange(ctx, "127.0.0.1:1", m, nil); answer != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("exchange() = %v, %v", answer, err)
	}
}
