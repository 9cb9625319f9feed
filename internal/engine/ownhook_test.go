package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestOwnHooks has a certificate with a hook of its own: it is told where the
// general one would have been, and the general one of the others.
func TestOwnHooks(t *testing.T) {
	f := newFixture(t, acmetest.Options{})
	log := func(name string) string {
		return f.script(name, fmt.Sprintf("echo $RENEWED_LINEAGE $RENEWED_DOMAINS >> %s/%s.told\n", f.dir, name))
	}
	f.configure(fmt.Sprintf(`
hooks: {installed: {command: %s}, issued: {command: %s}}
certificates:
  general.test: {layout: certbot}
  own: {layout: certbot, names: [own.test, www.own.test], hooks: {installed: {command: %s}}}
  alone.test: {layout: certbot, hooks: {verified: {command: "false"}, reloaded: {command: "false"}}}
`, log("general"), log("issued"), log("own")))
	f.apply()
	live := f.dir + "/out/live/"
	sorted := func(name string) []string { return slices.Sorted(slices.Values(f.lines(name + ".told"))) }
	if got, want := sorted("general"), []string{live + "alone.test alone.test", live + "general.test general.test"}; !slices.Equal(got, want) {
		t.Errorf("the general hook was told %q, want %q", got, want)
	}
	if got, want := sorted("own"), []string{live + "own own.test www.own.test"}; !slices.Equal(got, want) {
		t.Errorf("the certificate's hook was told %q, want %q", got, want)
	}
	if got := sorted("issued"); len(got) != 3 {
		t.Errorf("the general hook of another event was told %q", got)
	}
}
