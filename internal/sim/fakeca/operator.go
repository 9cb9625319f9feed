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
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.certs[serial]
	if one == nil {
		return fmt.Errorf("there is no certificate with the serial number %q", serial)
	}
	if one.RevokedAt.IsZero() {
		one.revoke(now, 0)
	}
	return nil
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
