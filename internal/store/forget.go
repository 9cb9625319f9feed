package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// Forget drops all that is stored of a certificate: what is published, its
// orders, versions, facts of targets on every node, and keys that no other
// certificate refers to. Files that services read stay, and so does history.
//
// Pointers go first, and the record that had them last: a crash in between
// leaves keys and versions that nobody points to, never the reverse, and a
// certificate that is still known, by which it can be forgotten again.
func (s *Store) Forget(ctx context.Context, name string) error {
	if err := s.writable(); err != nil {
		return err
	}
	err := s.forget(ctx, name)
	if err == nil {
		err = s.Append(ctx, Event{Kind: EventForgotten, Cert: name, Words: "all that was stored of it was dropped; installed files stay"})
	}
	if err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

// forget is Forget without its event.
func (s *Store) forget(ctx context.Context, name string) error {
	ids, err := s.VersionIDs(ctx, name)
	if err != nil {
		return err
	}
	used, err := s.keysOf(ctx, name, ids)
	if err != nil {
		return err
	}
	if err := s.empty(ctx, name); err != nil {
		return err
	}
	if err := s.forgetTargets(ctx, name); err != nil {
		return err
	}
	if err := s.forgetStatements(ctx, name); err != nil {
		return err
	}
	lone, err := s.forgetKeySet(ctx, name)
	if err != nil {
		return err
	}
	if err := s.forgetKeys(ctx, append(used, lone...)); err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.DeleteVersion(ctx, name, id); err != nil {
			return err
		}
	}
	return s.delete(ctx, groupKey(name))
}

// empty lets a certificate's record point to nothing. One that cannot be read
// is left for its removal.
func (s *Store) empty(ctx context.Context, name string) error {
	err := s.UpdateCert(ctx, name, func(k *plan.KnownCert) error {
		*k = plan.KnownCert{Name: name}
		return nil
	})
	if _, newer := errors.AsType[*NewerError](err); lost(err) || newer {
		return nil
	}
	return err
}

// forgetKeys removes those of some keys that no certificate refers to.
func (s *Store) forgetKeys(ctx context.Context, used []string) error {
	if len(used) == 0 {
		return nil
	}
	others, err := s.References(ctx)
	_, newer := errors.AsType[*NewerError](err)
	switch {
	case lost(err), newer:
		return nil // what another record refers to is not known, so no key is removed
	case err != nil:
		return err
	}
	for _, fingerprint := range used {
		if others[fingerprint] == nil {
			if err := s.DeleteKey(ctx, fingerprint); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysOf gathers the keys that a certificate's group and versions refer to.
// What is damaged refers to nothing.
func (s *Store) keysOf(ctx context.Context, name string, ids []string) ([]string, error) {
	known, err := s.KnownCert(ctx, name)
	if err != nil {
		return nil, err
	}
	held := known.Versions
	var used []string
	for _, order := range known.Orders {
		used = append(used, order.Key)
	}
	for _, id := range ids {
		v, err := s.Version(ctx, name, id)
		if err == nil {
			held = append(held, v.Version)
		} else if !lost(err) && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	for _, v := range held {
		for _, pair := range v.Pairs {
			used = append(used, pair.Key)
		}
	}
	slices.Sort(used)
	return slices.Compact(used), nil
}

// forgetTargets drops a certificate's targets on every node.
func (s *Store) forgetTargets(ctx context.Context, name string) error {
	found, err := s.backend.Keys(ctx, nodesFolder)
	if err != nil {
		return err
	}
	for _, key := range found {
		if strings.HasSuffix(key, keyOf("/targets", name)) {
			if err := s.delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrNotDamaged says that there is nothing to repair.
var ErrNotDamaged = errors.New("the record is not damaged")

// Repair puts a certificate's damaged group record aside, under "damaged/",
// and rebuilds it from the certificate's versions: the newest one is
// published. Orders, attempts and asks are lost, and a version that somebody
// restored is no longer held. The record of a later Certkeep is no damage.
func (s *Store) Repair(ctx context.Context, name string) error {
	if err := s.writable(); err != nil {
		return err
	}
	key := groupKey(name)
	entry, err := s.backend.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("repair %s: %w", name, err)
	}
	var r groupRecord
	err = decode(key, entry.Value, &r)
	if err == nil && r.Group != name {
		err = foreign(key, r.Group)
	}
	switch {
	case err == nil:
		return fmt.Errorf("repair %s: %w", name, ErrNotDamaged)
	case !lost(err):
		return fmt.Errorf("repair %s: %w", name, err)
	}
	known, err := s.rebuild(ctx, name)
	if err != nil {
		return fmt.Errorf("repair %s: %w", name, err)
	}
	// The copy is made first: a crash in between leaves the damaged record
	// in its place, and the next repair makes another copy.
	if err := s.putAside(ctx, entry); err != nil {
		return fmt.Errorf("repair %s: %w", name, err)
	}
	r = groupRecord{header: header{Format: Format}, Group: name, Certs: map[string]*plan.KnownCert{name: known}}
	if err := s.put(ctx, key, r, entry.Revision); err != nil {
		return fmt.Errorf("repair %s: %w", name, err)
	}
	return nil
}

// asideFolder is the folder of damaged records that were put aside.
const asideFolder = "damaged"

// putAside copies a damaged record, as it was found, to where nobody reads it.
// One that may hold a secret is sealed as a whole.
func (s *Store) putAside(ctx context.Context, damaged backend.Entry) error {
	aside := keyOf(asideFolder+"/"+damaged.Key, time.Now().UTC().Format("20060102T150405.000000000Z"))
	value := damaged.Value
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
	if ring := s.vault.sealing(); ring.First() != "" && strings.HasPrefix(damaged.Key, accounts+"/") {
		var err error
		if value, err = s.vault.sealFile(ring, value, filePlace("records/"+aside)); err != nil {
			return fmt.Errorf("seal the damaged record %s: %w", damaged.Key, err)
		}
	}
	return s.putValue(ctx, aside, value, "")
}

// rebuild gathers what the versions say of a certificate.
func (s *Store) rebuild(ctx context.Context, name string) (*plan.KnownCert, error) {
	ids, err := s.VersionIDs(ctx, name)
	if err != nil {
		return nil, err
	}
	known := &plan.KnownCert{Name: name}
	for _, id := range ids {
		v, err := s.Version(ctx, name, id)
		switch {
		case lost(err):
			continue // it stays where it is, and nobody points to it
		case err != nil:
			return nil, err
		}
		known.Versions = append(known.Versions, v.Version)
	}
	slices.SortFunc(known.Versions, func(a, b plan.Version) int { return a.Created.Compare(b.Created) })
	if n := len(known.Versions); n > 0 {
		known.Published = known.Versions[n-1].ID
	}
	return known, nil
}
