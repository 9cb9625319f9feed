package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/plan"
)

// Program writes records by running a program of the administrator. Make it
// with NewProgram.
type Program struct {
	command  command.Command
	told     Arguments
	env      []string
	zones    []string
	resolver Resolver
}

// ProgramConfig names the program. What Command has in Env and Stdin is kept
// out: the program gets PATH, the variables below, and the same as JSON:
//
//	CERTKEEP_DNS_ACTION  action  add or remove
//	CERTKEEP_DNS_NAME    name    where, without a trailing dot, aliases followed
//	CERTKEEP_DNS_TYPE    type    TXT, TLSA, …
//	CERTKEEP_DNS_VALUE   value   the exact value; the name's other values stay
//	CERTKEEP_DNS_TTL     ttl     seconds
//	CERTKEEP_DNS_ZONE    zone    the zone that the name lies in
//
// It must exit with 0 only when the change is made, and may be repeated.
type ProgramConfig struct {
	Command command.Command
	// Arguments are what follows the program's own; nil is nothing.
	Arguments Arguments
	Env       []string // more variables, as "NAME=value"
	Zones     []string // the longest that fits is told to the program; else the one that DNS says
	Resolver  Resolver
}

// NewProgram checks the config. It runs nothing.
func NewProgram(c ProgramConfig) (*Program, error) {
	if c.Command.Name() == "" {
		return nil, errors.New("no command is given")
	}
	zones, err := canonicalZones(c.Zones)
	return &Program{command: c.Command, told: c.Arguments, env: c.Env, zones: zones, resolver: c.Resolver}, err
}

// Add implements Writer.
func (p *Program) Add(ctx context.Context, r Record) error { return p.run(ctx, "add", r) }

// Remove implements Writer.
func (p *Program) Remove(ctx context.Context, r Record) error { return p.run(ctx, "remove", r) }

func (p *Program) run(ctx context.Context, action string, r Record) error {
	fail := func(err error, hint string) error {
		op := fmt.Sprintf("%s the %s record of %s", action, r.Type, plain(r.Name))
		return &Error{Op: op, Code: plan.CodeDNSUpdate, Err: err, Hint: hint}
	}
	rr, err := r.resource()
	if err != nil {
		return fail(err, "")
	}
	name := rr.Header().Name
	zone, err := p.resolver.zoneAmong(ctx, p.zones, name)
	if err != nil {
		return fail(err, "list the zone in zones")
	}
	change := struct {
		Action string `json:"action"`
		Name   string `json:"name"`
		Type   string `json:"type"`
		Value  string `json:"value"`
		TTL    uint32 `json:"ttl"`
		Zone   string `json:"zone"`
	}{action, plain(name), r.Type, r.Value, r.seconds(), plain(zone)}
	stdin, err := json.Marshal(change)
	if err != nil {
		return fail(err, "")
	}
	c := p.command
	if p.told != nil {
		args, err := p.told(action == "add", r)
		if err != nil {
			return fail(err, "name another dns entry for it, whose command takes the CERTKEEP_DNS_ variables")
		}
		c = c.With(args...)
	}
	c.Stdin = append(stdin, '\n')
	c.Env = append(slices.Clone(p.env),
		"CERTKEEP_DNS_ACTION="+change.Action,
		"CERTKEEP_DNS_NAME="+change.Name,
		"CERTKEEP_DNS_TYPE="+change.Type,
		"CERTKEEP_DNS_VALUE="+change.Value,
		"CERTKEEP_DNS_TTL="+strconv.FormatUint(uint64(change.TTL), 10),
		"CERTKEEP_DNS_ZONE="+change.Zone,
	)
	if err := c.Trusted(); err != nil {
		return fail(err, "")
	}
	if _, err := command.Run(ctx, c); err != nil {
		return fail(err, "run it by hand with the same CERTKEEP_DNS_ variables to see why")
	}
	return nil
}

// Arguments says what a program is told of a record that is to be there, or not
// any more, in the manner of another tool. The error says that it cannot be told
// of such a record.
type Arguments func(there bool, r Record) ([]string, error)

// ModMD is how mod_md runs its MDChallengeDns01, which it tells of the domain.
func ModMD(there bool, r Record) ([]string, error) {
	domain, ok := strings.CutPrefix(plain(r.Name), "_acme-challenge.")
	if !ok || r.Type != "TXT" {
		return nil, errors.New("a program of mod_md's kind writes TXT records of _acme-challenge names only")
	}
	if !there {
		return []string{"teardown", domain, r.Value}, nil
	}
	return []string{"setup", domain, r.Value}, nil
}

// Lego is how lego runs the program of its provider exec, unless in the mode RAW: it
// is told of the record.
func Lego(there bool, r Record) ([]string, error) {
	if r.Type != "TXT" {
		return nil, errors.New("a program of lego's kind writes TXT records only")
	}
	name := plain(r.Name) + "."
	if !there {
		return []string{"cleanup", name, r.Value}, nil
	}
	return []string{"present", name, r.Value}, nil
}
