package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/hpkp"
	"github.com/certkeep/certkeep/internal/plan"
)

// reads makes "reload" the command of a service that reads files when it is
// told to. What it has read lies beside them.
func (f *fixture) reads(files ...string) {
	f.Helper()
	var text strings.Builder
	for _, file := range files {
		fmt.Fprintf(&text, "cp %[1]s/%[2]s %[1]s/read.%[3]s 2>/dev/null\n", f.dir, file, filepath.Base(file))
	}
	f.script("reload", text.String()+"exit 0\n")
}

// checkRead fails the test unless that service has read what the files hold.
func (f *fixture) checkRead(files ...string) {
	f.Helper()
	for _, file := range files {
		if read := f.text("read." + filepath.Base(file)); read == "" || read != f.text(file) {
			f.Errorf("the service has read something else than what %s holds: %q", file, read)
		}
	}
}

// TestSweepReceipts sweeps a renewal whose certificate is handed to two logs:
// in the end the files hold the receipts of what is installed, and the service
// has read them.
func TestSweepReceipts(t *testing.T) {
	l := newLife(t)
	logs := map[string]*testLog{"one": newTestLog(t), "two": newTestLog(t)}
	l.config = fmt.Sprintf(`
services: {web: {reload: $DIR/reload}}
ct_logs: {own: [%s, %s]}
certificates: {a.test: {services: [web], sct: {file: "$DIR/scts/{name}.{log}", logs: [one, two], mode: "0640"}}}
`, logs["one"].config("one"), logs["two"].config("two"))
	files := []string{"scts/a.test.one", "scts/a.test.two"}
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("a.test")
		k := f.known("a.test")
		for name, log := range logs {
			if !log.gave(f.receipt(filepath.Join(f.dir, "scts/a.test."+name)), f.chain("a.test")[0]) {
				f.Errorf("the receipt of the log %s is of another certificate than the installed one", name)
			}
			if r := k.SCT[ecKey].Logs[name]; r.SHA256 == "" || r.Tries.Count != 0 {
				f.Errorf("known of the log %s: %+v", name, r)
			}
		}
		f.checkRead(files...)
		if target := k.Targets[plan.CompanionSCT]; target.State != plan.TargetReloaded {
			f.Errorf("target %+v", target)
		}
	}
	l.prepare(t, func(f *fixture) {
		f.reads(files...)
		f.apply()
		f.ask(plan.AskRenew, "a.test")
	})
	l.sweep(t, 11)
}

// TestSweepPins sweeps a renewal of two pairs whose keys are pinned: in the end
// the headers name the keys of what is installed, and no others.
func TestSweepPins(t *testing.T) {
	l := newLife(t)
	l.orders = 2
	l.config = pinned("key_types: [ecdsa-p256, ecdsa-p384]")
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("a.test")
		k := f.known("a.test")
		version, _ := k.Version(k.Published)
		if len(version.Pairs) != 2 {
			f.Fatalf("published %+v", version)
		}
		f.checkPinned(version.Pairs[0].Key, version.Pairs[1].Key)
	}
	l.pinnedBefore(t, plan.AskRenew)
	l.sweep(t, 17)
}

// TestSweepPinsOfARollover sweeps a change to the key that was pinned and kept
// ready: in the end the headers name that key, the one after it, and the one
// before, which visitors may have remembered.
func TestSweepPinsOfARollover(t *testing.T) {
	l := newLife(t)
	l.config = pinned("key_reuse: true, backup_key: true")
	var was plan.KeySet
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkServed("a.test")
		set := f.keySet("a.test").Keys[ec256]
		if set.Primary.SHA256 != was.Next.SHA256 || set.Next.IsZero() || set.Previous.SHA256 != was.Primary.SHA256 {
			f.Errorf("keys are %+v, were %+v", set, was)
		}
		f.checkPinned(set.Primary.SHA256, set.Next.SHA256, set.Previous.SHA256)
	}
	was = l.pinnedBefore(t, plan.AskRollover).Keys[ec256]
	l.sweep(t, 13)
}

// pinned is the config of a certificate whose keys are pinned.
func pinned(more string) string {
	return `
services: {web: {reload: $DIR/reload}}
certificates:
  a.test: {` + more + `, services: [web], hpkp: {file: "$DIR/pins/{name}.{server}", headers: {nginx: true, own: "{header}"}, max_age: 30d}}
`
}

// pinnedBefore obtains it, and asks for something. It returns the keys that
// outlive certificates, if there are any.
func (l *life) pinnedBefore(t *testing.T, ask plan.AskKind) (keys *plan.KnownKeys) {
	t.Helper()
	l.prepare(t, func(f *fixture) {
		f.reads("pins/a.test.nginx", "pins/a.test.own")
		f.apply()
		keys = f.keySet("a.test")
		f.ask(ask, "a.test")
	})
	return keys
}

// checkPinned fails the test unless the headers name these keys and no others,
// and the service has read them.
func (f *fixture) checkPinned(fingerprints ...string) {
	f.Helper()
	for _, file := range []string{"pins/a.test.nginx", "pins/a.test.own"} {
		text := f.text(file)
		if n := strings.Count(text, "pin-sha256="); n != len(fingerprints) {
			f.Errorf("%s has %d pins, want %d: %s", file, n, len(fingerprints), text)
		}
		for _, fingerprint := range fingerprints {
			pin, err := hpkp.Pin(fingerprint)
			if err != nil || !strings.Contains(text, pin) {
				f.Errorf("%s lacks the pin %s of %s: %s, %v", file, pin, fingerprint, text, err)
			}
		}
		f.checkRead(file)
	}
	leaf := sha256.Sum256(f.chain("a.test")[0].RawSubjectPublicKeyInfo)
	if pin := base64.StdEncoding.EncodeToString(leaf[:]); !strings.Contains(f.text("pins/a.test.own"), pin) {
		f.Errorf("the key of what is installed is not pinned: %s", pin)
	}
	if target := f.known("a.test").Targets[plan.CompanionHPKP]; target.State != plan.TargetReloaded {
		f.Errorf("target %+v", target)
	}
}
