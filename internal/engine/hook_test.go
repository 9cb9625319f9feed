package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestBadHooks has hooks that come to nothing in several ways. The certificate
// is installed all the same; the failure is told with a remedy, backs off, and
// the hook runs once it is mended.
func TestBadHooks(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	for i, test := range []struct {
		name, script, timeout, words string
		mode                         os.FileMode
	}{
		{"hangs", "echo waiting; sleep 1000", "50ms", "it hung and was ended", 0o700},
		{"fails", "echo quota; exit 3", "1m", "exit status 3", 0o700},
		{"may be written by others", "", "1m", "may be written by everybody", 0o777},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.T = t
			name := fmt.Sprintf("hook%d", i)
			hook := f.script(name, test.script+"\n")
			if err := os.Chmod(hook, test.mode); err != nil {
				t.Fatal(err)
			}
			f.configure(fmt.Sprintf("hooks: {installed: {command: %s, timeout: %s}}\ncertificates: {c%d.test: {}}\n", hook, test.timeout, i))
			cert := fmt.Sprintf("c%d.test", i)
			fault := f.failing()
			if fault.Code != plan.CodeHook || fault.Blame != plan.BlameAdmin || !strings.Contains(fault.Words, test.words) {
				t.Errorf("fault = %+v, want one with %q", fault, test.words)
			}
			f.checkServed(cert)
			target := f.known(cert).Targets["default"]
			if tries := target.HookTries["installed"]; len(target.Hooks) != 1 || tries.Count != 1 || time.Until(tries.NotBefore) < 50*time.Second {
				t.Errorf("target = %+v", target)
			}
			if again := f.apply(); len(again.Done) != 0 {
				t.Errorf("at once again: %+v", again.Done)
			}
			f.script(name, "cat > "+filepath.Join(f.dir, name+".told")+"\n")
			if err := os.Chmod(hook, 0o700); err != nil {
				t.Fatal(err)
			}
			f.configure(fmt.Sprintf("hooks: {installed: {command: %s}}\ncertificates: {c%d.test: {}}\n", hook, i))
			f.askApply(cert)
			f.apply()
			if told := f.lines(name + ".told"); len(told) != 1 || !strings.Contains(told[0], cert) {
				t.Errorf("the mended hook was told %q", told)
			}
		})
	}
}

// TestHookThatMayVeto: only exit status 1 puts an order off, and not the
// first one; a hook that hangs or is missing is no veto.
func TestHookThatMayVeto(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	f.configure("certificates: {a.test: {}}\n")
	f.apply()
	for _, test := range []struct {
		name, hook string
		vetoes     bool
	}{
		{"hangs", "{command: {shell: sleep 1000}, timeout: 50ms}", false},
		{"is missing", "{command: /no/such/hook}", false},
		{"breaks", "{command: {shell: exit 2}}", false},
		{"says no", "{command: {shell: exit 1}}", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.T = t
			f.configure(fmt.Sprintf("hooks: {renewing: %s}\ncertificates: {a.test: {}}\n", test.hook))
			former := f.known("a.test").Published
			if err := f.Ask(t.Context(), plan.AskRenew, []string{"a.test"}, ""); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
				t.Fatal(err)
			}
			if vetoed := f.known("a.test").Published == former; vetoed != test.vetoes {
				t.Errorf("renewed: %v", !vetoed)
			}
			if n := f.known("a.test").Tries["ecdsa-p256"].Count; n != 0 {
				t.Errorf("%d attempts are counted", n)
			}
		})
	}
}

// TestVetoOfOneKeyType: where a hook puts off the second key type, the first is
// not kept waiting for it.
func TestVetoOfOneKeyType(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	const certificates = "certificates: {a.test: {names: [a.test%s], key_types: [ecdsa-p256, ecdsa-p384]}}\n"
	f.configure(fmt.Sprintf(certificates, ""))
	f.apply()
	hook := f.script("renewing", "echo >> "+filepath.Join(f.dir, "calls")+"; test $(wc -l < "+filepath.Join(f.dir, "calls")+") = 1\n")
	f.configure(fmt.Sprintf("hooks: {renewing: {command: %s}}\n"+certificates, hook, ", www.a.test"))
	if _, err := f.Apply(t.Context(), nil, Only{}); err != nil {
		t.Fatal(err)
	}
	k := f.known("a.test")
	v, _ := k.Version(k.Published)
	names := map[string]int{}
	for _, p := range v.Pairs {
		names[p.KeyType] = len(p.Request.Names)
	}
	if k.Ready != "" || names["ecdsa-p256"] != 2 || names["ecdsa-p384"] != 1 {
		t.Errorf("published with %v names, %q waits", names, k.Ready)
	}
	f.checkServed("a.test")
}

// TestHookOfExpiring runs once a day while a certificate is close to its end,
// though nobody tries to renew it; not once one is renewed.
func TestHookOfExpiring(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	hook := f.script("hook", fmt.Sprintf("test ! -e %[1]s/broken || exit 3\ncat >> %[1]s/told\n", f.dir))
	f.configure(fmt.Sprintf("hooks: {expiring: {command: %s}}\ncertificates: {a.test: {mode: manual}}\n", hook))
	f.askApply("a.test")
	f.apply()
	told := func(want int) {
		t.Helper()
		if got := f.lines("told"); len(got) != want {
			t.Fatalf("told %d times, want %d: %q", len(got), want, got)
		}
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("the second pass did %+v", again.Done)
	}
	err := f.store.UpdateCert(t.Context(), "a.test", func(k *plan.KnownCert) error {
		pair := &k.Versions[0].Pairs[0]
		pair.NotBefore, pair.NotAfter = time.Now().Add(-85*24*time.Hour), time.Now().Add(5*24*time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if fault := f.failing(); fault.Code != plan.CodeHook {
		t.Errorf("fault %+v", fault)
	}
	told(0)
	if err := os.Remove(filepath.Join(f.dir, "broken")); err != nil {
		t.Fatal(err)
	}
	later := func(by time.Duration) {
		t.Helper()
		err := f.store.UpdateTargets(t.Context(), "a.test", func(targets map[string]plan.Target) error {
			target := targets["default"]
			target.HookTries = nil
			target.Warned = target.Warned.Add(-by)
			targets["default"] = target
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f.apply()
	}
	later(0)
	told(1)
	if lines := f.lines("told"); !strings.Contains(lines[0], `"event":"expiring"`) || !strings.Contains(lines[0], `"certificate":"a.test"`) {
		t.Errorf("told %q", lines)
	}
	later(23 * time.Hour)
	told(1)
	later(2 * time.Hour)
	told(2)
	f.ask(plan.AskRenew, "a.test")
	later(25 * time.Hour)
	told(2)
}
