package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/plan"
)

// manualScripts are hooks as people wrote them for certbot: a file below the
// webroot. Each says what it was told.
func (f *fixture) manualScripts(root string) string {
	f.Helper()
	if err := os.MkdirAll(filepath.Join(root, ".well-known/acme-challenge"), 0o700); err != nil {
		f.Fatal(err)
	}
	auth := f.script("auth", fmt.Sprintf(`
path=%s/.well-known/acme-challenge/$CERTBOT_TOKEN
printf %%s "$CERTBOT_VALIDATION" > "$path"
echo "$CERTBOT_DOMAIN of $CERTBOT_ALL_DOMAINS, $CERTBOT_REMAINING_CHALLENGES to come" >> %s/auth.told
echo "$path"
`, root, f.dir))
	cleanup := f.script("cleanup", fmt.Sprintf(`
echo "$CERTBOT_DOMAIN" >> %[1]s/cleanup.told
if [ -e %[1]s/stuck ]; then exit 1; fi
rm "$CERTBOT_AUTH_OUTPUT"
`, f.dir))
	return fmt.Sprintf("{auth_hook: %s, cleanup_hook: %s}", auth, cleanup)
}

// TestManualHTTP proves names by certbot's kind of hooks: each name once, one
// after the other, and nothing is left.
func TestManualHTTP(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := f.webroot()
	f.configure(fmt.Sprintf("challenges: [{http-01: {manual: %s}}]\ncertificates: {a.test: {names: [a.test, b.test, c.test]}}\n", f.manualScripts(root)))
	f.apply()
	f.checkServed("a.test")
	told := f.lines("auth.told")
	var names, left []string
	for _, line := range told {
		name, rest, _ := strings.Cut(line, " of a.test,b.test,c.test, ")
		names, left = append(names, name), append(left, rest)
	}
	if want := []string{"2 to come", "1 to come", "0 to come"}; !slices.Equal(left, want) {
		t.Errorf("told %q", told)
	}
	slices.Sort(names)
	if want := []string{"a.test", "b.test", "c.test"}; !slices.Equal(names, want) || len(f.lines("cleanup.told")) != 3 {
		t.Errorf("told %q, then %q", told, f.lines("cleanup.told"))
	}
	if left, err := filepath.Glob(root + "/.well-known/acme-challenge/*"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if k := f.known("a.test"); k.Presented != nil {
		t.Errorf("remembered: %+v", k.Presented)
	}
}

// TestManualAfterKill has the process end before an answer was taken away. The
// next one hands what the first hook wrote to the second one.
func TestManualAfterKill(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	root := f.webroot()
	cfg := fmt.Sprintf("challenges: [{http-01: {manual: %s}}]\ncertificates: {a.test: {}}\n", f.manualScripts(root))
	stuck := filepath.Join(f.dir, "stuck")
	if err := os.WriteFile(stuck, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.configure(cfg)
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	f.checkServed("a.test")
	left := f.known("a.test").Presented
	if len(left) != 1 || left[0].Note != root+"/.well-known/acme-challenge/"+left[0].Token {
		t.Fatalf("remembered: %+v", left)
	}
	f.reopen()
	f.configure(cfg)
	if err := os.Remove(stuck); err != nil {
		t.Fatal(err)
	}
	f.askApply("a.test")
	f.apply()
	if left, err := filepath.Glob(root + "/.well-known/acme-challenge/*"); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if k := f.known("a.test"); k.Presented != nil {
		t.Errorf("remembered: %+v", k.Presented)
	}
}

// TestManualDNS proves a name and its wildcard by hooks that change a zone
// with nsupdate.
func TestManualDNS(t *testing.T) {
	bind := bindtest.Start(t, bindtest.Zone{Name: "test", Records: "a IN A 127.0.0.1\n"})
	f := newFixture(t, acmetest.Options{DNS: bind.Address})
	key := filepath.Join(f.dir, "update.key")
	if err := os.WriteFile(key, bind.KeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(bind.Address, ":")
	update := func(name, change string) string {
		return f.script(name, fmt.Sprintf("nsupdate -k %s <<-end\nserver %s %s\nupdate %s\nsend\nend\n", key, host, port, change))
	}
	auth := update("auth", `add _acme-challenge.$CERTBOT_DOMAIN 60 TXT $CERTBOT_VALIDATION`)
	cleanup := update("cleanup", `delete _acme-challenge.$CERTBOT_DOMAIN TXT $CERTBOT_VALIDATION`)
	f.configure(fmt.Sprintf("challenges: [{dns-01: {manual: {auth_hook: %s, cleanup_hook: %s}}}]\ncertificates: {a.test: {names: [a.test, \"*.a.test\"]}}\n", auth, cleanup))
	f.apply()
	f.checkServed("a.test")
	if left := bind.TXT(t, "_acme-challenge.a.test"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// TestManualFails: a hook that fails is the reason why there is no certificate,
// with its words; what it may have made is taken away.
func TestManualFails(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	auth, cleanup := f.script("auth", "echo out of paper >&2; exit 7\n"), f.script("cleanup", "echo gone >> "+f.dir+"/cleanup.told\n")
	f.configure(fmt.Sprintf("challenges: [{http-01: {manual: {auth_hook: %s, cleanup_hook: %s}}}]\ncertificates: {a.test: {}}\n", auth, cleanup))
	fault := f.failing()
	if fault.Code != plan.CodeAuthHook || fault.Blame != plan.BlameAdmin || len(fault.Detail) != 1 || !strings.HasSuffix(fault.Detail[0], "failed with exit status 7: out of paper") {
		t.Errorf("fault = %+v", fault)
	}
	if told := f.lines("cleanup.told"); len(told) != 1 {
		t.Errorf("cleaned up %q", told)
	}
	if k := f.known("a.test"); k.Presented != nil {
		t.Errorf("remembered: %+v", k.Presented)
	}
}

// Programs keep to their own time where answers are taken away in a step of its
// own; others share the step's.
func TestOwnTime(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(fmt.Sprintf(`
challenges:
  - {names: [a.test], http-01: {manual: {auth_hook: "true"}}}
  - {names: [b.test], http-01: {webroot: %s}}
certificates: {c.test: {names: [a.test, b.test]}}
`, f.dir))
	w := f.workerFor("c.test")
	for name, want := range map[string]bool{"a.test": true, "b.test": false} {
		for _, s := range w.solvers(challenge.Identifier{Value: name}) {
			if got := ownTime(s); got != want {
				t.Errorf("%s: %t", name, got)
			}
		}
	}
}
