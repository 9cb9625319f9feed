package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
	"github.com/certkeep/certkeep/internal/verify"
)

// A service that was just told takes a moment until its new workers answer:
// so soon after an installation a verdict that is not "right" is looked at
// again, a few times within a step. Later the plan's own backoff rules. One that
// is right has to be right once more after handOver, for old workers may answer
// beside the new ones: nginx's do for a tenth of a second. One that fetches OCSP
// responses itself may begin with that at the first connection, and has the
// config's time for it.
const (
	freshFor   = 15 * time.Second
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	handOver   = 300 * time.Millisecond
)

// verify connects to the services of a target and stores what they present.
func (w *worker) verify(ctx context.Context, s plan.Step) *plan.Fault {
	want, keyTypes, err := w.verifiable(ctx, s.Version)
	if err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	fact, shown := w.known.Targets[s.Target], w.known.PinsInPlace(w.want, w.keys)
	endpoints, err := w.endpoints(ctx, keyTypes, shown != "")
	if err != nil {
		return w.fault(plan.CodeUnexpected, "look what is to be verified: "+err.Error(), nil)
	}
	w.stage("verifying what is served")
	stapled := time.Now().Add(w.parts.cfg.Certificate(w.want.Name).StapleWait)
	look := func() []plan.Result { return verify.All(ctx, endpoints, want) }
	results := untilSettled(ctx, look, stapled, w.takingOver(fact, shown))
	if ctx.Err() != nil {
		return nil // interrupted: nothing was learned
	}
	return w.verified(context.WithoutCancel(ctx), s, fact, shown, results)
}

// takingOver is until when the services of a target may still be taking over
// what they were told; the zero time where none was told.
func (w *worker) takingOver(fact plan.Target, pins string) time.Time {
	if len(fact.Reloaded) == 0 {
		return time.Time{}
	}
	told := fact.At
	if header := w.known.Targets[plan.CompanionHPKP]; pins != fact.Verify.Pins && header.At.After(told) {
		told = header.At // with the header that names the pins, if there is one
	}
	return freshUntil(time.Now(), told)
}

// untilSettled looks at services until what they present has settled: until
// stapled an OCSP response may be missing, until fresh they may still be taking
// over what they were told.
func untilSettled(ctx context.Context, look func() []plan.Result, stapled, fresh time.Time) []plan.Result {
	right := false // all of them were at the last look
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		results := look()
		now, again := time.Now(), false
		switch verdict := plan.WorstVerdict(results); {
		case verdict == plan.VerdictRight && !right:
			right, pause, again = true, handOver, now.Before(fresh)
		case verdict == plan.VerdictRight:
		case verdict == plan.VerdictUnstapled:
			right, again = false, now.Before(stapled)
		default:
			right, again = false, now.Before(fresh)
		}
		if !again || !wait(ctx, pause) {
			return results
		}
	}
}

// endpoints are the questions to a certificate's services. Pinned says that
// those whose answers are to name the keys can be asked for that too.
func (w *worker) endpoints(ctx context.Context, keyTypes []string, pinned bool) ([]verify.Endpoint, error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	var pins []string
	if pinned {
		var err error
		if pins, err = w.pins(); err != nil {
			return nil, err
		}
	}
	var all []verify.Endpoint
	for _, e := range cert.Verify {
		for _, one := range verify.Expand(ctx, e, cert.Names, keyTypes) {
			one.Staple = judgeStaple
			one.TLSA, one.Network = w.tlsaAt(e.Port, one.ServerName), w.engine.Network
			if e.Pins {
				one.Pins = pins
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// judgeStaple says why clients refuse what is stapled to a chain: it is of no
// use to them, or it is missing and the certificate demands it (RFC 7633). A
// responder's refusal, which claims nothing, is as if nothing were stapled.
func judgeStaple(der []byte, shown chain.Chain) error {
	if issuer := issuerOf(shown.Certs); len(der) > 0 && issuer != nil {
		said, err := ocsp.Check(der, shown.Leaf(), issuer, time.Now())
		if _, refused := errors.AsType[ocsp.Refusal](err); !refused {
			if err == nil && said.Status != ocsp.Good {
				err = fmt.Errorf("says that it is %s", said.Status)
			}
			if err != nil {
				return fmt.Errorf("staples an OCSP response that clients refuse: %w", err)
			}
			return nil
		}
		der = nil
	}
	if len(der) == 0 && shown.Facts().MustStaple {
		return errors.New("staples no OCSP response, which the certificate demands (must-staple)")
	}
	return nil
}

// freshUntil is until when services that were told at an instant may still be
// taking over what they were told. An instant in the future was written under
// a clock that was ahead.
func freshUntil(now, told time.Time) time.Time {
	if told.After(now) {
		told = now
	}
	return told.Add(freshFor)
}

// wait sleeps, and reports false when ctx ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// verifiable are the chains of a version that services have to present.
func (w *worker) verifiable(ctx context.Context, id string) (verify.Want, []string, error) {
	record, err := w.engine.Store.Version(ctx, w.want.Name, id)
	if err != nil {
		return nil, nil, err
	}
	want := verify.Want{}
	var keyTypes []string
	for _, p := range record.Version.Pairs {
		c, err := chain.Parse([]byte(record.Chains[p.KeyType]))
		if err != nil {
			return nil, nil, err
		}
		want[p.KeyType] = c
		keyTypes = append(keyTypes, p.KeyType)
	}
	return want, keyTypes, nil
}

// verified stores the verdicts. Where something else is presented the target
// counts as written only, so that its services are told again, at the pace of
// the backoff.
func (w *worker) verified(ctx context.Context, s plan.Step, before plan.Target, pins string, results []plan.Result) *plan.Fault {
	now := time.Now()
	jitter := w.roll(now, "verify "+s.Target)
	verdict := plan.WorstVerdict(results)
	fault := verdictFault(verdict, results, now)
	if before.Awaits != nil && verdict != plan.VerdictRight {
		fault = nil // the services were not restarted yet
	}
	err := w.engine.Store.UpdateTargets(ctx, w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[s.Target]
		if t.Verify.Version != s.Version || t.Verify.Pins != pins {
			t.Verify.Tries = plan.Tries{}
		}
		t.Verify.Version, t.Verify.Pins, t.Verify.At, t.Verify.Results = s.Version, pins, now, results
		if fault == nil {
			t.Verify.Tries = plan.Tries{}
			if t.Version == s.Version && verdict == plan.VerdictRight {
				t.State, t.At, t.Awaits = plan.TargetVerified, now, nil
			}
		} else {
			t.Verify.Tries = t.Verify.Tries.Begin(now, jitter).Failed(now, *fault, time.Time{})
			t.State = unverified(t, s.Version, verdict)
		}
		targets[s.Target] = t
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store what services present: "+err.Error(), nil)
	}
	w.tellVerified(ctx, s, before, results, fault)
	return fault
}

// unverified is the state of a target that did not show its version.
func unverified(t plan.Target, version string, verdict plan.Verdict) plan.TargetState {
	switch {
	case t.Version != version:
		return t.State
	case verdict == plan.VerdictWrong && t.Verify.Tries.Count > 1:
		return plan.TargetWritten // it was told, and still presents another one: tell it again
	default:
		return plan.TargetReloaded
	}
}

// tellVerified puts changes of the verdict into the history.
func (w *worker) tellVerified(ctx context.Context, s plan.Step, before plan.Target, results []plan.Result, fault *plan.Fault) {
	event := store.Event{Target: s.Target, Version: s.Version}
	switch {
	case fault != nil:
		event.Kind, event.Words, event.Detail, event.Fault = store.EventVerifyFailed, fault.Words, fault.Detail, fault
	case plan.WorstVerdict(results) != plan.VerdictRight:
		return // nor is it a failure
	case before.State == plan.TargetVerified && before.Verify.Version == s.Version:
		return // as yesterday
	default:
		event.Kind, event.Words = store.EventVerified, fmt.Sprintf("a handshake showed it at %s", places(results))
	}
	w.emit(ctx, event)
	w.queueHooks(ctx, event.Kind)
}

// verdictFault is the failure behind a verdict; nil where it is right.
func verdictFault(verdict plan.Verdict, results []plan.Result, now time.Time) *plan.Fault {
	if verdict == plan.VerdictRight {
		return nil
	}
	fault := plan.Fault{Code: plan.CodeVerifyUnknown, Blame: plan.BlameAdmin, At: now, Words: "the service could not be asked what it presents"}
	switch verdict {
	case plan.VerdictWrong:
		fault.Code, fault.Words = plan.CodeVerifyWrong, "the service presents something else than the installed certificate"
	case plan.VerdictUnstapled:
		fault.Code, fault.Words = plan.CodeVerifyStaple, "the service staples no OCSP response that clients take"
	}
	for _, r := range results {
		if r.Verdict != plan.VerdictRight {
			fault.Detail = append(fault.Detail, r.Endpoint+": "+r.Words)
		}
	}
	return &fault
}

// places lists the endpoints of results.
func places(results []plan.Result) string {
	var list []string
	for _, r := range results {
		if !slices.Contains(list, r.Endpoint) {
			list = append(list, r.Endpoint)
		}
	}
	return strings.Join(list, ", ")
}
