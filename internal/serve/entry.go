package serve

import (
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// entry is one certificate, in memory or not.
type entry struct {
	cert    string
	summary summary               // guarded by Shelf.mu
	shown   atomic.Pointer[shown] // nil where it is not in memory
	used    atomic.Bool           // since memory was tidied up
	turn    chan struct{}         // held by whoever reads it from the disk
}

func newEntry(cert string) *entry { return &entry{cert: cert, turn: make(chan struct{}, 1)} }

// touch notes that it is in use. Writing only what changes keeps processors
// from taking the line from each other at each handshake.
func (e *entry) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// summary is what is known of a certificate without reading it.
type summary struct {
	cert    string
	version string // "" where none is published
	created time.Time
	names   []string
	staples string // digests of the OCSP responses
}

// summarize takes from a record what is needed of it here.
func summarize(known *plan.KnownCert) summary {
	v, ok := known.Version(known.Published)
	if !ok {
		return summary{cert: known.Name}
	}
	s := summary{cert: known.Name, version: v.ID, created: v.Created, names: v.Pairs[0].Request.Names}
	for _, p := range v.Pairs {
		s.staples += known.StapleOf(p).SHA256 + "/"
	}
	return s
}

// same reports whether the same is to be served.
func (s summary) same(other summary) bool {
	return s.version == other.version && s.staples == other.staples
}

// shown is a certificate in memory. It does not change.
type shown struct {
	of    summary // as it was when this was read
	pairs []served
}

// served is the certificate of one key type.
type served struct {
	stapled tls.Certificate
	plain   tls.Certificate // the same without an OCSP response
	usable  usable
	ends    time.Time // when the response is not believed any more; zero where there is none
}

// certificate is what is shown at an instant: a response that has ended would
// have clients refuse what they accept without one.
func (s *served) certificate(now time.Time) *tls.Certificate {
	if now.Before(s.ends) {
		return &s.stapled
	}
	return &s.plain
}

// choose is the first certificate that a client can use, and the first of all
// where none is.
func (s *shown) choose(hello *tls.ClientHelloInfo, now time.Time) *tls.Certificate {
	if len(s.pairs) > 1 {
		for i := range s.pairs {
			can, cannot := s.pairs[i].usable.by(hello)
			if can || !cannot && hello.SupportsCertificate(&s.pairs[i].plain) == nil {
				return s.pairs[i].certificate(now)
			}
		}
	}
	return s.pairs[0].certificate(now)
}
