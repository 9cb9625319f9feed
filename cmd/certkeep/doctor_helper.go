package main

import (
	"context"
	"os"
	"time"

	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
)

// helperMayTake bounds the look at a helper, which reads the config for it.
const helperMayTake = 30 * time.Second

// helped reports whether a helper writes files and tells services in place of
// this user, who need not be able to then.
func (d *examiner) helped() bool { return d.cfg.Helper.On() && os.Geteuid() != 0 }

// helper looks whether the process of root answers that installs files.
func (d *examiner) helper(ctx context.Context) {
	if !d.cfg.Helper.On() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, helperMayTake)
	defer cancel()
	if err := (&handover.Client{Socket: d.cfg.Helper.Socket}).Look(ctx); err != nil {
		d.add(verdictProblem, "helper", err.Error(), plan.CodeHelper.Remedy())
		return
	}
	d.add(verdictOK, "helper", "the helper answers at "+d.cfg.Helper.Socket, "")
}
