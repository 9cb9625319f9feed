package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/metrics"
)

// leaveMetrics writes the file of a textfile collector, for everybody to read:
// how things are after a command, and how it ended. A crash leaves the old
// file or the new one. "" writes nothing.
func leaveMetrics(path string, after plan.World, o outcome) error {
	if path == "" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("leave metrics: %w", err)
	}
	run := metrics.Run{Ended: time.Now(), ExitCode: o.ExitCode}
	for _, s := range o.Steps {
		if s.Fault != nil {
			run.Failed++
		}
	}
	var b bytes.Buffer
	err = metrics.Write(&b, metrics.Facts{Now: run.Ended, Build: thisBuild(), Snapshot: status.SnapshotOf(run.Ended, after), Run: &run})
	if err == nil {
		err = durable.Write(durable.OS{}, path, b.Bytes(), durable.Attr{Mode: 0o644, UID: -1, GID: -1})
	}
	if err != nil {
		return fmt.Errorf("leave metrics: %w", err)
	}
	return nil
}
