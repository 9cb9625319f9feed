package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/plan"
)

// TestCompanionHooksOfAcmebot: the files beside a certificate's own have hooks
// too, which are told of each that changed.
func TestCompanionHooksOfAcmebot(t *testing.T) {
	f := newFixture(t, acmetest.Options{OCSP: true})
	log := newTestLog(t)
	f.configure(f.acmebotHooks() + fmt.Sprintf(`
ct_logs: {own: [%s]}
certificates:
  a.test:
    key_types: [rsa-2048, ecdsa-p256]
    sct: {directory: "%[2]s/scts/{key_type}", logs: [one]}
    ocsp: {file: "%[2]s/{key_type}.ocsp"}
    hpkp: {file: "%[2]s/pins", headers: {own: "{header}"}}
`, log.config("one"), f.dir))
	f.apply()
	told := f.told()
	for _, want := range []string{
		"ocsp_installed certificate_name=a.test key_name=a.test key_type=ecdsa ocsp_file=DIR/ecdsa-p256.ocsp",
		"ocsp_installed certificate_name=a.test key_name=a.test key_type=rsa ocsp_file=DIR/rsa-2048.ocsp",
		"sct_installed certificate_name=a.test ct_log_name=one key_name=a.test key_type=ecdsa sct_file=DIR/scts/ecdsa-p256/one.sct",
		"sct_installed certificate_name=a.test ct_log_name=one key_name=a.test key_type=rsa sct_file=DIR/scts/rsa-2048/one.sct",
	} {
		if !slices.Contains(told, want) {
			t.Errorf("lacks %q in\n%s", want, strings.Join(told, "\n"))
		}
	}
	pins := slices.DeleteFunc(told, func(line string) bool { return !strings.HasPrefix(line, "hpkp_") })
	if len(pins) != 1 || !strings.HasPrefix(pins[0], `hpkp_header_installed certificate_name=a.test header=pin-sha256=\"`) || !strings.HasSuffix(pins[0], " hpkp_file=DIR/pins key_name=a.test server=own") {
		t.Errorf("told of pins %q", pins)
	}
	if again := f.apply(); len(again.Done) != 0 {
		t.Errorf("a further pass did %+v", again.Done)
	}
	f.ask(plan.AskApply, "a.test")
	f.apply()
	if again := f.told(); len(again) != 0 {
		t.Errorf("told again %q", again)
	}
}
