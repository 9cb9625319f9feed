package engine

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// issue opens an order, or goes on with one, and sees it through until its
// version is published. Each write and what a crash after it means stands in
// docs/STORE.md, "A certificate's life, write by write".
func (w *worker) issue(ctx context.Context, s plan.Step) *plan.Fault {
	if fault, vetoed := w.veto(ctx, s); vetoed {
		return fault
	}
	auth := w.parts.issuers[s.Issuer]
	if auth == nil {
		return w.fault(plan.CodeUnexpected, "issuer "+s.Issuer+" is not configured", nil)
	}
	leave, err := auth.enter(ctx)
	if err != nil {
		return nil // nothing was begun
	}
	defer leave()
	wanted := w.want
	w.want = w.effective()
	defer func() { w.want = wanted }()
	if admitted, fault := w.admit(ctx, s); !admitted {
		return fault // nothing was begun
	}
	order, err := w.begin(ctx, s)
	if err != nil {
		w.judge(ctx, s.Issuer, err)
		return w.fault(plan.CodeDisk, "count the attempt: "+err.Error(), nil)
	}
	unlock, err := w.engine.names.lock(ctx, order.Issuer, order.Request.Names)
	if err != nil {
		w.judge(context.WithoutCancel(ctx), s.Issuer, err)
		return w.failed(ctx, s, order, err)
	}
	defer unlock()
	if record, found := w.salvage(ctx, s, order); found {
		err = w.publishNew(context.WithoutCancel(ctx), s, order, record)
	} else {
		err = w.order(ctx, s, order)
	}
	w.judge(context.WithoutCancel(ctx), order.Issuer, err)
	if err != nil {
		return w.failed(ctx, s, order, err)
	}
	w.signed(context.WithoutCancel(ctx), order)
	return nil
}

// order asks the CA, and keeps what it gives.
func (w *worker) order(ctx context.Context, s plan.Step, order plan.Order) error {
	made, err := w.obtain(ctx, s, order)
	if err != nil {
		return err
	}
	return w.keep(ctx, s, order, made)
}

// made is what an order came to.
type made struct {
	issued issuer.Issued
	key    string // fingerprint
}

// obtain talks to the CA. An account that the CA does not know any more is
// registered again, once.
func (w *worker) obtain(ctx context.Context, s plan.Step, order plan.Order) (made, error) {
	ca, err := w.parts.issuers[order.Issuer].client()
	if err != nil {
		return made{}, err
	}
	request, err := w.request(ctx, s, &order)
	if err != nil {
		return made{}, err
	}
	for again := false; ; again = true {
		account, err := w.engine.account(ctx, w.parts, order.Issuer)
		if err != nil {
			return made{}, err
		}
		issued, err := ca.Issue(ctx, w.job(ctx, s, order, account, request))
		if accountIsLost(err) && !again {
			if err := w.engine.accountLost(ctx, w.parts, order.Issuer, account, err); err != nil {
				return made{}, err
			}
			order.URL = "" // it belonged to the lost account
			continue
		}
		if order.URL != "" && !again && orderForgotten(err) {
			order.URL = ""
			continue
		}
		return made{issued: issued, key: order.Key}, err
	}
}

// signing is what the CA is asked to certify.
type signing struct {
	csr    []byte // DER
	public crypto.PublicKey
}

// request makes the signing request: from the administrator's own where there
// is one, else for a key that is saved before the CA hears of it.
func (w *worker) request(ctx context.Context, s plan.Step, order *plan.Order) (signing, error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	if cert.CSR != nil {
		request, err := csrRequest(cert.CSR)
		if err == nil {
			order.Key, err = keys.Fingerprint(request.public)
		}
		if err == nil {
			err = w.refuseBanned(order.Key)
		}
		return request, err
	}
	key, err := w.signingKey(ctx, s, order.Key)
	if err != nil {
		return signing{}, err
	}
	fingerprint, err := keys.Fingerprint(key.Public())
	if err != nil {
		return signing{}, err
	}
	order.Key = fingerprint
	csr, err := issuer.CSR(key, w.want.Names, w.want.CommonName, w.want.MustStaple)
	return signing{csr: csr, public: key.Public()}, err
}

// signingKey is the key to sign a request with. One that others share is never
// replaced here: that is for a rollover to do.
func (w *worker) signingKey(ctx context.Context, s plan.Step, fingerprint string) (crypto.Signer, error) {
	if s.Key == "" {
		return w.engine.key(ctx, keys.Type(s.KeyType), fingerprint)
	}
	key, err := w.engine.Store.Key(ctx, s.Key)
	if err != nil && ctx.Err() == nil {
		w.engine.keyLost(ctx, w.want.Keys, s.Key, err)
	}
	return key, err
}

// key returns the stored key of a fingerprint, or a new one once it is stored.
func (e *Engine) key(ctx context.Context, t keys.Type, fingerprint string) (crypto.Signer, error) {
	if fingerprint != "" {
		key, err := e.Store.Key(ctx, fingerprint)
		if err == nil || sealedFault(err) != nil {
			return key, err
		}
		// Killed between counting the attempt and saving its key, or the
		// record is damaged: no order was made with it, or it is worth a new one.
	}
	key, _, err := e.newKey(ctx, t)
	return key, err
}

// newKey makes a key, and returns it once it is stored.
func (e *Engine) newKey(ctx context.Context, t keys.Type) (key crypto.Signer, fingerprint string, err error) {
	if key, err = keys.Generate(t); err != nil {
		return nil, "", err
	}
	if fingerprint, err = e.Store.PutKey(ctx, key); err != nil {
		return nil, "", fmt.Errorf("save the new key: %w", err)
	}
	return key, fingerprint, nil
}

// job describes the order to the issuer.
func (w *worker) job(ctx context.Context, s plan.Step, order plan.Order, account issuer.Account, request signing) issuer.Job {
	cert := w.parts.cfg.Certificate(w.want.Name)
	job := w.parts.job(cert, order.Issuer, account, request)
	job.Names, job.Replaces = w.want.Names, order.Replaces
	job.Solvers = w.solvers
	job.Warn = func(err error) {
		w.engine.Log.Warn("going on in spite of a failure", "certificate", w.want.Name, "error", err)
		w.notProven(ctx, order.Issuer, err)
	}
	job.Stage = func(stage issuer.Stage) {
		w.asking.signing = w.asking.signing || stage == issuer.StageFinalize
		w.stage(string(stage))
	}
	job.Save = func(o issuer.Order) error {
		w.orderOpened(ctx, s, order, o)
		// Not to be cancelled: from here on the CA knows the order.
		return w.engine.Store.UpdateCert(context.WithoutCancel(ctx), w.want.Name, func(k *plan.KnownCert) error {
			saved := order
			saved.URL, saved.Expires, saved.Replaces = o.URL, o.Expires, o.Replaces
			if k.Orders == nil { // somebody took the record away meanwhile
				k.Name, k.Orders = w.want.Name, map[string]plan.Order{}
			}
			k.Orders[s.KeyType] = saved
			return nil
		})
	}
	if order.URL != "" {
		job.Resume = &issuer.Order{URL: order.URL, Expires: order.Expires, Replaces: order.Replaces}
	}
	return job
}

// job is what an order for a certificate asks of a CA, whoever opens it.
func (p *parts) job(cert *config.Certificate, id string, account issuer.Account, request signing) issuer.Job {
	return issuer.Job{
		Account: account, Names: cert.Names, CSR: request.csr, Public: request.public,
		Profile: p.cfg.ProfileAt(cert, id), ProfileWished: !cert.ProfileMandatory, PreferredChain: p.issuers[id].config.PreferredChain,
		LeavePending: !p.cfg.Solve,
	}
}

// solvers are the ways to prove a name, seen in the history.
func (w *worker) solvers(id challenge.Identifier) []challenge.Solver {
	solvers := w.parts.solvers(w.want.Name, id)
	for i, s := range solvers {
		solvers[i] = w.announce(s)
	}
	return solvers
}

// solvers are the ways to prove a name, in the order of the config's rules.
func (p *parts) solvers(cert string, id challenge.Identifier) []challenge.Solver {
	if !p.cfg.Solve {
		return nil
	}
	var solvers []challenge.Solver
	for _, m := range p.cfg.MethodsFor(cert, id.Value, id.Wildcard) {
		if solver := p.solver(m); solver != nil {
			solvers = append(solvers, solver)
		}
	}
	return solvers
}

// solver returns the doer of a method; nil where its listener is switched off.
func (p *parts) solver(m config.Method) challenge.Solver {
	switch {
	case m.Manual != nil:
		return p.manual.Solver(m.Type, manualHooks(*m.Manual))
	case m.Type == config.MethodDNS01:
		return p.writers[m.Via].solver
	case m.Type == config.MethodHTTP01 && (m.Webroot != "" || m.Folder != ""):
		return p.shown(p.webroots.at(m, p.disk), m.ShownWithin)
	case m.Type == config.MethodHTTP01 && p.cfg.Listen.HTTP.Address != "":
		return p.http[p.cfg.Listen.HTTP.Address]
	case m.Type == config.MethodTLSALPN01 && p.cfg.Listen.TLS != "":
		return p.tls[p.cfg.Listen.TLS]
	}
	return nil
}

// keep stores what the CA gave as a version and publishes it. A crash between
// the two writes leaves a version nobody points to, and the order with which
// the next run finds it.
func (w *worker) keep(ctx context.Context, s plan.Step, order plan.Order, m made) error {
	ctx = context.WithoutCancel(ctx) // what the CA gave is never thrown away
	now := time.Now()
	pair := pairOf(m, s.KeyType, order, now)
	pair.Misfit = misfit(m.issued, w.want)
	record := w.versionWith(ctx, s, pair, string(m.issued.Chain.PEM()), now)
	if err := w.engine.Store.PutVersion(ctx, record); err != nil {
		return fmt.Errorf("save the certificate: %w", err)
	}
	return w.publishNew(ctx, s, order, record)
}

// publishNew makes a new version the one that targets are to serve, or has it
// wait for its other key types. One write does it, and clears the order and the
// attempts that led there.
func (w *worker) publishNew(ctx context.Context, s plan.Step, order plan.Order, record store.VersionRecord) error {
	now, asked := time.Now(), s.Asked
	pair, _ := record.Version.Pair(s.KeyType)
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		k.Name = w.want.Name
		k.Versions = append(k.Versions, record.Version)
		switch {
		case s.Rolled:
			k.Rolled = record.Version.ID
		case s.Gather:
			k.Ready = record.Version.ID
		default:
			k.Published, k.Ready, k.Held = record.Version.ID, "", false
			forgetWindows(k, record.Version)
		}
		k.DropOrders(s.KeyType)
		k.Failing = nil
		k.Succeeded(s.KeyType, now, order.Issuer)
		k.TakenAway(w.gone.list())
		if !asked {
			k.Issued = append(recentIssues(k.Issued, now), plan.Issued{At: now, Names: order.Request.Names, KeyType: s.KeyType, Lifetime: pair.Lifetime()})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish the certificate: %w", err)
	}
	w.emit(ctx, store.Event{
		Kind: store.EventIssued, KeyType: s.KeyType, Version: record.Version.ID, Issuer: order.Issuer,
		Words: fmt.Sprintf("%s issued %s, valid until %s; why: %s", order.Issuer, joinNames(order.Request.Names), pair.NotAfter.UTC().Format(time.RFC3339), order.Reason.Words),
	})
	w.queueHooks(ctx, store.EventIssued)
	return nil
}
