package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// newOrder opens an order. Where the CA refuses to see it as a replacement,
// the order is opened without that: it only costs the CA's favours.
func (r *issuance) newOrder(ctx context.Context) (acme.Order, error) {
	meta, err := r.ca.Meta(ctx)
	if err != nil {
		return acme.Order{}, err
	}
	replaces := r.job.Replaces
	if !meta.RenewalInfo || r.dropped {
		replaces = ""
	}
	op := "open an order for " + list(r.job.Names)
	order, err := r.requestOrder(ctx, op, replaces)
	if refused, ok := errors.AsType[*Error](err); ok && replaces != "" && refusesReplaces(refused) {
		r.warn(fmt.Errorf("the order is opened without saying what it replaces: %w", err))
		r.dropped = true
		order, err = r.requestOrder(ctx, op, "")
	}
	if err != nil {
		return acme.Order{}, err
	}
	return order, r.checkOrder(op, order)
}

// requestOrder asks for a new order.
func (r *issuance) requestOrder(ctx context.Context, op, replaces string) (acme.Order, error) {
	want := acme.Order{Identifiers: slices.Clone(r.ids), Profile: r.job.Profile, Replaces: replaces}
	var got acme.Order
	_, err := r.ca.signed(ctx, r.job.Account, op, func(ctx context.Context, c *acme.Client) (err error) {
		got, err = c.NewOrder(ctx, r.acct, want)
		return err
	})
	got.Replaces = replaces
	return got, err
}

// refusesReplaces reports whether an order may have been refused because of
// "replaces". RFC 9773 section 5 names 409 alone; CAs also answer 403 (another
// account's certificate), 404 or 500 (one that they do not know) and 400 (one
// that they cannot read).
func refusesReplaces(e *Error) bool {
	switch {
	case e.Type == acme.ProblemTypeAlreadyReplaced:
		return true
	case e.Code == plan.CodeAccountLost, e.Code == plan.CodeTerms, e.Code == plan.CodeRateLimited:
		return false
	}
	switch e.Status {
	case http.StatusConflict, http.StatusForbidden, http.StatusNotFound:
		return true
	case http.StatusBadRequest:
		return e.Type == acme.ProblemTypeMalformed
	case http.StatusInternalServerError:
		return e.Type == acme.ProblemTypeServerInternal
	}
	return false
}

// checkOrder refuses an order that could not be worked with.
func (r *issuance) checkOrder(op string, order acme.Order) error {
	if err := r.ca.checkURL(order.Location); err != nil {
		return r.garbage(op, fmt.Errorf("the order's URL: %w", err))
	}
	if order.Status == acme.StatusPending || order.Status == acme.StatusReady {
		if err := r.ca.checkURL(order.Finalize); err != nil {
			return r.garbage(op, fmt.Errorf("the order's finalize: %w", err))
		}
	}
	// RFC 8555 section 7.1.3: not necessarily one for each name, but no sane
	// CA wants many more.
	if n, most := len(order.Authorizations), 2*len(r.ids)+10; n > most {
		return r.garbage(op, fmt.Errorf("%d authorisations for %d names", n, len(r.ids)))
	}
	return nil
}

// look asks for the state of an order, and remembers when it may be asked
// again.
func (r *issuance) look(ctx context.Context, op string, order acme.Order) (acme.Order, error) {
	var got acme.Order
	rec, err := r.ca.signed(ctx, r.job.Account, op, func(ctx context.Context, c *acme.Client) (err error) {
		got, err = c.GetOrder(ctx, r.acct, acme.Order{Location: order.Location})
		return err
	})
	if err != nil {
		return acme.Order{}, err
	}
	got.Location = order.Location
	r.hint = rec.retryAfter()
	return got, r.checkOrder(op, got)
}

// finalize sends the CSR (RFC 8555 section 7.4).
func (r *issuance) finalize(ctx context.Context, order acme.Order) (acme.Order, error) {
	const op = "finalize the order"
	r.stage(StageFinalize)
	if r.signed == 2 {
		// It was sent, and the order is still ready: the CA needs time.
		return r.await(ctx, order, acme.StatusReady)
	}
	r.signed++
	var got acme.Order
	rec, err := r.ca.signed(ctx, r.job.Account, op, func(ctx context.Context, c *acme.Client) (err error) {
		want := acme.Order{Location: order.Location, Finalize: order.Finalize}
		got, err = c.FinalizeOrder(ctx, r.acct, want, r.job.CSR)
		// The library wants to poll, and is not let: its complaint about that
		// is no failure where the CA has answered with an order.
		if recordOf(ctx).ok() && got.Status != "" {
			return nil
		}
		if err == nil {
			err = errors.New("it is no order")
		}
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Type == problemOrderNotReady {
		// An earlier request got through and its answer was lost, or we are
		// too early: the order's state tells (RFC 8555 section 7.4).
		return r.look(ctx, op, order)
	}
	if err != nil {
		return acme.Order{}, err
	}
	got.Location = order.Location
	r.hint = rec.retryAfter()
	return got, r.checkOrder(op, got)
}

// decode reads the last answer of an operation.
func decode(rec *record, into any) error {
	if rec.last == nil {
		return errors.New("there is no answer")
	}
	if err := json.Unmarshal(rec.last.body, into); err != nil {
		return fmt.Errorf("the answer cannot be understood: %w", err)
	}
	return nil
}

// sortedKeys lists the keys of a map.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
