package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// acmebotHooks is a hook for each of acmebot's events, which notes its fields.
func (f *fixture) acmebotHooks() string {
	var b strings.Builder
	b.WriteString("hooks:\n")
	for _, event := range config.AcmebotEvents() {
		fields := `env | grep -E "^[a-z_]+=" | grep -v ^_= | sort | tr "\\n" " "`
		fmt.Fprintf(&b, "  %s: {command: {shell: '(echo %s $(%s)) >>%s/told'}}\n", event, event, fields, f.dir)
	}
	return b.String()
}

// told returns what acmebot's hooks were told, sorted, and forgets it.
func (f *fixture) told() []string {
	f.Helper()
	lines := f.lines("told")
	if err := os.RemoveAll(filepath.Join(f.dir, "told")); err != nil {
		f.Fatal(err)
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimSpace(lines[i]), f.dir, "DIR")
	}
	slices.Sort(lines)
	return lines
}

// TestHooksOfAcmebot: each event with its fields, one for each file that
// changed, and none of them twice.
func TestHooksOfAcmebot(t *testing.T) {
	f := newFixture(t, acmetest.Options{AuthzReuse: 100})
	webroot := f.webroot()
	text := f.acmebotHooks() + fmt.Sprintf(`
challenges: [{http-01: {webroot: %q}}]
certificates:
  a.test:
    key_types: [rsa-2048, ecdsa-p256]
    files:
      - {path: "%[2]s/{key_type}.key", content: key}
      - {path: "%[2]s/{key_type}.pem", content: [certificate, chain]}
      - {path: "%[2]s/{key_type}-chain.pem", content: chain}
      - {path: "%[2]s/{key_type} full.key", content: [key, certificate]}
`, webroot, f.dir)
	f.configure(text)
	f.apply()
	told := f.told()
	challenges := slices.DeleteFunc(slices.Clone(told), func(line string) bool { return strings.Contains(line, "_installed") })
	if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "clear_http_challenge challenge_file=DIR/www/.well-known/acme-challenge/") ||
		!strings.HasPrefix(challenges[1], "set_http_challenge challenge_file=DIR/www/.well-known/acme-challenge/") {
		t.Errorf("of challenges told %q", challenges)
	}
	var want []string
	for _, key := range [][2]string{{"rsa", "rsa-2048"}, {"ecdsa", "ecdsa-p256"}} {
		want = append(want,
			fmt.Sprintf("private_key_installed certificate_name=a.test key_name=a.test key_type=%s private_key_file=DIR/%s.key", key[0], key[1]),
			fmt.Sprintf("certificate_installed certificate_file=DIR/%[2]s.pem certificate_name=a.test key_name=a.test key_type=%[1]s", key[0], key[1]),
			fmt.Sprintf("chain_installed certificate_name=a.test chain_file=DIR/%[2]s-chain.pem key_name=a.test key_type=%[1]s", key[0], key[1]),
			fmt.Sprintf("full_key_installed certificate_name=a.test full_key_file=DIR/%[2]s full.key key_name=a.test key_type=%[1]s", key[0], key[1]),
		)
	}
	slices.Sort(want)
	if files := slices.DeleteFunc(told, func(line string) bool { return !strings.Contains(line, "_installed") }); !slices.Equal(files, want) {
		t.Errorf("of files told\n%s\nwant\n%s", strings.Join(files, "\n"), strings.Join(want, "\n"))
	}
	f.checkIdle()

	// A file that was lost is written again, and it alone is told of.
	if err := os.Remove(filepath.Join(f.dir, "rsa-2048.pem")); err != nil {
		t.Fatal(err)
	}
	f.ask(plan.AskRenew, "a.test")
	f.apply()
	if again := f.told(); len(again) < 6 || slices.ContainsFunc(again, func(line string) bool { return strings.HasPrefix(line, "chain_installed") }) {
		t.Errorf("after a renewal told %q: the chain is the same", again)
	}
}

// TestFailingHookOfAcmebot stays pending by its file, and waits between tries.
func TestFailingHookOfAcmebot(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(`hooks: {private_key_installed: {command: {shell: "exit 1"}}}
certificates: {a.test: {}}
`)
	report, err := f.Apply(t.Context(), nil, Only{})
	if err != nil || !report.Failed {
		t.Fatalf("report = %+v, %v", report, err)
	}
	target := f.known("a.test").Targets["default"]
	if len(target.Hooks) != 1 || plan.EventOf(target.Hooks[0]) != "private_key_installed" || target.HookTries[target.Hooks[0]].Count != 1 {
		t.Errorf("target = %+v", target)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}
	f.configure(`hooks: {private_key_installed: {command: {shell: "echo $private_key_file >>` + f.dir + `/told"}}}
certificates: {a.test: {}}
`)
	f.ask(plan.AskApply, "a.test")
	f.apply()
	if told := f.told(); !slices.Equal(told, []string{"DIR/out/a.test/privkey.pem"}) {
		t.Errorf("told %q", told)
	}
}

// TestKeyHooksOfAcmebot tells of keys and their files once, whatever is on
// them.
func TestKeyHooksOfAcmebot(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure(fmt.Sprintf(`keys:
  both:
    backup_key: true
    files: [{path: %[1]s/k.key, content: key}, {path: %[1]s/next.key, content: backup-key}, {path: %[1]s/old.key, content: previous-key}]
certificates:
  a.test: {key: both, files: [{path: %[1]s/a.pem, content: fullchain}]}
  b.test: {key: both, files: [{path: %[1]s/b.pem, content: fullchain}]}
%[2]s`, f.dir, f.acmebotHooks()))
	f.apply()
	ofKeys := func() []string {
		return slices.DeleteFunc(f.told(), func(line string) bool { return !strings.Contains(line, "_key_") })
	}
	const who = "certificate_name=a.test key_name=both key_type=ecdsa"
	first := []string{"backup_key_installed backup_key_file=DIR/next.key " + who, "private_key_installed " + who + " private_key_file=DIR/k.key"}
	if told := ofKeys(); !slices.Equal(told, first) {
		t.Errorf("told %q, want %q", told, first)
	}
	f.ask(plan.AskRollover, "a.test")
	f.apply()
	second := []string{
		first[0], "previous_key_installed " + who + " previous_key_file=DIR/old.key", first[1],
		"private_key_rollover backup_key_file=DIR/next.key " + who + " previous_key_file=DIR/old.key private_key_file=DIR/k.key",
	}
	slices.Sort(second)
	if told := ofKeys(); !slices.Equal(told, second) {
		t.Errorf("told %q, want %q", told, second)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
}
