package sim

import (
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// zoneServer is where the zone of all certificates is served.
const zoneServer = "192.0.2.53:53"

// zone is a name server for "test." that takes dynamic updates (RFC 2136). It
// outlives the process, and fails at times.
type zone struct {
	chance chance
	rate   float64 // of messages that go wrong
	owner  func(name string) *cert
	fault  func(kind string)
	now    func() time.Time
	// local are the TXT records by name that are not put there by updates.
	local func() map[string][]string
	// published hears of the TLSA records of a name as they change.
	published func(name string)

	mu      sync.Mutex // guards what follows
	calm    bool
	texts   map[string][]string  // TXT records
	tlsa    map[string][]stood   // sets of TLSA records by name, the one that stands there last
	handled int                  // messages
	quiet   map[string]time.Time // no fault before, by certificate
}

func newZone(w *world) *zone {
	return &zone{
		chance: w.chance, rate: w.Requests, fault: w.fault, texts: map[string][]string{}, quiet: map[string]time.Time{},
		tlsa: map[string][]stood{}, now: w.now, local: w.localTexts, published: func(name string) { w.judge.publishedDANE(name) },
		owner: func(name string) *cert {
			name = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(name), "_acme-challenge."), ".")
			name = strings.TrimPrefix(name, "_443._tcp.")
			return w.owner([]string{name})
		},
	}
}

// serve answers until the listener is closed. It returns how to end it.
func (z *zone) serve(l net.Listener, calm bool) func() {
	z.mu.Lock()
	z.calm, z.quiet = calm, map[string]time.Time{}
	z.mu.Unlock()
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(z.answer), MsgAcceptFunc: takeAll}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	return func() {
		_ = server.Shutdown() // it says that the listener is closed already
		<-done
	}
}

// takeAll lets updates in, which the library keeps out by itself.
func takeAll(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }

// answer answers one message, or does not.
func (z *zone) answer(w dns.ResponseWriter, m *dns.Msg) {
	z.mu.Lock()
	wrong := z.wrong(m)
	reply := new(dns.Msg)
	reply.SetReply(m)
	var changed []string
	switch {
	case wrong == "refused":
		reply.Rcode = dns.RcodeServerFailure
	case m.Opcode == dns.OpcodeUpdate:
		z.update(m)
		changed = z.updateTLSA(m)
	default:
		z.ask(m.Question[0], reply)
	}
	z.mu.Unlock()
	for _, name := range changed {
		z.published(name)
	}
	if wrong == "answer lost" {
		w.Close()
		return
	}
	_ = w.WriteMsg(reply)
}

// wrong decides how a message goes wrong; "" for not at all. The caller holds mu.
func (z *zone) wrong(m *dns.Msg) string {
	name := m.Question[0].Name
	if m.Opcode == dns.OpcodeUpdate && len(m.Ns) > 0 {
		name = m.Ns[0].Header().Name
	}
	z.handled++
	p := z.owner(name)
	if z.calm || p == nil || p.calm || !time.Now().After(z.quiet[p.name]) || !z.chance.happens(z.rate, "zone", name, z.handled) {
		return ""
	}
	z.quiet[p.name] = time.Now().Add(diskPause)
	kind := pick(z.chance.of("zone fault", name, z.handled), []string{"refused", "answer lost"})
	z.fault("zone: " + kind)
	return kind
}

// update is RFC 2136 section 3.4.2, as far as TXT records go. The caller holds mu.
func (z *zone) update(m *dns.Msg) {
	for _, rr := range m.Ns {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			continue
		}
		name, value := strings.ToLower(txt.Hdr.Name), strings.Join(txt.Txt, "")
		left := slices.DeleteFunc(slices.Clone(z.texts[name]), func(v string) bool { return v == value })
		if txt.Hdr.Class == dns.ClassINET {
			left = append(left, value)
		}
		if z.texts[name] = left; len(left) == 0 {
			delete(z.texts, name)
		}
	}
}

// ask answers a question from the zone. The caller holds mu.
func (z *zone) ask(q dns.Question, reply *dns.Msg) {
	reply.Authoritative = true
	header := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 1}
	}
	switch name := strings.ToLower(q.Name); {
	case q.Qtype == dns.TypeNS && name == "test.":
		reply.Answer = append(reply.Answer, &dns.NS{Hdr: header("test.", dns.TypeNS), Ns: "ns.test."})
	case q.Qtype == dns.TypeA && name == "ns.test.":
		reply.Answer = append(reply.Answer, &dns.A{Hdr: header("ns.test.", dns.TypeA), A: net.ParseIP("192.0.2.53")})
	case q.Qtype == dns.TypeTXT && len(z.textsOf(name)) > 0:
		for _, value := range z.textsOf(name) {
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: header(q.Name, dns.TypeTXT), Txt: []string{value}})
		}
	case q.Qtype == dns.TypeTLSA && len(z.current(strings.TrimSuffix(name, ".")).records) > 0:
		reply.Answer = append(reply.Answer, z.tlsaAnswer(name)...)
	default:
		reply.Ns = append(reply.Ns, &dns.SOA{
			Hdr: header("test.", dns.TypeSOA), Ns: "ns.test.", Mbox: "root.test.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 1,
		})
	}
}

// shows reports whether a TXT record is there.
func (z *zone) shows(name, value string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Contains(z.textsOf(name), value)
}

// textsOf are the TXT records of a name. The caller holds mu.
func (z *zone) textsOf(name string) []string {
	return slices.Concat(z.texts[name], z.local()[name])
}

// left are the names that have records.
func (z *zone) left() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	all := maps.Clone(z.texts)
	maps.Copy(all, z.local())
	return slices.Sorted(maps.Keys(all))
}
