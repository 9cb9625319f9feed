package store

import (
	"context"
	"errors"
	"sync"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// The folders of records that this file reads and writes.
const (
	groupsFolder = "groups"
	nodesFolder  = "nodes"
)

// groupRecord is one key group.
type groupRecord struct {
	header
	Group string                     `json:"group"`
	Certs map[string]*plan.KnownCert `json:"certs"`
}

// groupKey is the key of the group that a certificate belongs to: a lone
// certificate is a group of one that has its name.
func groupKey(cert string) string { return keyOf(groupsFolder, cert) }

// targetsRecord is what a node knows of one certificate's targets.
type targetsRecord struct {
	header
	Certificate string                 `json:"certificate"`
	Targets     map[string]plan.Target `json:"targets"`
}

// targetsFolder is the folder of a node's targets.
func targetsFolder(node string) string { return keyOf(nodesFolder, node, "targets") }

// KnownCert returns all that is known of one certificate. Where nothing is,
// it is empty but for its name. What cannot be read is told in its Damage;
// an error means that nobody could have known.
func (s *Store) KnownCert(ctx context.Context, name string) (*plan.KnownCert, error) {
	known, _, err := s.knownCert(ctx, name)
	return known, err
}

// knownCert is KnownCert, and whether there is a record of the certificate.
func (s *Store) knownCert(ctx context.Context, name string) (known *plan.KnownCert, found bool, err error) {
	known = &plan.KnownCert{Name: name}
	entry, err := s.backend.Get(ctx, groupKey(name))
	if !errors.Is(err, ErrNotFound) {
		if err != nil && ctx.Err() != nil || errors.Is(err, backend.ErrKey) {
			return nil, false, err
		}
		found = true
		for _, cert := range s.decodeGroup(name, entry, err) {
			if cert.Name == name {
				known = cert
			}
		}
	}
	if s.node == "" {
		return known, found, nil
	}
	entry, err = s.backend.Get(ctx, keyOf(targetsFolder(s.node), name))
	if errors.Is(err, ErrNotFound) {
		return known, found, nil
	}
	if err != nil && ctx.Err() != nil {
		return nil, false, err
	}
	s.addTargets(known, entry, err)
	return known, true, nil
}

// decodeGroup turns a group's entry, or the error of reading it, into what is
// known of its certificates.
func (s *Store) decodeGroup(group string, entry backend.Entry, err error) []*plan.KnownCert {
	var r groupRecord
	if err == nil {
		r, err = s.groups.Decode(entry.Value)
		err = judge(entry.Key, &r, err)
	}
	if err == nil && r.Group != group {
		err = foreign(entry.Key, r.Group)
	}
	if err != nil {
		return []*plan.KnownCert{{Name: group, Damage: err.Error(), Newer: !lost(err)}}
	}
	certs := make([]*plan.KnownCert, 0, len(r.Certs))
	for name, cert := range r.Certs {
		if cert == nil {
			cert = &plan.KnownCert{}
		}
		cert.Name = name
		certs = append(certs, cert)
	}
	return certs
}

// addTargets adds the facts of a targets entry, or the error of reading it. A
// damaged one is as if there was none: installing again finds its facts
// again. One that a later Certkeep wrote is not ours to act upon.
func (s *Store) addTargets(cert *plan.KnownCert, entry backend.Entry, err error) {
	var r targetsRecord
	if err == nil {
		r, err = s.targets.Decode(entry.Value)
		err = judge(entry.Key, &r, err)
	}
	if err == nil && r.Certificate != cert.Name {
		err = foreign(entry.Key, r.Certificate)
	}
	switch {
	case err == nil:
		cert.Targets = r.Targets
	case !lost(err) && cert.Damage == "":
		cert.Damage, cert.Newer = err.Error(), true
	}
}

// Known returns everything that is known. A record that cannot be read is the
// Damage of its certificate; the others go on. An error means that the
// listing itself failed, and nothing must be decided.
func (s *Store) Known(ctx context.Context) (plan.Known, error) {
	known := plan.Known{Certs: map[string]*plan.KnownCert{}}
	var mu sync.Mutex // guards known.Certs while the workers decode
	err := s.backend.Scan(ctx, groupsFolder, func(entry backend.Entry, err error) error {
		group := lastName(entry.Key)
		certs := s.decodeGroup(group, entry, err)
		mu.Lock()
		defer mu.Unlock()
		for _, cert := range certs {
			// A name in two groups: the group of that name rules.
			if known.Certs[cert.Name] == nil || cert.Name == group {
				known.Certs[cert.Name] = cert
			}
		}
		return nil
	})
	if err == nil && s.node != "" {
		err = s.scanTargets(ctx, known.Certs)
	}
	if err == nil {
		known.Issuers, err = s.issuers(ctx)
	}
	if err == nil {
		known.Banned, err = s.Banned(ctx)
	}
	if err == nil {
		known.Keys, err = s.keySets(ctx)
	}
	if err == nil {
		known.Channels, err = s.channels(ctx)
	}
	if err == nil {
		known.Seal, err = s.sealShown(ctx)
	}
	return known, err
}

// scanTargets adds this node's facts to certs.
func (s *Store) scanTargets(ctx context.Context, certs map[string]*plan.KnownCert) error {
	var mu sync.Mutex // guards certs; each certificate has one targets record
	return s.backend.Scan(ctx, targetsFolder(s.node), func(entry backend.Entry, err error) error {
		name := lastName(entry.Key)
		mu.Lock()
		cert := certs[name]
		if cert == nil {
			cert = &plan.KnownCert{Name: name}
			certs[name] = cert
		}
		mu.Unlock()
		s.addTargets(cert, entry, err)
		return nil
	})
}

// UpdateCert changes what is known of one certificate, its targets excepted:
// they are nil in what apply is given. A damaged record is an error; see
// Repair.
func (s *Store) UpdateCert(ctx context.Context, name string, apply func(*plan.KnownCert) error) error {
	key := groupKey(name)
	return update(ctx, s, change[*groupRecord]{
		key: key,
		decode: func(value []byte) (*groupRecord, error) {
			r, err := s.groups.Decode(value)
			return &r, err
		},
		fresh: func() *groupRecord {
			return &groupRecord{Group: name, Certs: map[string]*plan.KnownCert{name: {Name: name}}}
		},
		check: func(r *groupRecord) error {
			if r.Group != name {
				return foreign(key, r.Group)
			}
			return nil
		},
		apply: func(r *groupRecord) error {
			cert := r.Certs[name]
			if cert == nil {
				cert = &plan.KnownCert{}
			}
			cert.Name = name
			if r.Certs == nil {
				r.Certs = map[string]*plan.KnownCert{}
			}
			r.Certs[name] = cert
			return apply(cert)
		},
	})
}

// UpdateTargets changes this node's facts about one certificate's targets. A
// target deleted from the map is forgotten. A damaged record is replaced.
func (s *Store) UpdateTargets(ctx context.Context, name string, apply func(map[string]plan.Target) error) error {
	key := keyOf(targetsFolder(s.node), name)
	return update(ctx, s, change[*targetsRecord]{
		key:     key,
		rebuild: true,
		decode: func(value []byte) (*targetsRecord, error) {
			r, err := s.targets.Decode(value)
			return &r, err
		},
		fresh: func() *targetsRecord {
			return &targetsRecord{Certificate: name, Targets: map[string]plan.Target{}}
		},
		check: func(r *targetsRecord) error {
			if r.Certificate != name {
				return foreign(key, r.Certificate)
			}
			return nil
		},
		apply: func(r *targetsRecord) error {
			if r.Targets == nil {
				r.Targets = map[string]plan.Target{}
			}
			return apply(r.Targets)
		},
	})
}
