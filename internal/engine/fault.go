package engine

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// FaultError is a failure that is a fact already.
type FaultError struct {
	Fault plan.Fault
	Err   error // may be nil
}

// Error returns the fault's words.
func (e *FaultError) Error() string { return e.Fault.Words }

// Unwrap returns the cause.
func (e *FaultError) Unwrap() error { return e.Err }

// faulty is an error that knows what kind of problem it is.
type faulty interface {
	error
	Fault(at time.Time) plan.Fault
}

// faultOf makes a fact of an error of any step, and says when at the earliest
// the CA wants to be asked again; zero where it did not say.
func faultOf(err error) (plan.Fault, time.Time) {
	if f, ok := errors.AsType[*FaultError](err); ok {
		return f.Fault, time.Time{}
	}
	if ca, ok := errors.AsType[*issuer.Error](err); ok {
		now := time.Now()
		var retryAfter time.Time
		if ca.RetryAfter > 0 {
			retryAfter = now.Add(ca.RetryAfter)
		}
		return ca.Fault(now), retryAfter
	}
	if f, ok := errors.AsType[faulty](err); ok {
		return f.Fault(time.Now()), time.Time{}
	}
	code, blame := plan.CodeUnexpected, plan.BlameUs
	_, damaged := errors.AsType[*store.DamagedError](err)
	_, newer := errors.AsType[*store.NewerError](err)
	_, sealed := errors.AsType[*store.SealedError](err)
	switch {
	case sealed:
		code, blame = plan.CodeSealed, plan.BlameAdmin
	case damaged:
		code, blame = plan.CodeDamaged, plan.BlameAdmin
	case newer:
		code, blame = plan.CodeNewer, plan.BlameAdmin
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		code, blame = plan.CodeDisk, plan.BlameAdmin
	case errors.Is(err, context.DeadlineExceeded):
		code, blame = plan.CodeNetwork, plan.BlameNetwork
	}
	return newFault(code, blame, err.Error()), time.Time{}
}

// issuerPause reports whether a failure says that the CA as a whole wants to
// be left alone, and until when: unlike a limit of one account or set of
// names, which binds only who met it.
func issuerPause(err error) (time.Time, bool) {
	ca, ok := errors.AsType[*issuer.Error](err)
	if !ok || ca.RetryAfter <= 0 || ca.Status != http.StatusServiceUnavailable {
		return time.Time{}, false
	}
	return time.Now().Add(ca.RetryAfter), true
}

// orderEnded reports whether the order that failed cannot be gone on with.
func orderEnded(err error) bool {
	ca, ok := errors.AsType[*issuer.Error](err)
	return errors.Is(err, issuer.ErrOrderGone) || ok && (ca.Code == plan.CodeCAChain || ca.Code == plan.CodeAccountLost || ca.Code == plan.CodeNotProven)
}

// orderForgotten reports whether a saved order is no more, without anything
// having been tried with it now: a new one may be opened at once.
func orderForgotten(err error) bool {
	ca, ok := errors.AsType[*issuer.Error](err)
	return ok && errors.Is(err, issuer.ErrOrderGone) && ca.Code == plan.CodeOrderInvalid
}
