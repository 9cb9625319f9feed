// Package challenge answers the challenges of RFC 8555 section 8: http-01 by
// an own listener or a webroot, tls-alpn-01 (RFC 8737) by an own listener, and
// dns-01 through package dns, or either by programs in the manner of certbot. A Solver answers one type; which of them are
// tried for a name, and in what order, is for the caller to say.
//
// Make solvers once, with NewHTTP01, NewWebroot, NewTLSALPN01, NewDNS01
// and NewManual, and share them among all orders: a listener is bound only while a challenge
// needs it, and belongs to all of them. What a CA sends (the token) is taken
// for an attack until it proves to be harmless; nothing is ever shown that was
// not presented, and nothing is taken away that was not ours.
package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
)

// The types of challenge that Certkeep answers.
const (
	TypeHTTP01    = "http-01"     // RFC 8555 section 8.3
	TypeDNS01     = "dns-01"      // RFC 8555 section 8.4
	TypeTLSALPN01 = "tls-alpn-01" // RFC 8737
)

// Identifier is what a CA wants proof for.
type Identifier struct {
	Value    string // DNS name in ASCII without "*.", or an IP address
	IP       bool   // RFC 8738
	Wildcard bool   // the order asks for "*." + Value
}

// String is the name as people declare it.
func (i Identifier) String() string {
	if i.Wildcard {
		return "*." + i.Value
	}
	return i.Value
}

// Challenge is one question of a CA.
type Challenge struct {
	Type             string
	Identifier       Identifier
	Token            string // untrusted: a CA chose it
	KeyAuthorization string // RFC 8555 section 8.1
}

// DNSValue is the content of the TXT record, RFC 8555 section 8.4.
func (c Challenge) DNSValue() string {
	sum := sha256.Sum256([]byte(c.KeyAuthorization))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Solver answers challenges of one type. Its methods may run at the same
// time for different challenges.
type Solver interface {
	Type() string
	// Present makes the answer visible. After an error nothing is left.
	Present(ctx context.Context, c Challenge) error
	// CleanUp takes away what Present made, and nothing else. It is called
	// after failures too, and again after a crash; it may find nothing.
	CleanUp(ctx context.Context, c Challenge) error
}

// Lasting is a Solver whose answers outlive the process: they must be
// remembered until CleanUp has taken them away.
type Lasting interface {
	Lasting()
}

// Waiter is a Solver whose answers need time until the CA can see them. Wait
// returns when they can be seen, and is called before the CA is told.
type Waiter interface {
	Wait(ctx context.Context, c Challenge) error
}

// Noted is a Solver that learns something when it presents an answer, without
// which nobody can take it away. Like the answer it has to be remembered.
type Noted interface {
	// Note is what is to be remembered of an answer; "" is nothing.
	Note(c Challenge) string
	// Recall says so to a process that did not present the answer.
	Recall(c Challenge, note string)
}

// Asker is a Solver that notices when the CA asks.
type Asker interface {
	// Asked is closed when the answer was fetched for the first time.
	Asked(c Challenge) <-chan struct{}
}
