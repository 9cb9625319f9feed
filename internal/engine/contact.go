package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// contact tells a CA of another mail address (RFC 8555 section 7.3.2). The
// attempt is counted first. After a crash in between the CA is told once more,
// which changes nothing.
func (w *worker) contact(ctx context.Context, s plan.Step) *plan.Fault {
	record, err := w.engine.Store.Account(ctx, s.Issuer)
	if errors.Is(err, store.ErrNotFound) || err == nil && (record.URL == "" || record.Status != store.AccountValid) {
		// Whoever opens an account tells then.
		w.engine.learn(ctx, s.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer { k.Contact = nil; return k })
		return nil
	}
	if err != nil {
		return w.fault(plan.CodeDamaged, "read the account at "+s.Issuer+": "+err.Error(), nil)
	}
	leave, err := w.parts.issuers[s.Issuer].enter(ctx)
	if err != nil {
		return nil // told by the next run
	}
	defer leave()
	now := time.Now()
	email, jitter := w.parts.cfg.EmailAt(s.Issuer), w.roll(now, "contact "+s.Issuer)
	_, err = w.engine.settleWith(ctx, s.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer { return k.Telling(now, email, jitter) })
	if err != nil {
		return w.fault(plan.CodeDisk, "store that "+s.Issuer+" is told of a contact: "+err.Error(), nil)
	}
	w.stage("telling " + s.Issuer + " of the contact")
	if _, err = w.engine.UpdateAccount(ctx, s.Issuer); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return nil
	}
	cause, _ := faultOf(err)
	w.engine.learn(ctx, s.Issuer, func(k plan.KnownIssuer) plan.KnownIssuer { return k.NotTold(time.Now(), cause) })
	return w.fault(plan.CodeContact, "tell "+s.Issuer+" of the contact: "+cause.Words, cause.Detail)
}

// toldContact remembers which address a CA knows.
func (e *Engine) toldContact(ctx context.Context, id, email string) {
	e.learn(ctx, id, func(k plan.KnownIssuer) plan.KnownIssuer {
		k.Contact = &plan.Contact{Email: email}
		return k
	})
}

// foundContact remembers which address a CA knows of an account that was
// opened without us, or before that was remembered. Where the config says none
// what others told stays.
func (e *Engine) foundContact(ctx context.Context, id, email string, contact []string) {
	if email != "" {
		email = strings.TrimPrefix(strings.Join(contact, ","), "mailto:")
	}
	e.toldContact(ctx, id, email)
}
