package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

func (a *app) dnsCommand() *cobra.Command {
	return group("dns", "Look at the records that certificates need in DNS", a.dnsRecordCommand(), a.dnsTestCommand())
}

// dnsRecords are what `dns record` prints; see docs/json.md.
type dnsRecords struct {
	Certificate string      `json:"certificate,omitempty"`
	Keys        string      `json:"keys,omitempty"` // whose certificates they are of, where these were named
	Records     []dnsRecord `json:"records"`
	Notes       []string    `json:"notes"`
}

type dnsRecord struct {
	Name  string `json:"name"`
	TTL   int    `json:"ttl,omitempty"` // seconds
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (a *app) dnsRecordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "record NAME",
		Short: "Print the CAA and TLSA records to publish, as lines of a zone file",
		Long: "Prints the records that a certificate is to have in DNS: CAA records that let its issuers\n" +
			"sign (RFC 8659), by what these say of themselves, and the TLSA records of `tlsa`. What\n" +
			"Certkeep writes itself is named in comments. The name of keys means all certificates on them.",
		Args:              allArgs(atLeast(1, "the name of a certificate, or of keys"), atMost(1)),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			names, err := named(cfg, args)
			if err != nil {
				return err
			}
			all := dnsRecords{Keys: plainName(args[0]), Records: []dnsRecord{}, Notes: []string{}}
			if cfg.Certificate(all.Keys) != nil {
				all.Certificate, all.Keys = all.Keys, ""
			}
			text := ""
			for _, name := range names {
				own := dnsRecords{Certificate: name}
				own.gather(cmd.Context(), cfg, w)
				text += all.add(own).zoneFile(all.Keys != "")
			}
			if a.json {
				return a.ui.printJSON(all)
			}
			a.ui.print(text)
			return nil
		},
	}
}

// gather looks for all that the certificate is to have.
func (r *dnsRecords) gather(ctx context.Context, cfg *config.Config, w plan.World) {
	cert := cfg.Certificate(r.Certificate)
	r.challenges(cfg, cert)
	r.caa(ctx, cfg, cert)
	r.tlsa(cert, w)
}

// add takes in what another certificate is to have, and returns that without
// what was there already: in a zone it stands once.
func (r *dnsRecords) add(own dnsRecords) dnsRecords {
	own.Records = slices.DeleteFunc(own.Records, func(rec dnsRecord) bool { return slices.Contains(r.Records, rec) })
	own.Notes = slices.DeleteFunc(own.Notes, func(note string) bool { return slices.Contains(r.Notes, note) })
	r.Records, r.Notes = append(r.Records, own.Records...), append(r.Notes, own.Notes...)
	return own
}

// challenges tells what Certkeep writes while it proves names.
func (r *dnsRecords) challenges(cfg *config.Config, cert *config.Certificate) {
	for _, t := range engine.DNSTests(cfg, []string{cert.Name}) {
		if t.Type == "TXT" {
			r.Notes = append(r.Notes, fmt.Sprintf("%s TXT is written through dns entry %q during an order, or where its CNAME leads", t.Name, t.Via))
		}
	}
}

// caa are records for each name below which none of the others lies: CAs look
// upwards from a name until they find some.
func (r *dnsRecords) caa(ctx context.Context, cfg *config.Config, cert *config.Certificate) {
	domains := map[string]bool{}
	for _, id := range cert.Issuers {
		named, err := engine.CAAOf(ctx, cfg, id, userAgent())
		switch {
		case err != nil:
			r.Notes = append(r.Notes, fmt.Sprintf("what CAA records call issuer %s is not known: %v", id, err))
		case len(named) == 0:
			r.Notes = append(r.Notes, fmt.Sprintf("issuer %s does not say what CAA records call it", id))
		}
		for _, domain := range named {
			domains[domain] = true
		}
	}
	for _, name := range tops(cert.Names) {
		for _, domain := range slices.Sorted(maps.Keys(domains)) {
			tag := "issue"
			host, wildcard := strings.CutPrefix(name, "*.")
			if wildcard {
				tag = "issuewild"
			}
			r.Records = append(r.Records, dnsRecord{Name: host, Type: "CAA", Value: fmt.Sprintf("0 %s %q", tag, domain)})
		}
	}
}

// tops are the DNS names that lie below no other of them, wildcards apart.
func tops(names []string) []string {
	covered := func(name string) bool {
		_, wildcard := strings.CutPrefix(name, "*.")
		return slices.ContainsFunc(names, func(other string) bool {
			above, alike := strings.CutPrefix(other, "*.")
			return alike == wildcard && strings.HasSuffix(name, "."+above) && other != name
		})
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := netip.ParseAddr(name)
		return err == nil || covered(name)
	})
}

// tlsa are the records that have to be there now.
func (r *dnsRecords) tlsa(cert *config.Certificate, w plan.World) {
	i := slices.IndexFunc(w.Wanted.Certs, func(c plan.WantedCert) bool { return c.Name == cert.Name })
	for _, want := range w.Wanted.Certs[i].TLSA {
		entry := cert.TLSA[slices.IndexFunc(cert.TLSA, func(t config.TLSA) bool { return t.Name == want.Name })]
		r.Notes = append(r.Notes, fmt.Sprintf("%s TLSA is written through dns entry %q", want.Name, entry.Via))
		records, ok := plan.TLSARecords(time.Now(), w, w.Wanted.Certs[i], want.Name)
		if !ok {
			r.Notes = append(r.Notes, fmt.Sprintf("the TLSA records of %s are known once `certkeep apply` has a certificate", want.Name))
		}
		for _, text := range records {
			r.Records = append(r.Records, dnsRecord{Name: want.Name, TTL: int(entry.TTL / time.Second), Type: "TLSA", Value: text})
		}
	}
}

// zoneFile is the records as lines of a zone file (RFC 1035 section 5), below the
// name of the certificate where it is one of several.
func (r dnsRecords) zoneFile(titled bool) string {
	var b strings.Builder
	if titled {
		fmt.Fprintf(&b, "; certificate %s\n", r.Certificate)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "; %s\n", visible([]byte(note)))
	}
	for _, rec := range r.Records {
		ttl := ""
		if rec.TTL > 0 {
			ttl = fmt.Sprintf("%d ", rec.TTL)
		}
		fmt.Fprintf(&b, "%s. %sIN %s %s\n", rec.Name, ttl, rec.Type, rec.Value)
	}
	return b.String()
}

// dnsTests are what `dns test` prints; see docs/json.md.
type dnsTests struct {
	Time     time.Time `json:"time"`
	ExitCode int       `json:"exit_code"`
	Tests    []dnsTest `json:"tests"`
}

type dnsTest struct {
	Name  string      `json:"name"`
	Type  string      `json:"type"`
	Via   string      `json:"via"`
	Fault *plan.Fault `json:"fault,omitempty"`
}

func (a *app) dnsTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME…]",
		Short: "Write, see and remove a record through each entry of `dns`, without a CA",
		Long: "Writes a record that means nothing wherever the certificates need one (TXT for dns-01,\n" +
			"TLSA for `tlsa`), looks whether every name server shows it, and removes it. No CA is\n" +
			"asked and no state is touched. A TLSA record is one that clients pass over.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, names, err := a.ofNames(names)
			if err != nil {
				return err
			}
			tests := engine.DNSTests(cfg, names)
			if len(tests) == 0 {
				return usage("no record is written for any of the certificates", "they need one where a rule says dns-01, or a certificate has `tlsa`")
			}
			return a.testDNS(cmd.Context(), cfg, tests)
		},
	}
}

// testDNS makes the tests one after another: programs and name servers of
// administrators may not be made for more.
func (a *app) testDNS(ctx context.Context, cfg *config.Config, tests []engine.DNSTest) error {
	all := dnsTests{Tests: make([]dnsTest, 0, len(tests))}
	stop := a.ui.startLive()
	for _, t := range tests {
		step := plan.Step{Cert: t.Name}
		fault := engine.TryDNS(ctx, cfg, t, func(words string) {
			a.ui.watch(engine.Progress{Time: time.Now(), Cert: t.Name, Step: &step, Stage: words})
		})
		a.ui.watch(engine.Progress{Time: time.Now(), Cert: t.Name, Step: &step, Fault: fault})
		if ctx.Err() != nil {
			break
		}
		all.Tests = append(all.Tests, dnsTest{Name: t.Name, Type: t.Type, Via: t.Via, Fault: fault})
		if fault != nil {
			all.ExitCode = exitFailed
		}
	}
	stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	all.Time = time.Now().UTC()
	return a.show(all, func() string { return a.describeDNSTests(all) }, all.ExitCode)
}

func (a *app) describeDNSTests(all dnsTests) string {
	r := renderer{now: all.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	var b strings.Builder
	for _, t := range all.Tests {
		switch {
		case t.Fault != nil:
			fmt.Fprintf(&b, "%s %s via %s: failed\n", t.Name, t.Type, t.Via)
			b.WriteString(r.fault(*t.Fault))
		case !a.quiet:
			fmt.Fprintf(&b, "%s %s via %s: written, seen, removed\n", t.Name, t.Type, t.Via)
		}
	}
	return b.String()
}
