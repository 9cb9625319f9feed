package engine

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// roots fills in the roots that the chains lead to, where the target's files
// are to hold them. What could not be found is a fact of the target and stops
// nothing else: a renewal must not fail over a root.
func (w *worker) roots(target deploy.Target, version plan.Version, c deploy.Content) *plan.Fault {
	cert := w.parts.cfg.Certificate(w.want.Name)
	if cert.Root.None || !target.Holds(deploy.PartRoot) {
		return nil
	}
	var missing []string
	for i, p := range c.Pairs {
		root, why := w.parts.rootOf(cert, version, p)
		if root == nil {
			missing = append(missing, fmt.Sprintf("of the %s chain: %s", p.KeyType, why))
		}
		c.Pairs[i].Root = chain.RootPEM(root)
	}
	if missing == nil {
		return nil
	}
	return w.fault(plan.CodeRoot, "files are without the root "+strings.Join(missing, "; "), nil)
}

// stillLacks looks again for what a target lacks, where nothing else is to be
// done at it. As long as it is missing no file is touched, and no passphrase
// needed: only that somebody looked is stored.
func (w *worker) stillLacks(ctx context.Context, s plan.Step) (fault *plan.Fault, done bool) {
	if s.Reason.Code != plan.ReasonRoutine {
		return nil, false
	}
	target, err := w.lockedTarget(s.Target)
	if err != nil {
		return nil, false // which the installation says better
	}
	content, err := w.chains(ctx, s.Version)
	if err != nil {
		return nil, false
	}
	version, _ := w.known.Version(s.Version)
	lacks := w.roots(target, version, content)
	if lacks == nil {
		return nil, false
	}
	err = w.engine.Store.UpdateTargets(context.WithoutCancel(ctx), w.want.Name, func(targets map[string]plan.Target) error {
		t := targets[s.Target]
		t.Lacks = lacks
		targets[s.Target] = t
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that something is missing: "+err.Error(), nil), true
	}
	return nil, true
}

// rootOf looks for the root of a pair: in the certificate's own file alone
// where one is named, else in its issuer's, else in the system's. It says why
// there is none.
func (p *parts) rootOf(cert *config.Certificate, version plan.Version, pair deploy.Pair) (root *x509.Certificate, why string) {
	whole, err := chain.Parse(slices.Concat(pair.Leaf, []byte("\n"), pair.Rest))
	if err != nil {
		return nil, err.Error()
	}
	if files := p.cfg.RootFiles(cert, keys.Type(pair.KeyType)); len(files) > 0 {
		return rootIn(files, whole)
	}
	issuers := cert.Issuers
	if known, ok := version.Pair(pair.KeyType); ok && known.Issuer != "" {
		issuers = []string{known.Issuer}
	}
	why = "it leads to none of the system's roots"
	for _, id := range issuers {
		file := p.cfg.Issuers[id].RootsFile
		if file == "" {
			continue
		}
		pool, err := readRoots(file)
		if err != nil {
			return nil, err.Error()
		}
		if root := whole.Root(pool); root != nil {
			return root, ""
		}
		why = fmt.Sprintf("it leads to none in %s, and to none of the system's", file)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		return nil, "read the system's roots: " + err.Error()
	}
	return whole.Root(system), why
}

// rootIn looks for a root in files. It says why there is none.
func rootIn(files []string, whole chain.Chain) (root *x509.Certificate, why string) {
	for _, file := range files {
		pool, err := readRoots(file)
		if err != nil {
			return nil, err.Error()
		}
		if root := whole.Root(pool); root != nil {
			return root, ""
		}
	}
	return nil, "it leads to none in " + strings.Join(files, ", ")
}

func readRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := chain.ParseRoots(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return pool, nil
}
