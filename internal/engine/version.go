package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// newID makes the random name of a version.
func newID() string { return strings.ToLower(rand.Text()[:10]) }

// issuesKept is how far back automatic issues are remembered.
const issuesKept = 14 * 24 * time.Hour

// recentIssues drops what the guard no longer looks at.
func recentIssues(all []plan.Issued, now time.Time) []plan.Issued {
	return slices.DeleteFunc(slices.Clone(all), func(i plan.Issued) bool { return now.Sub(i.At) > issuesKept })
}

// pairOf makes facts of what an order came to.
func pairOf(m made, keyType string, order plan.Order, now time.Time) plan.Pair {
	facts := m.issued.Chain.Facts()
	return plan.Pair{
		KeyType: keyType, Key: facts.SPKI, Keys: order.Keys, Issuer: order.Issuer, Made: now, Request: order.Request,
		NotBefore: facts.NotBefore, NotAfter: facts.NotAfter, Serial: facts.Serial, SHA256: facts.SHA256,
		CertID: facts.CertID, CA: facts.CA,
	}
}

// misfit says how what the CA gave differs from what was asked. It is a
// Problem for a person; asking again would give the same.
func misfit(issued issuer.Issued, want plan.WantedCert) string {
	facts := issued.Chain.Facts()
	var differs []string
	var extra []string
	for _, name := range facts.Names {
		if !slices.Contains(want.Names, name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		differs = append(differs, "it also names "+strings.Join(extra, ", "))
	}
	if issued.ProfileDropped {
		differs = append(differs, "the CA does not offer the profile that is wished for, and chose one")
	}
	if want.MustStaple && !facts.MustStaple {
		differs = append(differs, "it lacks the must-staple extension")
	}
	if want.CSR == "" && len(want.KeyTypes) > 0 && !slices.Contains(want.KeyTypes, string(facts.KeyType)) {
		differs = append(differs, fmt.Sprintf("its key is %s", facts.KeyType))
	}
	return strings.Join(differs, "; ")
}

// versionWith is a new version: pair, beside the pairs that are still wanted of
// the one that waits for it, or else of the published one. Those keep serving
// until their own renewal.
func (w *worker) versionWith(ctx context.Context, s plan.Step, pair plan.Pair, chainPEM string, now time.Time) store.VersionRecord {
	record := store.VersionRecord{
		Certificate: w.want.Name,
		Version:     plan.Version{ID: newID(), Created: now},
		Chains:      map[string]string{pair.KeyType: chainPEM},
	}
	var old store.VersionRecord
	beside := w.known.Ready
	if s.Rolled {
		beside = w.known.Rolled
	}
	for _, id := range []string{beside, w.known.Published} {
		base, ok := w.known.Version(id)
		if !ok || base.Broken != "" {
			continue
		}
		r, err := w.engine.Store.Version(ctx, w.want.Name, base.ID)
		if err == nil {
			old = r
			break
		}
		w.engine.Log.Warn("a stored version cannot be read; its other key types are issued again", "certificate", w.want.Name, "version", base.ID, "error", err)
	}
	for _, keyType := range w.want.KeyTypes {
		if keyType == pair.KeyType {
			record.Version.Pairs = append(record.Version.Pairs, pair)
			continue
		}
		if carried, ok := old.Version.Pair(keyType); ok {
			record.Version.Pairs = append(record.Version.Pairs, carried)
			record.Chains[keyType] = old.Chains[keyType]
		}
	}
	return record
}

// publish points the certificate at a version that is held already.
func (w *worker) publish(ctx context.Context, s plan.Step) *plan.Fault {
	restored := s.Reason.Code == plan.ReasonAsked
	if _, err := w.engine.Store.Version(ctx, w.want.Name, s.Version); err != nil {
		return w.brokenVersion(ctx, s.Version, err)
	}
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		version, ok := k.Version(s.Version)
		if !ok {
			delete(k.Asks, plan.AskRestore)
			return nil
		}
		if s.Version == k.Rolled || s.Version == k.Ready {
			forgetWindows(k, version)
		}
		k.Published, k.Ready, k.Held = s.Version, "", restored
		if k.Rolled == s.Version {
			k.Rolled = ""
		}
		if restored {
			k.HeldAt = time.Now()
			delete(k.Asks, plan.AskRestore)
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "publish version "+s.Version+": "+err.Error(), nil)
	}
	return nil
}

// brokenVersion remembers that a version cannot be used, so that the plan
// finds another or orders one. One whose key is sealed is not broken.
func (w *worker) brokenVersion(ctx context.Context, id string, cause error) *plan.Fault {
	if fault := sealedFault(cause); fault != nil {
		return fault
	}
	fault := w.fault(plan.CodeKeyLost, fmt.Sprintf("version %s cannot be used: %v", id, cause), nil)
	err := w.engine.Store.UpdateCert(ctx, w.want.Name, func(k *plan.KnownCert) error {
		delete(k.Asks, plan.AskRestore)
		for i := range k.Versions {
			if k.Versions[i].ID == id {
				k.Versions[i].Broken = fault.Words
			}
		}
		return nil
	})
	if err != nil {
		return w.fault(plan.CodeDisk, "store that a version is unreadable: "+err.Error(), nil)
	}
	return fault
}

func joinNames(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
