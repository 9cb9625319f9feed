// Package verify proves what a live service presents: it connects as a client
// would, with a real TLS handshake, and compares what it is shown with what
// was installed, byte for byte.
//
// Expand turns what the config says into Endpoints, All checks them, and Check
// checks one. A verdict is "wrong" only when the service was heard and
// presented something else; whatever keeps it from being heard is "unknown".
// Whether a certificate is trusted, or has expired, is not looked at here, unless
// TLSA records have clients look at it.
//
// Where a certificate has an RSA and an ECDSA key, each is asked for: in TLS
// 1.2 by cipher suites, in TLS 1.3 by signature algorithms. What crypto/tls
// cannot ask for, the client in tls13.go does.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/dane"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

const (
	checkTime = 10 * time.Second // for one endpoint in all
	dialTime  = 3 * time.Second  // for one address
	parallel  = 8
)

// Endpoint is one question: what is shown to a client that connects there and
// asks for that name.
type Endpoint struct {
	// Addresses are "host:port"; the first that takes the connection counts.
	Addresses  []string
	ServerName string // sent as SNI; an IP address is not sent (RFC 6066 section 3)
	StartTLS   string // protocol in which TLS is asked for; "" where it begins at once
	KeyType    string // which of several pairs to ask for; where there is one, for the result only
	Err        error  // why there are no Addresses
	// TLSA are the records in DNS by which clients judge what is shown (RFC
	// 7671); none: there are no such clients.
	TLSA dane.Set
	// Pins are the keys that the site has to name in the header of its answer
	// over HTTP (RFC 7469); none: it is not asked for them.
	Pins []string
	// Staple judges the OCSP response that is stapled to a chain (RFC 6066
	// section 8); none is stapled where der is empty. Nil: it is not looked at.
	Staple func(der []byte, shown chain.Chain) error

	Network network.Network // the machine's where nil
}

// String is the endpoint in results.
func (e Endpoint) String() string { return e.at(strings.Join(e.Addresses, " ")) }

func (e Endpoint) at(address string) string {
	switch {
	case address == "":
		return e.ServerName
	case e.ServerName == "":
		return address
	}
	return fmt.Sprintf("%s (%s)", address, e.ServerName)
}

// Want is what has to be presented: one chain for each key type. A server that
// has several chooses by what the client can do.
type Want map[string]chain.Chain

// Check connects to one endpoint. It ends within ten seconds.
func Check(ctx context.Context, e Endpoint, want Want) plan.Result {
	result, _ := check(ctx, e, want)
	return result
}

// All checks endpoints, several at the same time, and returns their results in
// the same order. An address that refuses the connection, or to which there is
// no route from here, is left out where another address answers the same
// question.
func All(ctx context.Context, endpoints []Endpoint, want Want) []plan.Result {
	results := make([]plan.Result, len(endpoints))
	unheard := make([]error, len(endpoints)) // why a connection could not be made
	slots := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i, e := range endpoints {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			results[i], unheard[i] = check(ctx, e, want)
		})
	}
	group.Wait()
	heard := make(map[string]bool)
	for i, e := range endpoints {
		if e.Err == nil && unheard[i] == nil {
			heard[e.question()] = true
		}
	}
	var kept []plan.Result
	for i, e := range endpoints {
		if absent(unheard[i]) && heard[e.question()] {
			continue
		}
		kept = append(kept, results[i])
	}
	return kept
}

// question is what endpoints have in common that differ by address only.
func (e Endpoint) question() string {
	port := ""
	if len(e.Addresses) > 0 {
		_, port, _ = net.SplitHostPort(e.Addresses[0])
	}
	return strings.Join([]string{e.ServerName, port, e.StartTLS, e.KeyType}, " ")
}

// absent reports whether nobody is there to be asked.
func absent(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// check is Check; the error says why no connection could be made.
func check(ctx context.Context, e Endpoint, want Want) (plan.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	result := plan.Result{Endpoint: e.String(), KeyType: e.KeyType}
	if e.Err != nil {
		result.Verdict, result.Words = plan.VerdictUnknown, e.Err.Error()
		return result, e.Err
	}
	allowed, suites := want.choose(e.KeyType)
	if len(allowed) == 0 {
		result.Verdict, result.Words = plan.VerdictUnknown, "nothing is known that it should present"
		return result, nil
	}
	seen := e.look(ctx, suites)
	if seen.address == "" {
		result.Verdict, result.Words = plan.VerdictUnknown, seen.err.Error()
		return result, seen.err
	}
	result.Endpoint = e.at(seen.address)
	switch {
	case suites == nil:
		result.Verdict, result.Words = judge(seen, allowed)
	case len(seen.certs) == 0:
		result.Verdict, result.Words = e.without(ctx, want, allowed)
	default:
		result.Verdict, result.Words = e.also13(ctx, seen, allowed)
	}
	if result.Verdict == plan.VerdictWrong && suites == nil && len(want) == 1 {
		result.Verdict, result.Words = e.insist(ctx, seen, allowed, result.Words)
	}
	if result.Verdict == plan.VerdictRight && len(e.TLSA) > 0 {
		result.Verdict, result.Words = e.byDANE(seen, allowed)
	}
	if result.Verdict == plan.VerdictRight && e.Staple != nil {
		result.Verdict, result.Words = e.byStaple(seen, allowed)
	}
	if result.Verdict == plan.VerdictRight && len(e.Pins) > 0 {
		result.Verdict, result.Words = e.byPins(ctx, seen, want.chains())
	}
	return result, nil
}

// byStaple judges what was stapled. A server has one response for all versions
// of TLS, so what it showed last is enough.
func (e Endpoint) byStaple(seen sight, allowed []chain.Chain) (plan.Verdict, string) {
	for _, c := range allowed {
		if !sameLeaf(seen.certs, c) {
			continue
		}
		if err := e.Staple(seen.staple, c); err != nil {
			return plan.VerdictUnstapled, "presents the right certificate, but " + command.Escape(err.Error())
		}
		break
	}
	return plan.VerdictRight, ""
}

// insist asks once more where a server showed another kind of key than the
// only wanted one: it may hold a certificate of its own beside ours, and prefer
// it while the client leaves it the choice.
func (e Endpoint) insist(ctx context.Context, seen sight, allowed []chain.Chain, words string) (plan.Verdict, string) {
	wanted := kindOf(allowed[0])
	if kindOf(chain.Chain{Certs: seen.certs}) == wanted {
		return plan.VerdictWrong, words
	}
	again := e.look(ctx, suitesOf(wanted))
	if len(again.certs) == 0 {
		again = e.look13(ctx, wanted)
	}
	if len(again.certs) == 0 {
		return plan.VerdictWrong, words
	}
	return judge(again, allowed)
}

// also13 judges what was seen in TLS 1.2, and what the same client is shown in
// TLS 1.3, where the server speaks it.
func (e Endpoint) also13(ctx context.Context, seen sight, allowed []chain.Chain) (plan.Verdict, string) {
	verdict, words := judge(seen, allowed)
	if verdict != plan.VerdictRight {
		return verdict, words
	}
	newer := e.look13(ctx, kindOf(allowed[0]))
	if len(newer.certs) == 0 {
		return verdict, words // it does not speak it, or differently
	}
	if verdict, words = judge(newer, allowed); verdict == plan.VerdictWrong {
		words = "in TLS 1.3 it " + words
	}
	return verdict, words
}

// without finds out why a service presents nothing to a client that can do
// only one kind of key: it has none of that kind, it cannot be asked this way,
// or it fails altogether.
func (e Endpoint) without(ctx context.Context, want Want, allowed []chain.Chain) (plan.Verdict, string) {
	seen := e.look(ctx, nil)
	verdict, words := judge(seen, allowed)
	if verdict != plan.VerdictWrong {
		return verdict, words
	}
	newer := e.look13(ctx, kindOf(allowed[0]))
	if len(newer.certs) > 0 {
		return judge(newer, allowed)
	}
	for _, other := range want {
		if !sameLeaf(seen.certs, other) {
			continue
		}
		if !e.lacks(ctx, newer.err, kindOf(other)) {
			return plan.VerdictUnknown, "it speaks TLS 1.3 only, where it could not be asked for a kind of key; it showed " + describe(seen.certs)
		}
		return plan.VerdictWrong, fmt.Sprintf("presents no %s certificate, only %s", e.KeyType, describe(seen.certs))
	}
	return verdict, words
}

// lacks reports whether a service that was asked for one kind of key has none
// of it: it answered with a refusal, and not to the same client asking for the
// kind that it has. In TLS 1.2 it is enough that it speaks that at all.
func (e Endpoint) lacks(ctx context.Context, refusal error, has string) bool {
	if refusedKind(refusal) && len(e.look13(ctx, has).certs) > 0 {
		return true
	}
	return len(e.look(ctx, allSuites()).certs) > 0
}
