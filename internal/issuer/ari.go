package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// The bounds of RenewalInfo.RetryAfter (RFC 9773 section 4.3.2 advises such),
// and what counts where the CA does not say.
const (
	minAdviceAge     = time.Minute
	maxAdviceAge     = 24 * time.Hour
	defaultAdviceAge = 6 * time.Hour
)

// A window further away than this is a slip of the CA.
const maxWindowDistance = 10 * 365 * 24 * time.Hour

// RenewalInfo is a CA's advice when to renew a certificate (RFC 9773).
type RenewalInfo struct {
	Start, End time.Time     // renew at an instant between; they may be equal, and in the past
	URL        string        // for a person who wants to know why; "" where there is none
	RetryAfter time.Duration // ask again then; between a minute and a day
}

// certIDForm is the form of a certificate's id, RFC 9773 section 4.1.
var certIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// RenewalInfo asks for the advice on a certificate, by its id (chain.CertID).
// A CA without such advice gives ErrNoRenewalInfo.
func (ca *CA) RenewalInfo(ctx context.Context, certID string) (RenewalInfo, error) {
	const op = "ask for renewal information"
	if !certIDForm.MatchString(certID) {
		return RenewalInfo{}, ca.fault(op, plan.CodeUnexpected, plan.BlameUs, fmt.Errorf("%q is no certificate id", certID))
	}
	dir, err := ca.directory(ctx)
	if err != nil {
		return RenewalInfo{}, err
	}
	if dir.RenewalInfo == "" {
		return RenewalInfo{}, ca.fault(op, plan.CodeRejected, plan.BlameCA, ErrNoRenewalInfo)
	}
	var a *answer
	_, err = ca.once(ctx, op, func(ctx context.Context) (err error) {
		a, err = ca.get(ctx, strings.TrimSuffix(dir.RenewalInfo, "/")+"/"+certID, maxError)
		return err
	})
	if err != nil {
		return RenewalInfo{}, err
	}
	info, err := readRenewalInfo(a.body, time.Now())
	if err != nil {
		e := ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, err)
		e.RetryAfter = min(a.retryAfter, maxAdviceAge) // heeded though the window is of no use
		return RenewalInfo{}, e
	}
	info.RetryAfter = min(max(a.retryAfter, minAdviceAge), maxAdviceAge)
	if a.retryAfter == 0 {
		info.RetryAfter = defaultAdviceAge
	}
	return info, nil
}

// readRenewalInfo reads the CA's answer and checks its window.
func readRenewalInfo(body []byte, now time.Time) (RenewalInfo, error) {
	var doc struct {
		SuggestedWindow *struct {
			Start time.Time `json:"start"`
			End   time.Time `json:"end"`
		} `json:"suggestedWindow"`
		ExplanationURL string `json:"explanationURL"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return RenewalInfo{}, fmt.Errorf("it is no renewal information: %w", err)
	}
	if doc.SuggestedWindow == nil {
		return RenewalInfo{}, errors.New("it names no window")
	}
	w := *doc.SuggestedWindow
	if w.End.Before(w.Start) {
		return RenewalInfo{}, fmt.Errorf("its window ends (%s) before it begins (%s)", clockTime(w.End), clockTime(w.Start))
	}
	for _, at := range []time.Time{w.Start, w.End} {
		if at.Sub(now).Abs() > maxWindowDistance {
			return RenewalInfo{}, fmt.Errorf("its window has no sense: from %s to %s", clockTime(w.Start), clockTime(w.End))
		}
	}
	return RenewalInfo{Start: w.Start.UTC(), End: w.End.UTC(), URL: webPage(doc.ExplanationURL)}, nil
}

// webPage returns a link that may be shown to a person, or "".
func webPage(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || len(raw) > maxWords {
		return ""
	}
	return clean(u.String(), maxWords)
}
