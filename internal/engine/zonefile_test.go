package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// localZone is a zone that a program makes of files, as bindtool does.
type localZone struct {
	*fixture
	server *bindtest.Server
}

// newLocalZone starts a name server, a CA that asks it, and writes the program.
func newLocalZone(t *testing.T) *localZone {
	t.Helper()
	server := startZone(t)
	l := &localZone{fixture: newFixture(t, acmetest.Options{DNS: server.Address}), server: server}
	l.zoneProgram(server)
	return l
}

// startZone starts a name server that knows a.test and all names below it.
func startZone(t *testing.T) *bindtest.Server {
	t.Helper()
	return bindtest.Start(t, bindtest.Zone{Name: "a.test", Records: "@ IN A 127.0.0.1\n* IN A 127.0.0.1\n"})
}

// zoneProgram writes the program that makes the server's zone of the files.
func (f *fixture) zoneProgram(server *bindtest.Server) {
	f.Helper()
	nsupdate := servertest.Find(f.T, "nsupdate")
	host, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "update.key"), server.KeyFile, 0o600); err != nil {
		f.Fatal(err)
	}
	// The two names of the test, whose answers stand in the file or do not.
	f.script("reload-zone", fmt.Sprintf(`set -e
echo "$1" >>%[1]s/reloads
stat -c %%a %[1]s/challenges/"$1" >>%[1]s/modes 2>/dev/null || true
{ echo "server %[2]s %[3]s"; echo "zone $1"; echo "update delete _acme-challenge.$1 TXT"
  tr '{,}' '\n\n\n' <%[1]s/challenges/"$1" 2>/dev/null | sed -n 's/"\(\*\.\)\{0,1\}\([^":]*\)":"\(.*\)"/update add _acme-challenge.\2 1 TXT "\3"/p'
  echo send; } | %[4]s -v -k %[1]s/update.key
`, f.dir, host, port, nsupdate))
}

// TestProvesByZoneFiles: the answers go into a file, a program makes the zone
// of it, the name server shows them, and all is taken away again.
func TestProvesByZoneFiles(t *testing.T) {
	t.Parallel() // the program's work is given two seconds each time
	l := newLocalZone(t)
	l.configure(fmt.Sprintf(`
dns: {local: {provider: zonefile, zones: [a.test], directory: %[1]s/challenges, command: [%[1]s/reload-zone], resolver: %[2]q, propagation: {servers: [%[2]q]}}}
challenges: [{dns-01: {via: local}}]
certificates: {a.test: {names: [a.test, "*.a.test"]}}
`, l.dir, l.server.Address) + l.acmebotHooks())
	l.apply()
	l.checkServed("a.test")
	if left := l.server.TXT(t, "_acme-challenge.a.test"); len(left) != 0 {
		t.Errorf("the zone still holds %q", left)
	}
	if _, err := os.Stat(filepath.Join(l.dir, "challenges", "a.test")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the zone's file: %v", err)
	}
	reloads, modes := l.lines("reloads"), l.lines("modes")
	if len(reloads) < 2 || slices.ContainsFunc(reloads, func(zone string) bool { return zone != "a.test" }) || !slices.Contains(modes, "644") {
		t.Errorf("reloads %q, modes %q", reloads, modes)
	}
	told := slices.DeleteFunc(l.told(), func(line string) bool { return strings.Contains(line, "_installed") })
	for i, want := range []string{"clear_dns_challenge challenge=", "clear_dns", "dns_zone_update zone=a.test", "dns_zone", "dns_zone", "dns_zone", "set_dns_challenge challenge=", "set_dns"} {
		if len(told) != 8 || !strings.HasPrefix(told[i], want) {
			t.Fatalf("the hooks were told %q", told)
		}
	}
	if len(l.known("a.test").Presented) != 0 {
		t.Error("an answer is remembered as left")
	}
}

// TestReloadsLocalZones: a zone whose TLSA records are made of installed files
// is made anew after an installation, and its failure is a warning.
func TestReloadsLocalZones(t *testing.T) {
	t.Parallel()
	l := newLocalZone(t)
	l.configure(fmt.Sprintf(`
dns: {local: {provider: zonefile, zones: [a.test], directory: %[1]s/challenges, command: [%[1]s/reload-zone]}}
certificates: {a.test: {names: [a.test], reload_zones: [a.test]}}
`, l.dir))
	l.apply()
	l.checkServed("a.test")
	if reloads := l.lines("reloads"); !slices.Equal(reloads, []string{"a.test"}) {
		t.Errorf("reloads %q, want one", reloads)
	}
	l.checkIdle()
	l.ask(plan.AskRenew, "a.test")
	l.apply()
	if reloads := l.lines("reloads"); len(reloads) != 2 {
		t.Errorf("reloads %q after a renewal, want two", reloads)
	}
	l.script("reload-zone", "exit 1\n")
	l.ask(plan.AskRenew, "a.test")
	l.apply()
	l.checkServed("a.test")
}
