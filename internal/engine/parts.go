package engine

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/ct"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/issuer"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// parts are the doers that a config describes. They are made as a whole and
// not changed afterwards; a new config takes over those that stayed the same,
// with their connections and listeners.
type parts struct {
	cfg      *config.Config
	wanted   plan.Wanted
	issuers  map[string]*authority
	http     map[string]*challenge.HTTP01    // by address
	tls      map[string]*challenge.TLSALPN01 // by address
	writers  map[string]*writer              // by name in `dns`
	webroots *webroots
	manual   *challenge.Manual
	deployer *deploy.Deployer
	places   handover.Installer // the deployer, or a helper that runs as root
	askers   map[string]*asker  // by the proxy that they use; "" is none
	ct       *ct.Client
	helped   bool // it is a helper
	network  network.Network
	disk     durable.Disk
}

// authority is a CA that is configured. Its client is made when it is first
// asked, so that an unreadable secret of one CA stops no other.
type authority struct {
	config    config.Issuer
	userAgent string
	network   network.Network
	asked     func(method string, status int, took time.Duration)
	slots     chan struct{} // as many as may ask the CA at once

	mu    sync.Mutex // guards what follows; held while it is made
	ca    *issuer.CA
	roots []byte // what ca trusts; nil: what the system does
	key   accountKey
}

// serves reports whether the client still does what the config says.
func (a *authority) serves(c config.Issuer, slots int) bool {
	if !reflect.DeepEqual(a.config, c) || cap(a.slots) != slots {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ca == nil || c.RootsFile == "" {
		return true
	}
	roots, err := os.ReadFile(c.RootsFile)
	return err != nil || bytes.Equal(roots, a.roots) // a file that is gone is no reason to trust nobody
}

// accountKey is the private key of an account, read once for all its orders.
type accountKey struct {
	fingerprint string
	signer      crypto.Signer
}

// writer is a way to write DNS records.
type writer struct {
	config config.DNS
	key    *dns.TSIG     // what was read of its file
	env    []string      // for its program
	zones  *dns.ZoneFile // nil unless it is one
	solver challenge.Solver
	zone   zone
}

// zone is who writes records that are no answers to challenges, and how it is
// seen whether they are there.
type zone struct {
	writer   dns.Writer
	resolver dns.Resolver
	timeout  time.Duration // how long all servers may take to show what was written
	err      error         // why there is none
}

// webroots are the doers of http-01 by files, by pattern. Certificates share
// them: each knows which folders it made, and removes them after the last use.
type webroots struct {
	mu    sync.Mutex // guards known
	known map[config.Method]*challenge.Webroot
}

// at returns the doer of a method; nil where config's check of it has failed.
func (w *webroots) at(m config.Method, disk durable.Disk) *challenge.Webroot {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.ShownWithin = 0 // the folder is the same
	if solver := w.known[m]; solver != nil {
		return solver
	}
	open, pattern := challenge.NewWebroot, m.Webroot
	if m.Folder != "" {
		open, pattern = challenge.NewFolder, m.Folder
	}
	solver, err := open(pattern, disk)
	if err != nil {
		return nil
	}
	w.known[m] = solver
	return solver
}

// shown has answers in a folder looked at before the CA does, where the config
// says how long for.
func (p *parts) shown(w *challenge.Webroot, within time.Duration) challenge.Solver {
	switch {
	case w == nil:
		return nil
	case within == 0:
		return w
	}
	port, _ := p.cfg.Listen.Outside.Here()
	return challenge.Shown(w, within, p.network, port)
}

func newParts(cfg *config.Config, old *parts, o Options) (*parts, error) {
	if old == nil {
		old = &parts{}
	}
	p := &parts{
		cfg: cfg, wanted: cfg.Wanted(), disk: o.Disk, network: o.Network, issuers: map[string]*authority{},
		http: map[string]*challenge.HTTP01{}, tls: map[string]*challenge.TLSALPN01{}, writers: map[string]*writer{},
	}
	for id, c := range cfg.Issuers {
		if was := old.issuers[id]; was != nil && was.serves(c, cfg.Concurrency) {
			p.issuers[id] = was
			continue
		}
		p.issuers[id] = &authority{config: c, userAgent: o.UserAgent, network: o.Network, asked: o.asked(id), slots: make(chan struct{}, cfg.Concurrency)}
	}
	if p.webroots = old.webroots; p.webroots == nil {
		p.webroots = &webroots{known: map[config.Method]*challenge.Webroot{}}
	}
	if p.manual = old.manual; p.manual == nil {
		p.manual = challenge.NewManual()
	}
	if p.ct = old.ct; p.ct == nil {
		p.ct = ct.NewClient(o.Network, o.UserAgent)
	}
	if err := p.askersBy(old, o); err != nil {
		return nil, err
	}
	p.listeners(old, o.Hosted)
	p.dnsWriters(old)
	p.deployer = old.deployer
	if p.deployer == nil || old.cfg.State != cfg.State {
		options := deploy.Options{State: cfg.State, Disk: o.Disk}
		if o.Store != nil {
			options.Sealer = o.Store
		}
		p.deployer = deploy.New(options)
	}
	p.places = p.deployer
	if p.helped = cfg.Helper.On() && !o.Helps; p.helped {
		p.places = &handover.Client{Socket: cfg.Helper.Socket}
	}
	return p, nil
}

// listeners keeps the own listeners whose address stayed the same.
func (p *parts) listeners(old *parts, hosted bool) {
	listen := func(address string) challenge.Listen {
		if hosted {
			return challenge.Hosted
		}
		return challenge.ListenOn(p.network, address)
	}
	if addr := p.cfg.Listen.HTTP.Address; addr != "" {
		if p.http[addr] = old.http[addr]; p.http[addr] == nil {
			p.http[addr] = challenge.NewHTTP01(listen(addr))
		}
	}
	if addr := p.cfg.Listen.TLS; addr != "" {
		if p.tls[addr] = old.tls[addr]; p.tls[addr] == nil {
			p.tls[addr] = challenge.NewTLSALPN01(listen(addr))
		}
	}
}

// dnsWriters keeps the ways to write DNS records that stayed the same. One
// that cannot be used fails when it is used: it stops no other.
func (p *parts) dnsWriters(old *parts) {
	for name, c := range p.cfg.DNS {
		c, key, env, err := dnsVariables(c)
		if was := old.writers[name]; err == nil && was.same(c, key, env) {
			p.writers[name] = was
			continue
		}
		z := zone{resolver: resolverOf(c, p.network), timeout: c.Propagation.Timeout, err: err}
		var zones *dns.ZoneFile
		switch {
		case err != nil:
		case c.Provider == config.ProviderZoneFile:
			zones, z.err = newZoneFile(c, p.network, p.disk)
			z.writer = zones
		default:
			z.writer, z.err = newDNSWriter(c, key, env, z.resolver)
		}
		if err := z.err; err != nil {
			z.err = &FaultError{Fault: newFault(plan.CodeDNSUpdate, plan.BlameAdmin, fmt.Sprintf("dns.%s cannot be used: %v", name, err)), Err: err}
		}
		p.writers[name] = &writer{config: c, key: key, env: env, zones: zones, solver: z.solver(c), zone: z}
	}
}

// resolverOf asks where the config says who is authoritative, and whether
// records are to be seen.
func resolverOf(c config.DNS, n network.Network) dns.Resolver {
	resolver := dns.Resolver{Nameservers: c.Propagation.Servers, Network: n}
	if c.Resolver != "" {
		resolver.Servers = []string{c.Resolver}
	}
	return resolver
}

// solver answers dns-01 by one entry of the config's `dns`.
func (z zone) solver(c config.DNS) challenge.Solver {
	if z.err != nil {
		return unusable{err: z.err}
	}
	solver := challenge.NewDNS01(challenge.DNS01Config{Writer: z.writer, Resolver: z.resolver, TTL: c.TTL, Timeout: c.Propagation.Timeout})
	if c.Propagation.Off {
		return unseen{solver}
	}
	return solver
}

// unseen is a solver whose answers are not looked for: it hides Wait.
type unseen struct{ challenge.Solver }

// Lasting implements challenge.Lasting.
func (unseen) Lasting() {}

// unusable is a solver of dns-01 that was configured and cannot work.
type unusable struct{ err error }

// Type implements challenge.Solver.
func (unusable) Type() string { return challenge.TypeDNS01 }

// Present says why it cannot.
func (u unusable) Present(context.Context, challenge.Challenge) error { return u.err }

// CleanUp says so too: what was presented before it became unusable stays.
func (u unusable) CleanUp(context.Context, challenge.Challenge) error { return u.err }

// argumentsOf is what a program is told by its arguments.
func argumentsOf(m config.Manner) dns.Arguments {
	switch m {
	case config.MannerModMD:
		return dns.ModMD
	case config.MannerLego:
		return dns.Lego
	}
	return nil
}

func newDNSWriter(c config.DNS, key *dns.TSIG, env []string, resolver dns.Resolver) (dns.Writer, error) {
	if c.Provider == config.ProviderCommand {
		return dns.NewProgram(dns.ProgramConfig{
			Command:   command.Command{Args: c.Command.Args, Shell: c.Command.Shell, Timeout: c.Timeout},
			Arguments: argumentsOf(c.Arguments),
			Env:       env,
			Zones:     c.Zones,
			Resolver:  resolver,
		})
	}
	return dns.NewRFC2136(dns.RFC2136Config{Server: c.Server, TSIG: key, Zones: c.Zones, Timeout: c.Timeout, Resolver: resolver})
}

// tsigKey reads the key that signs updates; nil where none does.
func tsigKey(c config.DNS) (*dns.TSIG, error) {
	if c.TSIGFile == "" {
		return nil, nil
	}
	text, err := config.SecretRef{File: c.TSIGFile}.Read()
	if err != nil {
		return nil, err
	}
	key, err := dns.ParseTSIG(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.TSIGFile, err)
	}
	return &key, nil
}
