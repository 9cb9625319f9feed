package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// chapter is a stretch of a whole life. Its command is run until the store
// says that it has come to its end: what a person does who reads what is
// printed, or a timer.
type chapter struct {
	name   string
	before func(b *whole) // what happens to the world, the program not running
	do     func(ctx context.Context, b *whole, e *engine.Engine) error
	left   func(b *whole, w *plan.World) string // what is not done yet; "" for nothing
	signed int                                  // certificates that the CA signs in it
	takes  time.Duration                        // when all is well
}

// The certificates, the CA, and how many key types each certificate has.
const (
	wholeA, wholeB, wholeCA = "a.test", "b.test", "ca"
	keysOfA, keysOfB        = 2, 1
)

// chapters are a whole life.
func chapters() []chapter {
	return []chapter{
		{name: "register", do: account((*engine.Engine).RegisterAccount), left: accountLeft},
		{name: "first issue", before: (*whole).putIn, do: apply, left: certsLeft(wholeA, wholeB), signed: keysOfA + keysOfB},
		{name: "renewal by window", before: sleep(63 * day), do: apply, left: certsLeft(wholeA, wholeB), signed: keysOfA + keysOfB},
		{name: "renewal by ask", before: sleep(9 * day), do: renew(wholeA), left: certsLeft(wholeA), signed: keysOfA},
		{name: "another name", before: (*whole).addName, do: apply, left: certsLeft(wholeB), signed: keysOfB},
		{name: "contact", before: (*whole).moveMail, do: account((*engine.Engine).UpdateAccount), left: accountLeft},
		{name: "account key", before: (*whole).markKey, do: account((*engine.Engine).RollAccountKey), left: keyLeft},
		{name: "revoked by the CA", before: (*whole).revokeB, do: apply, left: certsLeft(wholeB), signed: keysOfB},
		{name: "revoked by a person", before: sleep(9 * day), do: revoke, left: revokedLeft, signed: keysOfA},
		{name: "end of the account", before: sleep(9 * day), do: deactivate, left: noAccount},
		{name: "another account", before: (*whole).nextBinding, do: renew(wholeA), left: certsLeft(wholeA), signed: keysOfA},
		{name: "forget", before: (*whole).takeOutB, do: forget, left: certLeft},
		{name: "nine days of the daemon", do: goOn, left: daemonLeft, takes: 9 * day},
		{name: "calm", before: (*whole).calmDown, do: renew(wholeA), left: certsLeft(wholeA), signed: keysOfA},
	}
}

// patience is how long a chapter may take: longer than any backoff, for a
// single fault.
const patience = 3 * day

// live lives through all chapters.
func (b *whole) live(t *testing.T) {
	b.email, b.kid = "first@example.com", "first"
	for _, c := range chapters() {
		b.chapter = c.name
		time.Sleep(time.Hour)
		b.note("CHAPTER %s", c.name)
		if c.before != nil {
			c.before(b)
		}
		b.begins[c.name] = len(b.ops)
		signed := len(b.ca.Issuances())
		if !b.read(t, c) {
			return // what follows would only be more of the same
		}
		b.judge.closed(b, len(b.ca.Issuances())-signed, c.signed)
	}
}

// read lives through one chapter. It reports whether it came to its end.
func (b *whole) read(t *testing.T, c chapter) bool {
	b.toll.enter(c.name)
	marked := false
	end := time.Now().Add(patience + c.takes)
	for {
		var left string
		w, err := b.command(t, func(ctx context.Context, e *engine.Engine) error {
			if !marked {
				if err := b.takeMark(ctx, e); err != nil {
					return err
				}
				marked = true
			}
			if b.daemon && c.takes == 0 {
				return b.beside(ctx, c, e)
			}
			return c.do(ctx, b, e)
		})
		if err != nil {
			b.note("the command failed: %v", err)
		}
		if w != nil {
			if left = c.left(b, w); left == "" {
				return true
			}
			b.note("left to do: %s", left)
		}
		if time.Now().After(end) {
			b.judge.breach("%s did not come to its end in %v: %s; %v", c.name, patience, left, err)
			return false
		}
		b.again++
		time.Sleep(20 * time.Minute)
	}
}

// beside has a chapter's command done by a daemon, which goes on until the
// chapter has come to its end.
func (b *whole) beside(ctx context.Context, c chapter, e *engine.Engine) error {
	runs, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(runs) }()
	defer stop()
	for end := time.Now().Add(patience); ; {
		err := c.do(ctx, b, e)
		w, errWorld := e.World(context.WithoutCancel(ctx))
		if errWorld == nil && c.left(b, &w) == "" || time.Now().After(end) {
			stop()
			<-ended
			return err
		}
		b.note("the daemon goes on: %v", err)
		b.again++
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Minute):
		}
	}
}

// takeMark remembers what is published as a chapter begins.
func (b *whole) takeMark(ctx context.Context, e *engine.Engine) error {
	w, err := e.World(ctx)
	if err != nil {
		return err
	}
	for name, k := range w.Known.Certs {
		b.mark[name] = k.Published
	}
	return nil
}

// sleep is a time in which the program does not run.
func sleep(d time.Duration) func(*whole) { return func(*whole) { time.Sleep(d) } }

// apply waits for the daemon where there is one.
func apply(ctx context.Context, b *whole, e *engine.Engine) error {
	if b.daemon {
		return e.Settled(ctx, nil)
	}
	_, err := e.Apply(ctx, nil, engine.Only{})
	return err
}

// renew asks for a certificate, unless it was asked for and the wish stands.
func renew(name string) func(context.Context, *whole, *engine.Engine) error {
	return func(ctx context.Context, b *whole, e *engine.Engine) error {
		w, err := e.World(ctx)
		if err != nil {
			return err
		}
		if k := w.Known.Certs[name]; k.Published == b.mark[name] && k.Asks[plan.AskRenew].At.IsZero() {
			if err := e.Ask(ctx, plan.AskRenew, []string{name}, ""); err != nil {
				return err
			}
		}
		return apply(ctx, b, e)
	}
}

// account is one of the account commands.
func account(do func(*engine.Engine, context.Context, string) (store.Account, error)) func(context.Context, *whole, *engine.Engine) error {
	return func(ctx context.Context, b *whole, e *engine.Engine) error {
		got, err := do(e, ctx, wholeCA)
		if err == nil && got.Status != store.AccountValid {
			b.judge.breach("%s: the account is %q", b.chapter, got.Status)
		}
		return errors.Join(err, b.readAccount(ctx, e))
	}
}

func deactivate(ctx context.Context, b *whole, e *engine.Engine) error {
	err := e.DeactivateAccount(ctx, wholeCA)
	if errors.Is(err, store.ErrNotFound) {
		err = nil // it was done before
	}
	return errors.Join(err, b.readAccount(ctx, e))
}

// forget is what the command does: it knows a certificate by its record.
func forget(ctx context.Context, b *whole, e *engine.Engine) error {
	w, err := e.World(ctx)
	if err != nil || w.Known.Certs[wholeB] == nil {
		return err
	}
	if b.daemon {
		return e.Forget(ctx, wholeB)
	}
	return e.Store.Forget(ctx, wholeB)
}

// goOn is a daemon that runs for nine days: longer than a key without an order is kept.
func goOn(ctx context.Context, b *whole, e *engine.Engine) error {
	ctx, cancel := context.WithTimeout(ctx, 9*day)
	defer cancel()
	err := e.Run(ctx)
	if b.rested = errors.Is(err, context.DeadlineExceeded); b.rested {
		err = nil
	}
	return err
}

// readAccount remembers what is stored of the account.
func (b *whole) readAccount(ctx context.Context, e *engine.Engine) error {
	stored, err := e.Store.Account(ctx, wholeCA)
	if errors.Is(err, store.ErrNotFound) {
		stored, err = store.Account{}, nil
	}
	b.account = stored
	return err
}

func (b *whole) putIn() {
	for _, p := range b.people {
		p.wanted = true
	}
}

func (b *whole) addName() {
	time.Sleep(9 * day)
	b.people[1].names = append(b.people[1].names, "n.b.test")
}

func (b *whole) moveMail() { b.email = "second@example.com" }
func (b *whole) markKey()  { b.oldKey = b.account.Key }

// revokeB lets the CA revoke the certificate of b.test; two days later the
// program looks.
func (b *whole) revokeB() {
	time.Sleep(9 * day)
	all := b.ca.Issuances()
	for _, one := range slices.Backward(all) {
		if slices.Contains(one.Names, wholeB) {
			b.must(b.ca.Revoke(one.Serial))
			break
		}
	}
	time.Sleep(2 * day)
}

// nextBinding is the administrator who got a key for another account.
func (b *whole) nextBinding() {
	time.Sleep(9 * day)
	b.kid = "second"
}

// calmDown is the begin of the last chapter, which nothing disturbs: what was
// left for the next renewal to clear goes.
func (b *whole) calmDown() {
	time.Sleep(9 * day)
	b.calm, b.requests = true, b.toll.end()
}

func (b *whole) takeOutB() {
	time.Sleep(9 * day)
	b.people[1].wanted = false
}

func accountLeft(b *whole, _ *plan.World) string {
	switch {
	case b.account.URL == "" || b.account.Status != store.AccountValid || b.account.Intention != nil:
		return fmt.Sprintf("the account is %+v", b.account)
	case !slices.Equal(b.account.Contact, []string{"mailto:" + b.email}):
		return fmt.Sprintf("the contact is %q", b.account.Contact)
	}
	return ""
}

func keyLeft(b *whole, w *plan.World) string {
	if b.account.Key == b.oldKey {
		return "the account has its old key"
	}
	return accountLeft(b, w)
}

func noAccount(b *whole, _ *plan.World) string {
	if b.account.URL != "" {
		return "the account is stored"
	}
	return ""
}

func daemonLeft(b *whole, _ *plan.World) string {
	if !b.rested {
		return "the daemon ended early"
	}
	return ""
}

func certLeft(_ *whole, w *plan.World) string {
	if w.Known.Certs[wholeB] != nil {
		return "a certificate that was forgotten is known"
	}
	return ""
}

// certsLeft says which of some certificates is not renewed, installed and
// verified.
func certsLeft(names ...string) func(*whole, *plan.World) string {
	return func(b *whole, w *plan.World) string {
		for _, p := range b.people {
			if k := w.Known.Certs[p.name]; slices.Contains(names, p.name) {
				if left := b.certLeft(p, k); left != "" {
					return p.name + ": " + left
				}
			}
		}
		return ""
	}
}

func (b *whole) certLeft(p *cert, k *plan.KnownCert) string {
	switch {
	case k == nil || k.Published == b.mark[p.name]:
		return "nothing new is published"
	case len(k.Orders)+len(k.Tries)+len(k.Asks) > 0:
		return fmt.Sprintf("orders %v, tries %v, asks %v", k.Orders, k.Tries, k.Asks)
	}
	version, _ := k.Version(k.Published)
	for _, pair := range version.Pairs {
		if !pair.NotAfter.After(time.Now()) || !slices.Equal(pair.Request.Names, slices.Sorted(slices.Values(p.names))) {
			return fmt.Sprintf("published is %+v", pair)
		}
		if old, _ := k.Version(b.mark[p.name]); slices.ContainsFunc(old.Pairs, func(o plan.Pair) bool { return o.Serial == pair.Serial }) {
			return "one of its pairs is old"
		}
	}
	target := k.Targets["default"]
	want := plan.TargetReloaded
	if p.service {
		want = plan.TargetVerified
	}
	if target.Version != k.Published || target.State != want || len(target.Hooks)+target.Tries.Count > 0 {
		return fmt.Sprintf("its target is %+v", target)
	}
	for _, files := range b.pairsOf(p) {
		pair, err := tls.LoadX509KeyPair(files[0], files[1])
		if err != nil {
			return err.Error()
		}
		if !slices.ContainsFunc(version.Pairs, func(v plan.Pair) bool { return v.Serial == fmt.Sprintf("%x", pair.Leaf.SerialNumber) }) {
			return "another certificate is installed: " + strings.Join(pair.Leaf.DNSNames, ", ")
		}
	}
	return ""
}
