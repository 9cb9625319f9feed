package engine

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// knownLogs are the logs of the config: its own, then those of its list.
func knownLogs(c config.CTLogs) ([]ct.Log, error) {
	var logs []ct.Log
	for _, own := range c.Own {
		l := ct.Log{Name: own.Name, URL: own.URL, Key: own.Key, ID: sha256.Sum256(own.Key), Start: own.Start, End: own.End}
		if len(own.Key) == 0 {
			l.ID = ct.LogID(own.ID)
		}
		logs = append(logs, l)
	}
	if c.List == "" {
		return logs, nil
	}
	text, err := os.ReadFile(c.List)
	if err != nil {
		return logs, fmt.Errorf("read list of logs: %w", err)
	}
	listed, err := ct.ReadList(text)
	if err != nil {
		return logs, fmt.Errorf("%s: %w", c.List, err)
	}
	return append(logs, listed...), nil
}

// sct hands a certificate to a log and stores its receipt, or looks at those
// that the CA put into it. A crash after the log answered has it handed in
// again, for which a log gives the same receipt, or another.
func (w *worker) sct(ctx context.Context, s plan.Step) *plan.Fault {
	pair, certs, err := w.pairOfStep(ctx, s)
	if err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	logs, err := knownLogs(w.parts.cfg.CTLogs)
	if s.Log == "" {
		if err != nil {
			w.engine.Log.Warn("receipts in certificates cannot all be checked", "certificate", w.want.Name, "error", err)
		}
		return w.embedded(ctx, pair, certs, logs)
	}
	var log ct.Log
	if err == nil {
		log, err = ct.Named(logs, s.Log, pair.NotAfter)
	}
	if storeErr := w.beginSCT(ctx, pair, s.Log); storeErr != nil {
		return w.fault(plan.CodeDisk, "prepare to hand a certificate to a log: "+storeErr.Error(), nil)
	}
	var receipt ct.SCT
	if err == nil {
		w.stage("handing the " + s.KeyType + " certificate to the log " + s.Log)
		receipt, err = w.submit(ctx, log, certs)
	}
	after := context.WithoutCancel(ctx)
	switch {
	case ctx.Err() != nil:
		err = w.putReceipt(after, pair, s.Log, func(plan.Receipt) plan.Receipt { return w.known.ReceiptsOf(pair).Logs[s.Log] })
	case err != nil:
		return w.noReceipt(after, pair, s.Log, err)
	default:
		err = w.keepReceipt(after, pair, s.Log, log, receipt)
	}
	if err != nil {
		return w.fault(plan.CodeDisk, "store the receipt of a log: "+err.Error(), nil)
	}
	return nil
}

func (w *worker) submit(ctx context.Context, log ct.Log, certs []*x509.Certificate) (ct.SCT, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTime)
	defer cancel()
	return w.parts.ct.Submit(ctx, log, certs)
}

// beginSCT counts the attempt before it is made.
func (w *worker) beginSCT(ctx context.Context, pair plan.Pair, log string) error {
	now := time.Now()
	jitter := w.roll(now, "sct "+pair.KeyType+" "+log)
	return w.putReceipt(ctx, pair, log, func(r plan.Receipt) plan.Receipt {
		r.Config, r.Tries = w.want.SCT.Config, r.Tries.Begin(now, jitter)
		return r
	})
}

// putReceipt changes what is known of the receipt of one log. What is known of
// another certificate gives way.
func (w *worker) putReceipt(ctx context.Context, pair plan.Pair, log string, change func(plan.Receipt) plan.Receipt) error {
	return w.putReceipts(ctx, pair, func(all *plan.Receipts) {
		if all.Logs == nil {
			all.Logs = map[string]plan.Receipt{}
		}
		all.Logs[log] = change(all.Logs[log])
		if all.Logs[log].Config == "" { // never tried: an attempt was taken back
			delete(all.Logs, log)
		}
	})
}

func (w *worker) putReceipts(ctx context.Context, pair plan.Pair, change func(*plan.Receipts)) error {
	return w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if k.SCT == nil {
			k.SCT = map[string]plan.Receipts{}
		}
		all := k.ReceiptsOf(pair)
		all.Leaf = pair.SHA256
		change(&all)
		k.SCT[pair.KeyType] = all
		return nil
	})
}

// keepReceipt stores a receipt that a log gave.
func (w *worker) keepReceipt(ctx context.Context, pair plan.Pair, name string, log ct.Log, receipt ct.SCT) error {
	b, err := receipt.Bytes()
	if err != nil {
		return err
	}
	err = w.engine.Store.UpdateStatements(ctx, w.want.Name, pair, func(s *store.Statements) {
		if s.SCT == nil {
			s.SCT = map[string][]byte{}
		}
		s.SCT[name] = b
	})
	if err != nil {
		return err
	}
	return w.putReceipt(ctx, pair, name, func(r plan.Receipt) plan.Receipt {
		return plan.Receipt{SHA256: sha256Hex(b), Log: log.Name, At: receipt.Time(), Config: r.Config}
	})
}

// noReceipt stores and tells that a log gave none.
func (w *worker) noReceipt(ctx context.Context, pair plan.Pair, name string, cause error) *plan.Fault {
	now := time.Now()
	fault := newFault(plan.CodeSCT, plan.BlameAdmin, cause.Error())
	var wait time.Duration
	if failed, ok := errors.AsType[*ct.Error](cause); ok {
		fault.Blame, wait = failed.Blame, failed.RetryAfter
	} else if errors.Is(cause, context.DeadlineExceeded) {
		fault.Blame, fault.Words = plan.BlameNetwork, fmt.Sprintf("hand the certificate to the log %q: no whole answer within %s", name, statementTime)
	}
	err := w.putReceipt(ctx, pair, name, func(r plan.Receipt) plan.Receipt {
		r.Tries = r.Tries.Failed(now, fault, now.Add(wait))
		return r
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that a log gave no receipt: "+err.Error(), nil)
	}
	w.emit(ctx, store.Event{Kind: store.EventErrored, KeyType: pair.KeyType, Words: fault.Words, Fault: &fault})
	w.queueHooks(ctx, store.EventErrored)
	return &fault
}

// embedded looks at the receipts that the CA put into a certificate.
func (w *worker) embedded(ctx context.Context, pair plan.Pair, certs []*x509.Certificate, logs []ct.Log) *plan.Fault {
	if issuerOf(certs) == nil {
		logs = nil // what a log signed names the issuer's key
	}
	found, err := ct.CheckEmbedded(certs[0], issuerOf(certs), logs, time.Now())
	var facts []plan.Embedded
	if err != nil {
		facts = append(facts, plan.Embedded{Log: "?", Verdict: plan.VerdictWrong, Words: err.Error()})
	}
	for _, r := range found {
		facts = append(facts, embeddedFact(r))
	}
	err = w.putReceipts(ctx, pair, func(all *plan.Receipts) {
		all.Embedded, all.Checked = slices.Clone(facts), w.want.SCT.Config
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store what receipts a certificate holds: "+err.Error(), nil)
	}
	return nil
}

// embeddedFact makes a fact of a receipt in a certificate.
func embeddedFact(r ct.Receipt) plan.Embedded {
	fact := plan.Embedded{Log: r.SCT.Log.String(), At: r.Time().UTC(), Verdict: plan.VerdictRight}
	if r.Log != nil {
		fact.Log = r.Log.Name
	}
	switch {
	case errors.Is(r.Err, ct.ErrUnknownLog), errors.Is(r.Err, ct.ErrNoKey):
		fact.Verdict = plan.VerdictUnknown
	case r.Err != nil:
		fact.Verdict, fact.Words = plan.VerdictWrong, r.Err.Error()
	}
	return fact
}
