package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/plan"
)

// Right after issuance a CA's own copies may not know the certificate yet:
// that long a 404 is taken for such.
const downloadPatience = 30 * time.Second

// maxAlternates bounds the further chains that are fetched.
const maxAlternates = 10

// collect fetches the certificate of a valid order, and checks it.
func (r *issuance) collect(ctx context.Context, order acme.Order) (Issued, error) {
	const op = "download the certificate"
	r.stage(StageDownload)
	if err := r.ca.checkURL(order.Certificate); err != nil {
		return Issued{}, r.garbage(op, fmt.Errorf("the certificate's URL: %w", err))
	}
	got, alternates, err := r.download(ctx, op, order.Certificate)
	if err != nil {
		return Issued{}, err
	}
	if err := r.check(got); err != nil {
		return Issued{}, r.ca.fault(op, plan.CodeCAChain, plan.BlameCA, errors.Join(err, ErrOrderGone))
	}
	if want := r.job.PreferredChain; want != "" {
		got = r.prefer(ctx, want, got, alternates)
	}
	return Issued{Chain: got, Order: r.order, ReplacesDropped: r.dropped, ProfileDropped: r.unprofiled}, nil
}

// check compares a chain with what was asked for. Its dates do not matter.
func (r *issuance) check(c chain.Chain) error { return c.Check(r.job.Public, r.job.Names) }

// download fetches a chain, and the URLs of its alternates.
func (r *issuance) download(ctx context.Context, op, url string) (chain.Chain, []string, error) {
	end := time.Now().Add(downloadPatience)
	for n := 0; ; n++ {
		got, rec, err := r.fetch(ctx, op, url)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Status != http.StatusNotFound {
			return got, links(rec.answer(), "alternate"), err
		}
		e.Code, e.Blame = plan.CodeCAError, plan.BlameCA
		wait := max(min(250*time.Millisecond<<min(n, 5), slowPoll), e.RetryAfter)
		if time.Now().Add(wait).After(end) {
			return chain.Chain{}, nil, e
		}
		if err := sleep(ctx, wait); err != nil {
			return chain.Chain{}, nil, fmt.Errorf("%s: %s: %w", r.ca.cfg.ID, op, err)
		}
	}
}

// fetch fetches one chain, once.
func (r *issuance) fetch(ctx context.Context, op, url string) (chain.Chain, *record, error) {
	var chains []acme.Certificate
	rec, err := r.ca.signed(ctx, r.job.Account, op, func(ctx context.Context, c *acme.Client) (err error) {
		recordOf(ctx).accept = "application/pem-certificate-chain" // RFC 8555 section 7.4.2
		chains, err = c.GetCertificateChain(ctx, r.acct, url)
		return err
	})
	if err != nil {
		return chain.Chain{}, rec, err
	}
	got, err := chain.Parse(chains[0].ChainPEM)
	if err != nil {
		return chain.Chain{}, rec, r.garbage(op, err)
	}
	return got, rec, nil
}

// linkForm is a link of RFC 8288 as CAs write it.
var linkForm = regexp.MustCompile(`<([^>]+)>\s*;\s*rel="?([a-zA-Z-]+)"?`)

// links returns the targets of an answer's links of one relation.
func links(a *answer, relation string) []string {
	if a == nil {
		return nil
	}
	var targets []string
	for _, header := range a.header.Values("Link") {
		for _, m := range linkForm.FindAllStringSubmatch(header, -1) {
			if m[2] == relation && !slices.Contains(targets, m[1]) {
				targets = append(targets, m[1])
			}
		}
	}
	return targets[:min(len(targets), maxAlternates)]
}
