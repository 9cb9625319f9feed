package fakeca

import (
	"crypto"
	"fmt"
	"time"
)

// equaler is what public keys have in common.
type equaler interface{ Equal(crypto.PublicKey) bool }

// MoveWindow gives a certificate another window of renewal. A retryAfter of
// zero leaves that as it was.
func (c *CA) MoveWindow(certID string, start, end time.Time, retryAfter time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.byCertID[certID]
	if one == nil {
		return fmt.Errorf("there is no certificate %q", certID)
	}
	one.window.start, one.window.end = start, end
	if retryAfter > 0 {
		one.window.retryAfter = retryAfter
	}
	return nil
}

// Revoke ends a certificate, by its serial number in hex, as a CA does that
// found a fault of its own.
func (c *CA) Revoke(serial string) error {
	return c.end(serial, func(one *cert, now time.Time) { one.revoke(now, 0) })
}

// RevokeQuietly does so and moves no window: clients learn of it by OCSP, or
// from the revocation list.
func (c *CA) RevokeQuietly(serial string) error {
	return c.end(serial, func(one *cert, now time.Time) { one.RevokedAt = now })
}

// end revokes a certificate that is not revoked yet.
func (c *CA) end(serial string, revoke func(one *cert, now time.Time)) error {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.certs[serial]
	if one == nil {
		return fmt.Errorf("there is no certificate with the serial number %q", serial)
	}
	if one.RevokedAt.IsZero() {
		revoke(one, now)
	}
	return nil
}

// Signed reports whether a certificate, by its serial number in hex, is of this
// CA.
func (c *CA) Signed(serial string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.certs[serial] != nil
}

// RevokedAt is when a certificate was revoked, by its serial number in hex;
// zero where it is not, or not of this CA.
func (c *CA) RevokedAt(serial string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.certs[serial]; one != nil {
		return one.RevokedAt
	}
	return time.Time{}
}

// FreezeOCSP lets the responder sign nothing anew until then, and no revocation
// list either: what they say gets old, and they do not know of revocations.
func (c *CA) FreezeOCSP(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = until
}

// OCSPFrozen reports whether it is so now.
func (c *CA) OCSPFrozen() bool {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.frozen)
}

// ForgetAccounts loses all accounts, as a CA does that was set up afresh.
func (c *CA) ForgetAccounts() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.accounts)
	clear(c.byKey)
}

// ForgetOrders loses all orders and authorisations; certificates stay.
func (c *CA) ForgetOrders() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.orders)
	clear(c.open)
	clear(c.authz)
	clear(c.proven)
}

// Overload lets the CA answer with 503 until then, to whoever wants an
// account, an order or a certificate.
func (c *CA) Overload(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = until
}
