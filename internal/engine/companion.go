package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/hpkp"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// companion writes files that stand beside a certificate's own, and tells its
// services. A crash before its fact is stored leaves it behind: writing again
// changes no byte that is right already, and tells the services once more.
func (w *worker) companion(ctx context.Context, s plan.Step) *plan.Fault {
	job, err := w.companionJob(ctx, s)
	if errors.Is(err, errLost) {
		return w.lostStatement(ctx, s, err)
	}
	if err != nil {
		return w.targetFault(err)
	}
	w.stage("writing " + arrivals(s.Kind).what)
	result := w.installs.install(ctx, job)[0]
	return w.companionDone(ctx, s, result)
}

// companionDone stores what became of a companion's files.
func (w *worker) companionDone(ctx context.Context, s plan.Step, result deploy.Result) *plan.Fault {
	if result.Fault != nil && ctx.Err() != nil {
		return nil // interrupted: the next run compares, and goes on
	}
	if err := w.installed(context.WithoutCancel(ctx), s, result, had{}); err != nil {
		return w.fault(plan.CodeDisk, "store what was written: "+err.Error(), nil)
	}
	return result.Fault
}

// beside is a companion that is written together with a target.
type beside struct {
	step plan.Step
	job  deploy.Job
}

// companionsDue are the companions among steps that are due too. Written
// together with the certificate's own files, a service reads both or neither.
func (w *worker) companionsDue(ctx context.Context, steps []plan.Step) []beside {
	var all []beside
	now := time.Now()
	for _, s := range steps {
		if !s.Kind.WritesCompanion() || !s.Due(now) || w.tried[w.key(s)] || !w.only.allows(s.Kind) {
			continue
		}
		job, err := w.companionJob(ctx, s)
		if err != nil {
			continue // its own step says so
		}
		w.tried[w.key(s)] = true
		all = append(all, beside{s, job})
	}
	return all
}

// companionsDone stores what became of them.
func (w *worker) companionsDone(ctx context.Context, all []beside, results []deploy.Result) {
	for i, b := range all {
		fault := w.companionDone(ctx, b.step, results[i])
		w.tellFault(ctx, b.step, fault)
		w.told = false
		w.outcomes = append(w.outcomes, Outcome{Step: b.step, Fault: fault})
	}
}

// companionJob is a companion in deploy's terms.
func (w *worker) companionJob(ctx context.Context, s plan.Step) (deploy.Job, error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	files, err := w.companionFiles(ctx, cert, s.Target)
	if err != nil {
		return deploy.Job{}, err
	}
	want, fact := w.wantedTarget(s.Target), w.known.Targets[s.Target]
	target := deploy.Target{Cert: cert.Name, Name: s.Target, Plain: files}
	for _, name := range cert.Services {
		target.Services = append(target.Services, w.parts.cfg.Services[name])
	}
	return deploy.Job{
		Target: target, Content: deploy.Content{Version: s.Version}, Ours: append(slices.Clone(fact.Files), spareFiles(s.Target, files)...),
		Told: fact.Version == s.Version && fact.Config == want.Config && fact.State == plan.TargetReloaded,
	}, nil
}

// companionFiles are the files of a companion.
func (w *worker) companionFiles(ctx context.Context, cert *config.Certificate, name string) ([]deploy.Plain, error) {
	if name == plan.CompanionHPKP {
		return w.pinFiles(cert)
	}
	published, _ := w.known.Version(w.known.Published)
	var files []deploy.Plain
	for _, pair := range published.Serving(w.want.KeyTypes).Pairs {
		kept, err := w.engine.Store.Statements(ctx, w.want.Name, pair)
		if err != nil {
			return nil, err
		}
		of := responseFiles
		if name == plan.CompanionSCT {
			of = receiptFiles
		}
		more, err := of(w.parts.cfg, cert, w.known, pair, kept)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// errLost says that a statement is not stored of which a fact tells.
var errLost = errors.New("a stored statement is lost")

// responseFiles is the file of a pair's OCSP response, if there is one. That of
// another certificate gives way to one that claims nothing.
func responseFiles(cfg *config.Config, cert *config.Certificate, k *plan.KnownCert, pair plan.Pair, kept store.Statements) ([]deploy.Plain, error) {
	path, staple := cfg.OCSPFile(cert, keys.Type(pair.KeyType)), k.StapleOf(pair)
	switch {
	case k.Unstapled(pair):
		return []deploy.Plain{plain(cert, cert.OCSP.Attributes, path, ocsp.TryLater())}, nil
	case staple.SHA256 == "":
		return nil, nil
	}
	if kept.OCSP == nil || sha256Hex(kept.OCSP.DER) != staple.SHA256 {
		return nil, fmt.Errorf("%w: the OCSP response of the %s certificate", errLost, pair.KeyType)
	}
	return []deploy.Plain{plain(cert, cert.OCSP.Attributes, path, kept.OCSP.DER)}, nil
}

// receiptFiles are the files of a pair's receipts, as far as there are any.
func receiptFiles(cfg *config.Config, cert *config.Certificate, k *plan.KnownCert, pair plan.Pair, kept store.Statements) ([]deploy.Plain, error) {
	var files []deploy.Plain
	for _, log := range cert.SCT.Logs {
		receipt := k.ReceiptsOf(pair).Logs[log]
		if receipt.SHA256 == "" {
			continue
		}
		if sha256Hex(kept.SCT[log]) != receipt.SHA256 {
			return nil, fmt.Errorf("%w: the receipt of the log %s for the %s certificate", errLost, log, pair.KeyType)
		}
		files = append(files, plain(cert, cert.SCT.Attributes, cfg.SCTFile(cert, keys.Type(pair.KeyType), log), kept.SCT[log]))
	}
	return files, nil
}

// pinHeader is the header that pins a site to its keys.
func (w *worker) pinHeader(cert *config.Certificate) (string, error) {
	const day = 24 * time.Hour
	policy := hpkp.Policy{Days: int(cert.HPKP.MaxAge / day), Subdomains: cert.HPKP.Subdomains, ReportURI: cert.HPKP.ReportURI}
	var err error
	if policy.Pins, err = w.pins(); err != nil {
		return "", err
	}
	return policy.Header()
}

// pins are the names of the keys in that header.
func (w *worker) pins() ([]string, error) {
	var pins []string
	for _, fingerprint := range w.known.Pins(w.want, w.keys) {
		pin, err := hpkp.Pin(fingerprint)
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// pinFiles are the files with that header, one for each server.
func (w *worker) pinFiles(cert *config.Certificate) ([]deploy.Plain, error) {
	header, err := w.pinHeader(cert)
	if err != nil {
		return nil, err
	}
	var files []deploy.Plain
	for _, server := range cert.HPKP.Servers() {
		format, err := hpkp.Parse(cert.HPKP.Headers[server])
		if err != nil {
			return nil, err
		}
		text := format.File(hpkp.Fields{Header: header, Server: server, Name: cmp.Or(w.want.Keys, cert.Name)})
		files = append(files, plain(cert, cert.HPKP.Attributes, w.parts.cfg.HPKPFile(cert, server), []byte(text)))
	}
	return files, nil
}

// plain is a file, whose owner and group are the certificate's where it has
// none of its own.
func plain(cert *config.Certificate, a config.Attributes, path string, data []byte) deploy.Plain {
	p := deploy.Plain{Path: path, Data: data, Mode: a.Mode, Owner: a.Owner, Group: a.Group}
	if p.Owner == "" {
		p.Owner = cert.Owner
	}
	if p.Group == "" {
		p.Group = cert.Group
	}
	return p
}

// lostStatement forgets the facts of statements that are stored no more, so
// that they are asked for again. The files stay meanwhile.
func (w *worker) lostStatement(ctx context.Context, s plan.Step, cause error) *plan.Fault {
	w.engine.Log.Warn("what others said of the certificate is asked for again", "certificate", w.want.Name, "why", cause)
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		if s.Target == plan.CompanionOCSP {
			k.OCSP = nil
		} else {
			k.SCT = nil
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "forget a lost statement: "+err.Error(), nil)
	}
	delete(w.tried, w.key(s)) // once more when they are there again
	return nil
}

// arrival is what is told when files came to their places.
type arrival struct {
	what   string
	events []store.EventKind // the last one goes into the history
}

func arrivals(kind plan.Kind) arrival {
	switch kind {
	case plan.KindOCSPFile:
		return arrival{"files with OCSP responses", []store.EventKind{store.EventOCSPUpdated}}
	case plan.KindSCTFile:
		return arrival{"receipts of logs", []store.EventKind{store.EventSCTUpdated}}
	case plan.KindHPKP:
		return arrival{"public key pins", []store.EventKind{store.EventFileInstalled}}
	}
	return arrival{"files", []store.EventKind{store.EventFileInstalled, store.EventInstalled}}
}
