package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/plan"
)

// inZone is the sets of one zone, which change together.
type inZone struct {
	zone    string
	servers []string // addresses of the server that takes updates
	sets    []Set
}

// errTwice: the second set would take away what the first one added.
var errTwice = errors.New("the same records are given twice")

// errStrange: what stands in DNS goes into the environment of a program, which
// may read it line by line.
var errStrange = errors.New("a foreign record has control characters in it; remove it by hand")

// Replace implements Replacer: one signed update for each zone, which the
// server makes as a whole or not at all (RFC 2136 section 3.7). A TTL that
// differs is a difference.
func (u *RFC2136) Replace(ctx context.Context, sets ...Set) (changed []Set, err error) {
	zones, errs := u.group(ctx, sets)
	for _, z := range zones {
		done, err := u.replace(ctx, z)
		if err != nil {
			errs = append(errs, replaceError(err, u.hint(err, z.zone), z.sets...))
			continue
		}
		changed = append(changed, done...)
	}
	return changed, inOneLine(errs)
}

// group sorts the sets by their zones. What is wrong with one, or its zone, is
// no obstacle to the others.
func (u *RFC2136) group(ctx context.Context, sets []Set) (zones []*inZone, errs []error) {
	seen := make(map[string]bool)
	for _, s := range sets {
		name, _, _, err := s.wire()
		if key := name + " " + s.Type; err == nil && seen[key] {
			err = errTwice
		} else {
			seen[key] = true
		}
		var zone string
		var servers []string
		if err == nil {
			limited, cancel := context.WithTimeout(ctx, u.timeout)
			zone, servers, err = u.locate(limited, name)
			cancel()
		}
		if err != nil {
			errs = append(errs, replaceError(err, u.hint(err, ""), s))
			continue
		}
		i := slices.IndexFunc(zones, func(z *inZone) bool { return z.zone == zone })
		if i < 0 {
			i, zones = len(zones), append(zones, &inZone{zone: zone, servers: servers})
		}
		zones[i].sets = append(zones[i].sets, s)
	}
	return zones, errs
}

// replace changes what differs in one zone, by one update.
func (u *RFC2136) replace(ctx context.Context, z *inZone) (changed []Set, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	m := new(dns.Msg)
	m.SetUpdate(z.zone)
	for _, s := range z.sets {
		differs, err := u.differs(ctx, z.servers, s)
		if err != nil {
			return nil, err
		}
		if !differs {
			continue
		}
		name, kind, rrs, err := s.wire()
		if err != nil {
			return nil, err
		}
		if len(rrs) > 0 {
			noAlias(m, name)
		}
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: kind}}})
		m.Insert(rrs)
		changed = append(changed, s)
	}
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, u.ask(ctx, z.servers, func(server string) error {
		_, err := u.resolver.exchange(ctx, server, m, u.key)
		return err
	})
}

// differs reports whether the server that takes updates has another set.
func (u *RFC2136) differs(ctx context.Context, servers []string, s Set) (bool, error) {
	var found Set
	err := u.ask(ctx, servers, func(server string) (err error) {
		found, err = u.resolver.look(ctx, server, s, u.key)
		return err
	})
	if err != nil {
		return false, err
	}
	same, err := s.same(found)
	sameTTL := len(found.Values) == 0 || found.TTL == time.Duration(Record{TTL: s.TTL}.seconds())*time.Second
	return !same || !sameTTL, err
}

// Replace implements Replacer: the program adds the values that some
// authoritative server lacks, then removes those that are too many. Servers
// that cannot be asked are passed over while another answers, and a TTL that
// alone differs stays. The authoritative servers may lag: then the program is
// told again what it has done.
func (p *Program) Replace(ctx context.Context, sets ...Set) (changed []Set, err error) {
	var errs []error
	for _, s := range sets {
		done, err := p.replace(ctx, s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if done {
			changed = append(changed, s)
		}
	}
	return changed, inOneLine(errs)
}

func (p *Program) replace(ctx context.Context, s Set) (changed bool, err error) {
	missing, extra, err := p.difference(ctx, s)
	if err != nil {
		return false, replaceError(err, "list the servers to ask in nameservers", s)
	}
	record := func(value string) Record { return Record{Name: s.Name, Type: s.Type, Value: value, TTL: s.TTL} }
	for _, value := range missing {
		if err := p.Add(ctx, record(value)); err != nil {
			return false, err
		}
	}
	// Killed here, more is published than should be: the next look sees it.
	for _, value := range extra {
		if err := p.Remove(ctx, record(value)); err != nil {
			return false, err
		}
	}
	return len(missing)+len(extra) > 0, nil
}

// difference returns the values that some server lacks, and those that some
// server has beyond the set.
func (p *Program) difference(ctx context.Context, s Set) (missing, extra []string, err error) {
	wanted, err := s.canonicalValues()
	if err != nil {
		return nil, nil, err
	}
	servers, err := p.resolver.Authorities(ctx, s.Name)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for _, server := range servers {
		found, err := p.resolver.Look(ctx, server, s.Name, s.Type)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, value := range wanted {
			if !slices.Contains(found.Values, value) && !slices.Contains(missing, value) {
				missing = append(missing, value)
			}
		}
		for _, value := range found.Values {
			if strings.ContainsFunc(value, unicode.IsControl) && !slices.Contains(wanted, value) {
				return nil, nil, fmt.Errorf("%.100q at %s: %w", value, plain(s.Name), errStrange)
			}
			if !slices.Contains(wanted, value) && !slices.Contains(extra, value) {
				extra = append(extra, value)
			}
		}
	}
	if len(errs) == len(servers) {
		return nil, nil, inOneLine(errs)
	}
	slices.Sort(missing)
	slices.Sort(extra)
	return missing, extra, nil
}

// replaceError is a failure to replace sets.
func replaceError(err error, hint string, sets ...Set) error {
	var names []string
	for _, s := range sets {
		names = append(names, plain(s.Name))
	}
	op := fmt.Sprintf("replace the %s records of %s", sets[0].Type, strings.Join(names, ", "))
	return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: hint}
}
