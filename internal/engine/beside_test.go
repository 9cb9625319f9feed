package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/params"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store"
)

// problems are those of a certificate, by code.
func (f *fixture) problems(name string) map[plan.Code]plan.Problem {
	f.Helper()
	world, err := f.World(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	all := map[plan.Code]plan.Problem{}
	for _, want := range world.Wanted.Certs {
		if want.Name != name {
			continue
		}
		for _, p := range plan.CertProblems(time.Now(), world, want) {
			all[p.Code] = p
		}
	}
	return all
}

func (f *fixture) read(name string) string {
	f.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.Fatal(err)
	}
	return string(data)
}

// A root that is not known keeps nothing from being installed: it is told, and
// written once it is known, be it by a file of the certificate's or of the
// issuer's.
func TestRootOfTheChain(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	files := fmt.Sprintf("files: [{path: %[1]s/full.pem, content: [certificate, chain, root]}, {path: %[1]s/root.pem, content: root}]", f.dir)
	f.configure("certificates: {a.test: {" + files + "}}\n")
	f.apply()
	if got := strings.Count(f.read("full.pem"), "BEGIN CERTIFICATE"); got != 2 {
		t.Errorf("without its root the file has %d certificates", got)
	}
	if p := f.problems("a.test")[plan.CodeRoot]; p.Severity != plan.Warning || !strings.Contains(p.Words, f.roots) || !strings.Contains(p.Remedy, "root_file") {
		t.Errorf("the problem is %+v", p)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}

	issuing, err := f.ca.IssuingRoots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(f.dir, "a.test.ecdsa.roots")
	if err := os.WriteFile(own, bytes.Join(issuing, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	f.configure(fmt.Sprintf("certificates: {a.test: {root_file: \"%s/{name}{suffix}.roots\", %s}}\n", f.dir, files))
	f.apply()
	if got := strings.Count(f.read("full.pem"), "BEGIN CERTIFICATE"); got != 3 || len(f.problems("a.test")) != 0 {
		t.Errorf("with its root the file has %d certificates; problems %+v", got, f.problems("a.test"))
	}
	leaf := filepath.Join(f.dir, "leaf.pem")
	text := f.read("full.pem")
	if err := os.WriteFile(leaf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("openssl", "verify", "-CAfile", f.dir+"/root.pem", "-untrusted", leaf, leaf).CombinedOutput(); err != nil {
		t.Errorf("openssl verify: %v\n%s", err, said)
	}

	// The issuer's roots serve too, once somebody asks to look again.
	f.configure("certificates: {a.test: {" + files + "}}\n")
	f.apply()
	if _, told := f.problems("a.test")[plan.CodeRoot]; !told {
		t.Error("without root_file nothing is told")
	}
	if err := os.WriteFile(f.roots, slices.Concat(f.ca.RootPEM(), bytes.Join(issuing, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.askApply("a.test")
	f.apply()
	if got := strings.Count(f.read("full.pem"), "BEGIN CERTIFICATE"); got != 3 || len(f.problems("a.test")) != 0 {
		t.Errorf("by the issuer's roots the file has %d certificates; problems %+v", got, f.problems("a.test"))
	}

	if err := os.Remove(f.dir + "/root.pem"); err != nil {
		t.Fatal(err)
	}
	f.configure("certificates: {a.test: {root_file: false, " + files + "}}\n")
	f.apply()
	if _, err := os.Stat(f.dir + "/root.pem"); err == nil || len(f.problems("a.test")) != 0 || strings.Count(f.read("full.pem"), "BEGIN CERTIFICATE") != 2 {
		t.Errorf("root_file: false: %v, %+v", err, f.problems("a.test"))
	}
}

// Parameters of its own are searched for after all else is done; until then
// the group of RFC 7919 is in place. They are written, kept, and not searched
// for again, not even by another process or after a renewal.
func TestOwnParameters(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	configure := func(change func(*config.DHParams)) {
		cfg := f.config(fmt.Sprintf("certificates: {a.test: {dh_params: {own: 2048}, files: [{path: %[1]s/dh.pem, content: dh-params}, {path: %[1]s/a.pem, content: [key, fullchain, dh-params]}]}, b.test: {}}\n", f.dir))
		cfg.Certificate("a.test").DHParams.Own = 512 // found at once
		change(&cfg.Certificate("a.test").DHParams)
		if err := f.Configure(cfg); err != nil {
			t.Fatal(err)
		}
	}
	same := func(*config.DHParams) {}
	configure(same)
	report := f.apply()
	var kinds []plan.Kind
	for _, o := range report.Done {
		if o.Step.Cert == "a.test" && o.Step.Kind != plan.KindInspect {
			kinds = append(kinds, o.Step.Kind)
		}
	}
	if want := []plan.Kind{plan.KindAdopt, plan.KindIssue, plan.KindInstall, plan.KindParams, plan.KindInstall}; !slices.Equal(kinds, want) {
		t.Errorf("done: %v, want %v", kinds, want)
	}
	sizes := func() (bits []int) {
		for _, name := range []string{"dh.pem", "a.pem"} {
			found, err := params.Parse([]byte(f.read(name)))
			if err != nil || found.DH == nil {
				t.Fatalf("%s: %+v, %v", name, found, err)
			}
			bits = append(bits, found.DH.Bits())
		}
		return bits
	}
	if got := sizes(); !slices.Equal(got, []int{512, 512}) {
		t.Errorf("the files have groups of %v bits", got)
	}
	if said, err := exec.Command("openssl", "dhparam", "-check", "-noout", "-in", f.dir+"/dh.pem").CombinedOutput(); err != nil || !strings.Contains(string(said), "appear to be ok") {
		t.Errorf("openssl dhparam: %v\n%s", err, said)
	}
	before := f.read("dh.pem")
	f.reopen()
	configure(same)
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("another process did %+v", again.Done)
	}
	renew := func() {
		t.Helper()
		if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
			t.Fatal(err)
		}
		f.apply()
	}
	renew()
	if f.read("dh.pem") != before {
		t.Error("a renewal changed the parameters")
	}
	configure(func(d *config.DHParams) { d.WithKey = true })
	f.apply()
	if f.read("dh.pem") == before {
		t.Error("the key changed, and the parameters stayed")
	}
	before = f.read("dh.pem")
	renew()
	if f.read("dh.pem") == before {
		t.Error("a renewal with a new key left the parameters")
	}

	// Another size, and none: what is not there yet is stood in for.
	configure(func(d *config.DHParams) { d.Own = 0 })
	f.apply()
	if got := sizes(); !slices.Equal(got, []int{2048, 2048}) {
		t.Errorf("without own ones the files have groups of %v bits", got)
	}
}

// While a search is under way the RFC's group is in place, others are not held
// up, and a pass that is interrupted ends at once.
func TestSearchBlocksNothing(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	cfg := f.config(fmt.Sprintf("certificates: {a.test: {dh_params: {own: 4096}, files: [{path: %s/dh.pem, content: dh-params}, {path: %[1]s/a.pem, content: [key, fullchain]}]}}\n", f.dir))
	cfg.Certificate("a.test").DHParams.Own = 9000 // takes hours
	if err := f.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Engine.Run(ctx) }()
	defer func() {
		end()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	if err := f.Settled(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	first := f.read("a.pem")
	if found, err := params.Parse([]byte(f.read("dh.pem"))); err != nil || found.DH.Name() != "ffdhe4096" {
		t.Errorf("meanwhile there is %+v, %v", found, err)
	}
	if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
		t.Fatal(err)
	}
	if err := f.Settled(t.Context(), []string{"a.test"}); err != nil {
		t.Fatal(err)
	}
	if f.read("a.pem") == first || len(f.known("a.test").Asks) != 0 {
		t.Errorf("a renewal waits for the search: asks %+v", f.known("a.test").Asks)
	}
}

// A process that ends leaves the search out of its pass, makes it apart from
// it, and stores what it found unless somebody else found others meanwhile.
func TestSearchApart(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	cfg := f.config(fmt.Sprintf("certificates: {a.test: {dh_params: {own: 2048}, files: [{path: %[1]s/dh.pem, content: dh-params}, {path: %[1]s/a.pem, content: [key, fullchain]}]}}\n", f.dir))
	cfg.Certificate("a.test").DHParams.Own = 512 // found at once
	if err := f.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	report, err := f.Apply(t.Context(), nil, Only{NoSearch: true})
	if err != nil || report.Failed {
		t.Fatal(err, report.Done)
	}
	due := Searches(time.Now(), report.World)
	if len(due) != 1 || due[0].Cert != "a.test" || due[0].Bits != 512 || f.known("a.test").DH != nil {
		t.Fatalf("searches %+v, stored %+v", due, f.known("a.test").DH)
	}
	first, err := due[0].Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := due[0].Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range []plan.DHParams{first, second} {
		if err := f.Keep(t.Context(), due[0], found); err != nil {
			t.Fatal(err)
		}
		if report, err = f.Apply(t.Context(), nil, Only{NoSearch: true}); err != nil || report.Failed {
			t.Fatal(err, report.Done)
		}
		if f.read("dh.pem") != first.PEM {
			t.Errorf("installed\n%s, want\n%s", f.read("dh.pem"), first.PEM)
		}
	}
	if left := Searches(time.Now(), report.World); len(left) != 0 {
		t.Errorf("still due: %+v", left)
	}
}

// A key under a passphrase is installed so, adopted so by a new state, and a
// missing passphrase is told and stops no other certificate.
func TestKeyUnderAPassphrase(t *testing.T) {
	t.Setenv("KEY_TEST_PASSPHRASE", "correct horse")
	f := newFixture(t, acmetest.Options{})
	one := fmt.Sprintf("a.test: {passphrase_env: KEY_TEST_PASSPHRASE, files: [{path: %[1]s/a.key, content: key}, {path: %[1]s/a.pem, content: fullchain}]}", f.dir)
	other := fmt.Sprintf("b.test: {passphrase_file: %[1]s/missing, files: [{path: %[1]s/b.key, content: key}, {path: %[1]s/b.pem, content: fullchain}]}", f.dir)
	f.configure("certificates: {" + one + ", " + other + "}\n")
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	key := f.read("a.key")
	if !strings.Contains(key, "BEGIN ENCRYPTED PRIVATE KEY") {
		t.Errorf("the key is written as\n%s", key[:40])
	}
	if p := f.problems("b.test")[plan.CodeSecret]; !strings.Contains(p.Words, f.dir+"/missing") || !strings.Contains(p.Remedy, "Put the secret") {
		t.Errorf("a missing passphrase: %+v", f.problems("b.test"))
	}
	if err := os.WriteFile(f.dir+"/missing", []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.askApply("b.test")
	f.apply()
	if again := f.apply(); len(again.Done) != 0 || f.read("a.key") != key {
		t.Errorf("the second pass did %+v", again.Done)
	}

	// Altered is written again, with the same bytes.
	if err := os.WriteFile(f.dir+"/a.key", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure("certificates: {" + one + ", " + other + "}\n")
	f.apply()
	if f.read("a.key") != key {
		t.Error("an altered key did not come back as it was")
	}

	// A new state takes the pair over.
	orders := f.ca.Count()
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.dir + "/state/records"); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure("certificates: {" + one + "}\n")
	f.apply()
	if got := f.ca.Count(); fmt.Sprint(got) != fmt.Sprint(orders) || f.happened("a.test", store.EventIssued) != 1 || f.read("a.key") != key {
		t.Errorf("the CA was asked: %+v, then %+v", orders, got)
	}
}

// A target whose passphrase or password is missing keeps nobody from taking
// over what lies at another.
func TestMissingPasswordHindersNoAdoption(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	files := "certificates: {a.test: {files: [{path: %[1]s/a.p12, content: pkcs12, password_file: %[1]s/password, target: store}, {path: %[1]s/a.pem, content: [key, fullchain]}]}}\n"
	if err := os.WriteFile(f.dir+"/password", []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.configure(fmt.Sprintf(files, f.dir))
	f.apply()
	orders, before := f.ca.Count(), f.read("a.pem")
	if err := errors.Join(f.store.Close(), os.RemoveAll(f.dir+"/state/records"), os.Remove(f.dir+"/password")); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	f.configure(fmt.Sprintf(files, f.dir))
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	if got := f.ca.Count(); fmt.Sprint(got) != fmt.Sprint(orders) || f.read("a.pem") != before {
		t.Errorf("the CA was asked: %+v, then %+v", orders, got)
	}
	if _, told := f.problems("a.test")[plan.CodeSecret]; !told {
		t.Errorf("problems %+v", f.problems("a.test"))
	}
}

// Nothing that Certkeep keeps or tells holds a passphrase, and no program that
// it runs is given one.
func TestPassphraseIsToldToNobody(t *testing.T) {
	const secret = "correct-horse-battery"
	t.Setenv("KEY_TEST_PASSPHRASE", secret)
	f := newFixture(t, acmetest.Options{})
	hook := f.dir + "/hook"
	if err := os.WriteFile(hook, []byte("#!/bin/sh\n{ env; echo \"$@\"; cat; cat /proc/$PPID/cmdline; } >>"+f.dir+"/told\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.configure(fmt.Sprintf("certificates: {a.test: {passphrase_env: KEY_TEST_PASSPHRASE, files: [{path: %[1]s/a.key, content: key}]}}\nhooks: {installed: {command: %s}}\n", f.dir, hook))
	f.apply()
	if !strings.Contains(f.read("told"), "a.key") {
		t.Errorf("the hook was told\n%s", f.read("told"))
	}
	err := filepath.WalkDir(f.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s holds the passphrase", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
