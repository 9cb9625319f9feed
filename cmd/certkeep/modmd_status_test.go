package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

// What Certkeep answers otherwise than mod_md, on purpose: "-" is said by mod_md
// alone, "+" by Certkeep alone. What lies below a path is named with it.
// docs/status.md tells of each.
func modMDDifferences() map[string]string {
	return map[string]string{
		"- transitive":                       "whether names of virtual hosts are added is no setting of a certificate",
		"- proto":                            "no virtual host answers tls-alpn-01 for Certkeep",
		"- ca.account":                       "an account belongs to an issuer",
		"+ ca.url":                           "mod_md says it from its first account on",
		"+ privkey":                          "mod_md says it only where it is configured",
		"- cert.rsa.ocsp.renewal":            "`status` tells when a response is asked for again, server-status too",
		"- cert.secp256r1.ocsp.renewal":      "likewise",
		"- renewal.last.activity":            "the step that it is at stands in the log",
		"- renewal.last.subproblems":         "they stand in `detail`",
		"- renewal.log":                      "`certkeep history` has it",
		"- ManagedDomain CheckAtType":        "a link to a search page says nothing of this certificate",
		"- ManagedDomain CheckAtName":        "likewise",
		"- ManagedDomain CheckAtURL":         "likewise",
		"- ManagedDomain CheckAtFingerprint": "likewise",
		"- ManagedStapling CertificateID":    "Certkeep has no such identifier",
		"+ ManagedDomain ActivityRetries":    "mod_md says it from the second on",
	}
}

// modMDDomains are domains in all states, as the administrator has them.
const modMDDomains = `MDomain broken.test
<MDomain hand.test>
MDRenewMode manual
MDWarnWindow 20d
</MDomain>
`

// TestModMDStatus compares what a real mod_md says of domains in all states with
// what Certkeep says of the same, got from the same CA.
func TestModMDStatus(t *testing.T) {
	t.Parallel()
	m := newModMD(t)
	m.begins()
	m.configure(strings.Replace(modMDBegins, "MDomain staged.test", "MDomain staged.test new.staged.test", 1)+modMDDomains,
		"full.test", "staged.test", "broken.test", "hand.test")
	m.process.Signal(t, syscall.SIGUSR1)
	m.awaits("/md-status/staged.test", func(text string) bool {
		return strings.Contains(text, `"new.staged.test"`) && strings.Contains(text, `"notified-renewed": true`)
	})
	m.awaits("/md-status/broken.test", func(text string) bool { return strings.Contains(text, `"errors": 1`) })
	m.awaits("/md-status/full.test", func(text string) bool { return strings.Count(text, `"ocsp"`) == 2 })
	m.awaits("/md-status/staged.test", func(text string) bool { return strings.Contains(text, `"ocsp"`) })

	domains := []string{"broken.test", "full.test", "hand.test", "staged.test"}
	theirs := map[string]string{"/server-status?auto": m.get("plain.test", "/server-status?auto"), "/md-status": m.get("plain.test", "/md-status")}
	for _, domain := range domains {
		theirs["/md-status/"+domain] = m.get("plain.test", "/md-status/"+domain)
		theirs["/.httpd/certificate-status/"+domain] = m.get(domain, "/.httpd/certificate-status")
	}
	m.process.Stop(syscall.SIGTERM)

	ours := m.ownStatus()
	met := map[string]bool{}
	for path, text := range theirs {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		ours.ServeHTTP(w, r)
		compareModMD(t, path, text, w.Body.String(), met)
	}
	for d := range modMDDifferences() {
		if !met[d] {
			t.Errorf("there is no difference %q", d)
		}
	}
}

// ownStatus has Certkeep obtain the same, and returns what answers for it. What
// is staged waits to be put into force.
func (m *modMD) ownStatus() http.Handler {
	m.t.Helper()
	write := func(staged string) {
		put(m.t, m.dir+"/certkeep.yaml", fmt.Sprintf(`state: %[1]s/state
email: admin@example.test
accept_terms: true
listen: {status: false, http: "%[2]s", outside: {80: %[3]d}}
issuers: {test: {directory: "%[4]s", roots_file: %[1]s/roots.pem}}
defaults: {issuer: [test], files: [], ocsp: {}, key_types: [rsa-2048], profile_mandatory: false}
challenges: [{http-01: {}}]
certificates:
  full.test: {names: [full.test, www.full.test], key_types: [rsa-2048, ecdsa-p256]}
  staged.test: {names: [%[5]s]}
  broken.test: {names: [broken.test]}
  hand.test: {names: [hand.test], mode: manual, warn: 20d}
`, m.dir, m.plain, m.ca.HTTPPort(), m.ca.DirectoryURL(), staged))
	}
	c := called{m.t, "", m.dir}
	write("staged.test")
	c.must(exitMissing, "--config", m.dir+"/certkeep.yaml", "apply")
	write("staged.test, new.staged.test")
	c.must(exitMissing, "--config", m.dir+"/certkeep.yaml", "apply")

	cfg, _, err := config.Source{Path: m.dir + "/certkeep.yaml"}.Load()
	if err != nil {
		m.t.Fatal(err)
	}
	stored, err := openReader(m.t.Context(), cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	read := func(ctx context.Context) (plan.World, error) {
		known, err := stored.Known(ctx)
		if err != nil {
			return plan.World{}, err
		}
		staged := *known.Certs["staged.test"]
		staged.Published, staged.Ready = staged.Versions[0].ID, staged.Versions[1].ID
		staple := staged.OCSP["rsa-2048"]
		staple.Leaf = staged.Versions[0].Pairs[0].SHA256
		staged.OCSP = map[string]plan.Staple{"rsa-2048": staple}
		known.Certs["staged.test"] = &staged
		return plan.World{Wanted: cfg.Wanted(), Known: known}, nil
	}
	return web.New(web.Options{
		Snapshots: status.NewSnapshots(m.t.Context(), status.Source{Read: read}), Directories: cfg.Directories(), Email: cfg.Email, Declared: cfg.Declared,
	})
}

// compareModMD compares what is said, not its values: the paths of JSON with the
// kinds of their values, or the labels of lines.
func compareModMD(t *testing.T, path, theirs, ours string, met map[string]bool) {
	t.Helper()
	said := modMDPaths
	if strings.HasPrefix(path, "/server-status") {
		said = modMDLabels
	}
	a, b := said(t, theirs), said(t, ours)
	for _, side := range []struct {
		sign      string
		has, lack []string
	}{{"- ", a, b}, {"+ ", b, a}} {
		for _, p := range side.has {
			if slices.Contains(side.lack, p) {
				continue
			}
			if d := modMDKnown(side.sign + p); d != "" {
				met[d] = true
				continue
			}
			t.Errorf("%s: %s%s", path, side.sign, p)
		}
	}
	if t.Failed() {
		t.Logf("%s: mod_md says\n%s\nCertkeep says\n%s", path, theirs, ours)
	}
}

// modMDKnown is the difference that is named for it, or "".
func modMDKnown(difference string) string {
	path, _, _ := strings.Cut(difference, ": ")
	path = strings.Replace(path, " managed-domains[].", " ", 1)
	for d := range modMDDifferences() {
		if path == d || strings.HasPrefix(path, d+".") || strings.HasPrefix(path, d+"[]") {
			return d
		}
	}
	return ""
}

// modMDPaths are the paths of JSON, each with the kind of its value.
func modMDPaths(t *testing.T, text string) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	found := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		found[fmt.Sprintf("%s: %T", path, v)] = true
		switch v := v.(type) {
		case map[string]any:
			for key, below := range v {
				walk(strings.TrimPrefix(path+"."+key, "."), below)
			}
		case []any:
			for _, below := range v {
				walk(path+"[]", below)
			}
		case string:
			if _, err := time.Parse(http.TimeFormat, v); err == nil {
				found[path+": time"] = true
			}
		}
	}
	walk("", v)
	return slices.Sorted(maps.Keys(found))
}

// modMDLabels are the labels of mod_md's lines, without the numbers of things.
func modMDLabels(_ *testing.T, text string) []string {
	number := regexp.MustCompile(`\[\d+\]`)
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		if label, _, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(label, "Managed") {
			found[strings.Replace(number.ReplaceAllString(label, "[]"), "[]", " ", 1)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
