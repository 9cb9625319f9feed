package issuer

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// Stage is how far an Issue has come.
type Stage string

// The stages, in order. A resumed order, or one with reused authorisations,
// leaves some out; a second method for a name begins again at StageOrder.
const (
	StageOrder     Stage = "order"     // the order is opened or looked at
	StageChallenge Stage = "challenge" // answers to challenges are put up
	StageValidate  Stage = "validate"  // the CA looks at the answers
	StageFinalize  Stage = "finalize"  // the CA signs
	StageDownload  Stage = "download"  // the certificate is fetched and checked
)

// Order is what must survive a crash of an order's owner.
type Order struct {
	URL      string
	Expires  time.Time // zero where the CA does not say
	Replaces string    // as the CA took it; "" where it was not sent or was refused
}

// Job asks for one certificate.
type Job struct {
	Account Account
	Names   []string         // DNS names in ASCII and IP addresses
	CSR     []byte           // DER, for the same names; see CSR
	Public  crypto.PublicKey // of the CSR: the certificate must be for it

	Profile string // "" leaves the choice to the CA
	// ProfileWished has the order made without Profile where the CA does not offer it.
	ProfileWished bool
	Replaces      string // id of the certificate that this one follows (chain.CertID); "" for none
	// PreferredChain names the root that the chain should end in, by its
	// common name or its SHA-256; "" takes the CA's first.
	PreferredChain string

	// Resume is an order that was saved, or nil for a new one.
	Resume *Order
	// Solvers returns the ways to prove an identifier, the preferred first.
	Solvers func(challenge.Identifier) []challenge.Solver
	// LeavePending has the Issue fail where a name is not proven already, and
	// leaves the challenges alone.
	LeavePending bool
	// Save is called with each new order before the CA is asked for anything
	// else. Its error ends the Issue.
	Save func(Order) error

	Stage func(Stage) // told of progress; may be nil
	Warn  func(error) // told what went wrong without ending the Issue; may be nil; may be called at the same time
}

// Issued is a certificate that fits the Job's key and names.
type Issued struct {
	Chain           chain.Chain
	Order           Order
	ProfileDropped  bool // the CA does not offer Job.Profile, which was only wished
	ReplacesDropped bool // the CA refused Job.Replaces, and got the order without
}

// issuance is one Job under way.
type issuance struct {
	ca   *CA
	job  Job
	ids  []acme.Identifier
	acct acme.Account

	order      Order // as saved
	resumed    bool  // Job.Resume was tried
	dropped    bool  // see Issued.ReplacesDropped
	unprofiled bool  // see Issued.ProfileDropped
	signed     int   // finalisations sent for the order
	hint       time.Duration
	open       []*question                               // of the order
	tried      map[challenge.Identifier][]string         // types of challenge that came to nothing
	offered    map[challenge.Identifier][]acme.Challenge // what the CA offered for them
	failed     []challenge.Identifier                    // by the last order
	cleanups   sync.WaitGroup
}

// maxSteps bounds the changes of state of one order: a good CA needs four.
const maxSteps = 10

// Issue gets a certificate. It opens an order, or goes on with Job.Resume
// from whatever state the CA reports, proves each name, and returns the chain
// once it was checked against key and names. Where the CA rejects an answer
// and another way to prove the name is left, a new order is opened for it.
//
// An error that is ErrOrderGone means that the saved order is of no use any
// more; after any other the order can be resumed. What solvers put up is
// taken away in every case, also when ctx is cancelled.
func (ca *CA) Issue(ctx context.Context, job Job) (Issued, error) {
	if err := ca.checkJob(job); err != nil {
		return Issued{}, err
	}
	return inEveryWay(ctx, ca.newIssuance(job), (*issuance).attempt)
}

func (ca *CA) newIssuance(job Job) *issuance {
	return &issuance{
		ca: ca, job: job, ids: identifiers(job.Names), acct: job.Account.acme(),
		tried:   make(map[challenge.Identifier][]string),
		offered: make(map[challenge.Identifier][]acme.Challenge),
	}
}

// inEveryWay goes through one order after another as long as a name that the
// CA did not take as proven can be proven in another way.
func inEveryWay[T any](ctx context.Context, r *issuance, order func(*issuance, context.Context) (T, error)) (T, error) {
	defer r.cleanups.Wait()
	for {
		came, err := order(r, ctx)
		if err == nil || ctx.Err() != nil || !r.anotherWay(err) {
			return came, err
		}
		r.warn(err)
	}
}

// checkJob refuses jobs that would only waste the CA's time.
func (ca *CA) checkJob(job Job) error {
	const op = "prepare the order"
	if job.Account.URL == "" || job.Account.Key == nil || len(job.Names) == 0 || job.Solvers == nil || job.Save == nil {
		return ca.fault(op, plan.CodeUnexpected, plan.BlameUs, errors.New("the job is incomplete"))
	}
	if err := checkCSR(job.CSR, job.Public); err != nil {
		return ca.fault(op, plan.CodeCSR, plan.BlameAdmin, err)
	}
	return nil
}

// attempt sees one order through.
func (r *issuance) attempt(ctx context.Context) (Issued, error) {
	r.open, r.failed, r.signed, r.hint = nil, nil, 0, 0
	order, err := r.begin(ctx)
	for range maxSteps {
		if err != nil {
			return Issued{}, err
		}
		switch order.Status {
		case acme.StatusPending:
			order, err = r.authorize(ctx, order)
		case acme.StatusReady:
			order, err = r.finalize(ctx, order)
		case acme.StatusProcessing:
			order, err = r.await(ctx, order, acme.StatusProcessing)
		case acme.StatusValid:
			return r.collect(ctx, order)
		case acme.StatusInvalid:
			return Issued{}, r.ended(ctx, order)
		default:
			err = r.garbage("look at the order", fmt.Errorf("it has the unknown status %q", clean(order.Status, 50)))
		}
	}
	if err == nil {
		err = r.garbage("look at the order", errors.New("its status goes round in circles"))
	}
	return Issued{}, err
}

// begin resumes the saved order, the first time, or opens a new one.
func (r *issuance) begin(ctx context.Context) (acme.Order, error) {
	r.stage(StageOrder)
	if r.job.Resume != nil && !r.resumed {
		r.resumed = true
		r.order = *r.job.Resume
		if r.job.ProfileWished {
			if err := r.chooseProfile(ctx); err != nil {
				return acme.Order{}, err
			}
		}
		return r.resume(ctx)
	}
	if err := r.ca.checkClock(ctx); err != nil {
		return acme.Order{}, err
	}
	if err := r.chooseProfile(ctx); err != nil {
		return acme.Order{}, err
	}
	order, err := r.newOrder(ctx)
	if err != nil {
		return acme.Order{}, err
	}
	r.order = Order{URL: order.Location, Expires: order.Expires, Replaces: order.Replaces}
	if err := r.job.Save(r.order); err != nil {
		return acme.Order{}, fmt.Errorf("%s: save the order: %w", r.ca.cfg.ID, err)
	}
	return order, nil
}

// resume asks for the state of the saved order.
func (r *issuance) resume(ctx context.Context) (acme.Order, error) {
	const op = "look at the saved order"
	order, err := r.look(ctx, op, acme.Order{Location: r.order.URL})
	if e, ok := errors.AsType[*Error](err); ok && e.Code != plan.CodeAccountLost {
		// RFC 8555 does not say how a CA forgets an order: 404, or 401 and 403
		// where the order is another account's.
		switch e.Status {
		case http.StatusNotFound, http.StatusGone, http.StatusForbidden, http.StatusUnauthorized:
			e.Code, e.Err = plan.CodeOrderInvalid, ErrOrderGone
		}
	}
	if err != nil {
		return acme.Order{}, err
	}
	if have := order.Identifiers; len(have) > 0 && !sameIdentifiers(have, r.ids) {
		return acme.Order{}, r.ca.fault(op, plan.CodeOrderInvalid, plan.BlameUs,
			fmt.Errorf("%w: it is for other names than are wanted now", ErrOrderGone))
	}
	if order.Status != acme.StatusPending {
		r.cleanups.Go(func() { r.takeAwayLeft(ctx, order) })
	}
	return order, nil
}

// sameIdentifiers compares sets.
func sameIdentifiers(a, b []acme.Identifier) bool {
	if len(a) != len(b) {
		return false
	}
	for _, id := range a {
		id.Value = strings.ToLower(id.Value)
		if !slices.Contains(b, id) {
			return false
		}
	}
	return true
}

// checkProfile refuses a profile that the CA does not advertise: asking for
// one is forbidden (draft-ietf-acme-profiles section 4).
func (ca *CA) checkProfile(ctx context.Context, profile string) error {
	if profile == "" {
		return nil
	}
	for try := range 2 {
		meta, err := ca.Meta(ctx)
		if err != nil {
			return err
		}
		if _, ok := meta.Profiles[profile]; ok {
			return nil
		}
		if try == 0 { // it may be new
			if err := ca.Refresh(ctx); err != nil {
				return err
			}
		}
	}
	meta, err := ca.Meta(ctx)
	if err != nil {
		return err
	}
	offers := "no profiles"
	if len(meta.Profiles) > 0 {
		offers = strings.Join(sortedKeys(meta.Profiles), ", ")
	}
	return ca.fault("open an order", plan.CodeProfile, plan.BlameAdmin,
		fmt.Errorf("the CA does not offer the profile %q; it offers %s", profile, offers))
}

// stage tells how far the job has come.
func (r *issuance) stage(s Stage) {
	if r.job.Stage != nil {
		r.job.Stage(s)
	}
}

// warn tells what went wrong without ending the job.
func (r *issuance) warn(err error) {
	if r.job.Warn != nil {
		r.job.Warn(err)
	}
}

// warnAll warns of each.
func (r *issuance) warnAll(errs []error) {
	for _, err := range errs {
		r.warn(err)
	}
}

// garbage says that the CA does not keep to the protocol.
func (r *issuance) garbage(op string, err error) *Error {
	return r.ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, err)
}
