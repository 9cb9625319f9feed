package contrib

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCron reads the file as cron does, and runs its command as cron would:
// with nothing in the environment but what the file says. Twice: the second
// time there is nothing to do, and nothing to mail.
func TestCron(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path, command := "", ""
	for line := range strings.Lines(read(t, "cron/certkeep")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if value, found := strings.CutPrefix(line, "PATH="); found {
			path = value
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 7 || fields[5] != "root" || strings.Contains(line, "%") {
			t.Fatalf("no line of /etc/cron.d: %q", line)
		}
		for _, field := range fields[:5] {
			if strings.Trim(field, "0123456789*/") != "" {
				t.Errorf("no time of cron: %q", field)
			}
		}
		command = strings.Join(fields[6:], " ")
	}
	if !strings.Contains(command, "--wait-random 0s-1h") || !strings.Contains(path, "/usr/local/bin") {
		t.Fatalf("path %q, command %q", path, command)
	}
	command = strings.Replace(command, "0s-1h", "0s-1ms", 1)
	for range 2 {
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Env = []string{"PATH=" + h.dir + "/bin:" + path, "CERTKEEP_CONFIG=" + h.config}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("cron would mail: %v\n%s", err, out)
		}
	}
	h.run(t, "certkeep", "status", "--wait", "1s", "www")
}
