package contrib

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestOpenRC has OpenRC run the script, with a /run of its own, and processes
// that end with the test.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: mounts a /run of its own")
	}
	servertest.Find(t, "openrc-run")
	unshare := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"}
	if out, err := exec.Command("unshare", append(unshare, "-c", "mount -t tmpfs none /run")...).CombinedOutput(); err != nil {
		t.Skipf("no /run of its own: %s", out)
	}
	h := newHouse(t)
	write(t, h.dir+"/init.d/certkeep", read(t, "openrc/certkeep"))
	write(t, h.dir+"/conf.d/certkeep", "export CERTKEEP_CONFIG="+h.config+"\ncommand="+h.dir+"/bin/certkeep\noutput_log="+h.dir+"/log\nerror_log="+h.dir+"/log\nrespawn_delay=1\n")
	write(t, h.dir+"/script", strings.ReplaceAll(openRC, "HOUSE", h.dir))
	cmd := exec.CommandContext(t.Context(), "unshare", append(unshare, h.dir+"/script")...)
	cmd.Env = append(h.environ(), "CERTKEEP_CONFIG="+h.config)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log := read(t, h.dir+"/log")
	for _, want := range []string{"started\n", "a daemon holds the state", "www  ", "reload 0\n", "look 0\n", "another process\n", "stopped\n", `unknown key "certificats"`, "refused\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing:\n%s\n%s", want, out, log)
		}
	}
	if !regexp.MustCompile(`(?s)msg=running.*was taken over.*looking now.*msg=running.*msg=ended`).MatchString(log) {
		t.Errorf("logged:\n%s", log)
	}
}

const openRC = `
set -ex
mount -t tmpfs none /run
for state in starting started stopping inactive wasinactive failed hotplugged daemons options exclusive scheduled tmp; do mkdir -p /run/openrc/$state; done
touch /run/openrc/softlevel
rc() { openrc-run HOUSE/init.d/certkeep --nodeps "$@"; }
pid() { sed 's/.*"pid": *\([0-9]*\).*/\1/' HOUSE/state/lock; }
until_() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 400 ] || { echo "in vain: $*"; cat HOUSE/log; exit 1; }; sleep 0.05; done; }

rc start
rc status && echo started
until_ test -S HOUSE/state/control.sock
certkeep apply 2>&1
certkeep status --wait 20s www
rc reload; echo reload $?
until_ grep -q 'was taken over' HOUSE/log
rc look; echo look $?
until_ grep -q 'looking now' HOUSE/log
before=$(pid)
kill -KILL $before
until_ sh -c "[ \$(grep -c msg=running HOUSE/log) = 2 ]"
[ $before = $(pid) ] || echo another process
rc stop
rc status || echo stopped
cp HOUSE/certkeep.yaml HOUSE/good
echo 'certificats: {}' > HOUSE/certkeep.yaml
rc start || echo refused
`
