package issuer

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// Account is an account at a CA. Its key signs every request.
type Account struct {
	URL     string // what the CA knows it by
	Key     crypto.Signer
	Contact []string // URLs such as mailto:admin@example.com
	Terms   string   // URL of the terms that were agreed to; "" where there were none
}

// acme is the account in the library's form.
func (a Account) acme() acme.Account { return acme.Account{Location: a.URL, PrivateKey: a.Key} }

// EAB binds a new account to one that the CA's customer has by other means
// (RFC 8555 section 7.3.4).
type EAB struct {
	KeyID string
	HMAC  string // base64url or base64, with or without padding; a secret
}

// String leaves out the secret.
func (e EAB) String() string { return fmt.Sprintf("external account %q", e.KeyID) }

// GoString leaves out the secret too.
func (e EAB) GoString() string { return e.String() }

// Registration asks for a new account.
type Registration struct {
	Key     crypto.Signer // saved by the caller before Register is called
	Contact []string      // mail addresses or URLs; may be empty
	EAB     *EAB

	// AgreeTerms is called with the URL of the CA's terms of service, if it
	// has any. Its error refuses them; nil refuses all.
	AgreeTerms func(url string) error

	// Ask looks for an account with the key first: it is set where an earlier
	// Register may have been answered without our knowing. (An external
	// account key can be used once.)
	Ask bool
}

// Register makes an account, or finds the one that the key has already: RFC
// 8555 section 7.3.1 makes that the same request.
func (ca *CA) Register(ctx context.Context, r Registration) (Account, error) {
	if r.Ask {
		found, err := ca.FindAccount(ctx, r.Key)
		if !errors.Is(err, ErrNoAccount) {
			return found, err
		}
	}
	const op = "register an account"
	meta, err := ca.Meta(ctx)
	if err != nil {
		return Account{}, err
	}
	if err := ca.agree(op, meta.Terms, r.AgreeTerms); err != nil {
		return Account{}, err
	}
	if meta.EABRequired && r.EAB == nil {
		return Account{}, ca.fault(op, plan.CodeEAB, plan.BlameAdmin,
			errors.New("the CA opens accounts only with a key of its own (external account binding)"))
	}
	want := acme.Account{
		Contact:              contactURLs(r.Contact),
		TermsOfServiceAgreed: meta.Terms != "",
		PrivateKey:           r.Key,
	}
	var got acme.Account
	_, err = ca.do(ctx, op, func(ctx context.Context, c *acme.Client) (err error) {
		if r.EAB != nil {
			if err := bind(ctx, c, &want, *r.EAB); err != nil {
				return err
			}
		}
		got, err = c.NewAccount(ctx, want)
		return err
	})
	if err != nil {
		return Account{}, ca.accountFault(err, r.EAB != nil)
	}
	return ca.opened(op, r.Key, got, meta.Terms)
}

// agree asks the caller for the terms of service.
func (ca *CA) agree(op, terms string, ask func(string) error) error {
	if terms == "" {
		return nil
	}
	refused := fmt.Errorf("the CA's terms of service are not agreed to: %s", terms)
	if ask == nil {
		return ca.fault(op, plan.CodeTerms, plan.BlameAdmin, refused)
	}
	if err := ask(terms); err != nil {
		return ca.fault(op, plan.CodeTerms, plan.BlameAdmin, fmt.Errorf("%w: %w", refused, err))
	}
	return nil
}

// bind signs the external account binding.
func bind(ctx context.Context, c *acme.Client, a *acme.Account, e EAB) error {
	mac, err := e.mac()
	if err != nil {
		return err
	}
	return a.SetExternalAccountBinding(ctx, c, acme.EAB{
		KeyID:  e.KeyID,
		MACKey: base64.RawURLEncoding.EncodeToString(mac),
	})
}

// errHMAC does not show the secret.
var errHMAC = errors.New("the HMAC key of the external account is no base64url text")

// mac decodes the secret. CAs hand it out in both alphabets.
func (e EAB) mac() ([]byte, error) {
	text := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimSpace(e.HMAC))
	mac, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(mac) == 0 {
		return nil, errHMAC
	}
	return mac, nil
}

// accountFault adds what a refusal means when an account is asked for.
func (ca *CA) accountFault(err error, bound bool) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch {
	case errors.Is(e, errHMAC):
		e.Code, e.Blame = plan.CodeEAB, plan.BlameAdmin
	case e.Type == acme.ProblemTypeUnauthorized && bound:
		e.Code, e.Blame = plan.CodeEAB, plan.BlameAdmin
	case e.Type == acme.ProblemTypeUnauthorized || e.Code == plan.CodeRejected:
		e.Code, e.Blame = plan.CodeAccount, plan.BlameAdmin
	}
	return e
}

// opened checks the account that a CA answered with.
func (ca *CA) opened(op string, key crypto.Signer, got acme.Account, terms string) (Account, error) {
	if err := ca.checkURL(got.Location); err != nil {
		return Account{}, ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, fmt.Errorf("the account's URL: %w", err))
	}
	if got.Status != "" && got.Status != acme.StatusValid {
		return Account{}, ca.lost(op, fmt.Errorf("the account is %s", clean(got.Status, 100)))
	}
	contact := make([]string, 0, len(got.Contact))
	for _, c := range got.Contact {
		contact = append(contact, clean(c, 300))
	}
	return Account{URL: got.Location, Key: key, Contact: contact, Terms: terms}, nil
}

// lost says that the CA does not accept the account any more.
func (ca *CA) lost(op string, err error) *Error {
	return ca.fault(op, plan.CodeAccountLost, plan.BlameCA, err)
}

// FindAccount asks for the account of a key. Without one the error is an
// ErrNoAccount; an account that was deactivated gives plan.CodeAccountLost.
func (ca *CA) FindAccount(ctx context.Context, key crypto.Signer) (Account, error) {
	const op = "look for the account"
	var got acme.Account
	_, err := ca.do(ctx, op, func(ctx context.Context, c *acme.Client) (err error) {
		got, err = c.GetAccount(ctx, acme.Account{PrivateKey: key})
		return err
	})
	if err == nil {
		return ca.opened(op, key, got, "")
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Type {
		case acme.ProblemTypeAccountDoesNotExist:
			e.Err = ErrNoAccount
		case acme.ProblemTypeUnauthorized: // RFC 8555 section 7.3.6: deactivated
			e.Code, e.Blame = plan.CodeAccountLost, plan.BlameCA
		}
	}
	return Account{}, err
}

// contactURLs turns mail addresses into URLs.
func contactURLs(contact []string) []string {
	var urls []string
	for _, c := range contact {
		if !strings.Contains(c, ":") {
			c = "mailto:" + c
		}
		urls = append(urls, c)
	}
	return urls
}

// signed runs an operation in an account's name. CAs say "unauthorized" for
// many things; where the reason is the account, the error says so.
func (ca *CA) signed(ctx context.Context, a Account, op string, f func(context.Context, *acme.Client) error) (*record, error) {
	rec, err := ca.do(ctx, op, f)
	e, ok := errors.AsType[*Error](err)
	if !ok || !doubtsAccount(e) {
		return rec, err
	}
	found, ask := ca.FindAccount(ctx, a.Key)
	switch gone, isError := errors.AsType[*Error](ask); {
	case isError && gone.Code == plan.CodeAccountLost:
		e.Code, e.Blame = plan.CodeAccountLost, plan.BlameCA
	case ask == nil && found.URL != a.URL:
		e.Code, e.Blame = plan.CodeAccountLost, plan.BlameCA
		e.Err = fmt.Errorf("the CA knows the account as %s now, not as %s", found.URL, a.URL)
	}
	return rec, err
}

// doubtsAccount reports whether a refusal may be one of the account. A key that
// the account had once gives a bad signature, which CAs call malformed.
func doubtsAccount(e *Error) bool {
	return e.Type == acme.ProblemTypeUnauthorized || e.Type == acme.ProblemTypeMalformed ||
		(e.Type == "" && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden))
}
