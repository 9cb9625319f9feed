package issuer

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// Contact replaces the contacts of an account; none at all is allowed.
func (ca *CA) Contact(ctx context.Context, a Account, contact []string) (Account, error) {
	const op = "change the account's contact"
	urls := contactURLs(contact)
	rec, err := ca.signed(ctx, a, op, func(ctx context.Context, c *acme.Client) error {
		if len(urls) == 0 {
			return clearContact(ctx, c, a)
		}
		want := a.acme()
		want.Contact = urls
		_, err := c.UpdateAccount(ctx, want)
		return err
	})
	if err != nil {
		return Account{}, ca.accountFault(err, false)
	}
	var got acme.Account
	if err := decode(rec, &got); err != nil {
		return Account{}, ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, err)
	}
	got.Location = a.URL
	return ca.opened(op, a.Key, got, a.Terms)
}

// clearContact sends an empty list, which the library leaves out of its
// requests. Of all that it offers, only the POST to a challenge sends any
// payload to any URL; the answer is read from the record.
func clearContact(ctx context.Context, c *acme.Client, a Account) error {
	none := struct {
		Contact []string `json:"contact"`
	}{Contact: []string{}}
	_, err := c.InitiateChallenge(ctx, a.acme(), acme.Challenge{URL: a.URL, Payload: none})
	return err
}

// RollKey changes the key of an account (RFC 8555 section 7.3.5). The caller
// saves the new key first. Where the answer is lost, FindAccount with the new
// key tells whether the CA has changed it. A success is proven in that way
// too: the old key is only given up for a key that opens the account.
func (ca *CA) RollKey(ctx context.Context, a Account, key crypto.Signer) (Account, error) {
	const op = "change the account's key"
	meta, err := ca.Meta(ctx)
	if err != nil {
		return Account{}, err
	}
	if !meta.KeyChange {
		return Account{}, ca.fault(op, plan.CodeAccount, plan.BlameCA, errors.New("the CA does not offer it"))
	}
	_, err = ca.signed(ctx, a, op, func(ctx context.Context, c *acme.Client) error {
		_, err := c.AccountKeyRollover(ctx, a.acme(), key)
		return err
	})
	if err != nil {
		return Account{}, ca.accountFault(err, false)
	}
	found, err := ca.FindAccount(ctx, key)
	if err != nil {
		return Account{}, err
	}
	if found.URL != a.URL {
		return Account{}, ca.fault(op, plan.CodeAccount, plan.BlameCA,
			fmt.Errorf("the CA knows the new key as that of another account, %s", found.URL))
	}
	a.Key = key
	return a, nil
}

// Deactivate ends an account for ever (RFC 8555 section 7.3.6). Its
// certificates stay valid, and can still be revoked with their own keys.
func (ca *CA) Deactivate(ctx context.Context, a Account) error {
	_, err := ca.signed(ctx, a, "deactivate the account", func(ctx context.Context, c *acme.Client) error {
		want := a.acme()
		want.Status = acme.StatusDeactivated
		_, err := c.UpdateAccount(ctx, want)
		return err
	})
	return err
}
