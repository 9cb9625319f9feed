package metrics_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/servertest"
	"github.com/certkeep/certkeep/internal/status/metrics"
)

// examples is the folder of what users begin with.
var examples = filepath.Join("..", "..", "..", "docs", "prometheus")

// everything is all that is ever written.
func everything(t *testing.T) string {
	t.Helper()
	var counters metrics.Counters
	counters.Request("letsencrypt", "POST", 200, time.Second)
	counters.Step("install", false)
	counters.Event("issued")
	var b bytes.Buffer
	err := metrics.Write(&b, metrics.Facts{Now: time.Now(), Snapshot: snapshot(t, "a.example.com", "missing"), Counters: &counters, Run: &metrics.Run{}})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Prometheus' own tool takes what we write, and finds nothing to say about
// names and types.
func TestPromtoolTakesMetrics(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(servertest.Find(t, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(everything(t))
	if said, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) > 0 {
		t.Errorf("%v: %s", err, said)
	}
}

func TestPromtoolTakesAlerts(t *testing.T) {
	t.Parallel()
	said, err := exec.Command(servertest.Find(t, "promtool"), "check", "rules", filepath.Join(examples, "alerts.yaml")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// Alerts, dashboard and reference speak of metrics that exist, and the
// reference of all of them.
func TestExamplesNameWhatExists(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(everything(t), -1) {
		written[m[1]] = true
	}
	named := regexp.MustCompile(`certkeep_[a-z_]+`)
	for _, file := range []string{"alerts.yaml", "dashboard.json", "../status.md"} {
		text, err := os.ReadFile(filepath.Join(examples, file))
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, name := range named.FindAllString(string(text), -1) {
			name = strings.TrimSuffix(name, "_bucket")
			names[name] = true
			if !written[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
		if len(names) < 5 {
			t.Errorf("%s names hardly anything", file)
		}
		for name := range written {
			if file == "../status.md" && !names[name] {
				t.Errorf("%s does not tell of %s", file, name)
			}
		}
		if filepath.Ext(file) == ".json" && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
	}
}
