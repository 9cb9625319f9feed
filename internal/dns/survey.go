package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// Agreed asks every authoritative server what it has of a name and type, and
// returns the set that all of them show, with the longest of their TTLs. An
// address without a route does not count while another address of the same
// server answers.
//
// Errors are *Error: with plan.CodeDNSPropagation where servers disagree, which
// may pass by itself, and with plan.CodeDNSLookup where they cannot be found or
// asked. A name that is an alias of another one is such an error.
func (r Resolver) Agreed(ctx context.Context, name, kind string) (Set, error) {
	fail := func(code plan.Code, err error, hint string) error {
		return &Error{Op: fmt.Sprintf("look up the %s records of %s", kind, plain(name)), Code: code, Err: err, Hint: hint}
	}
	target, err := r.Alias(ctx, name)
	if err != nil {
		return Set{}, fail(plan.CodeDNSLookup, err, "")
	}
	start, err := canonical(name)
	if err != nil {
		return Set{}, fail(plan.CodeDNSLookup, err, "")
	}
	if target != plain(start) {
		return Set{}, fail(plan.CodeDNSLookup, fmt.Errorf("it is an alias of %s", target), "name that one in the config instead")
	}
	servers, err := r.Authorities(ctx, name)
	if err != nil {
		return Set{}, fail(plan.CodeDNSLookup, err, "")
	}
	set, differing := r.lookAll(ctx, servers, Set{Name: name, Type: kind})
	if len(differing) == 0 {
		return set, nil
	}
	code := plan.CodeDNSPropagation
	var errs []error
	for _, l := range differing {
		if l.Err != nil {
			code = plan.CodeDNSLookup
		}
		errs = append(errs, errors.New(l.String()))
	}
	return Set{}, fail(code, inOneLine(errs), "")
}

// lookAll asks all servers at the same time. It returns the set that the first
// one of those that answer shows, and those that show another one or none.
func (r Resolver) lookAll(ctx context.Context, servers []Nameserver, want Set) (Set, []Lack) {
	found := make([]Set, len(servers))
	lacks := make([]Lack, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		lacks[i].Server = server
		group.Go(func() { found[i], lacks[i].Err = r.look(ctx, server.Address, want, nil) })
	}
	group.Wait()
	var agreed *Set
	shown := make([]bool, len(servers))
	var longest time.Duration
	for i := range found {
		if lacks[i].Err != nil {
			continue
		}
		if agreed == nil {
			agreed = &found[i]
		}
		if shown[i] = slices.Equal(agreed.Values, found[i].Values); !shown[i] {
			lacks[i].Shows = found[i].Values
		}
		longest = max(longest, found[i].TTL)
	}
	if agreed == nil {
		return Set{}, judge(lacks, shown)
	}
	set := *agreed
	set.TTL = longest
	return set, judge(lacks, shown)
}
