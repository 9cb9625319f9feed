package main

import (
	"context"
	"fmt"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/status"
)

// lookEvery is the least time between two looks at the state while something
// is waited for. Looks that take long are farther apart, so that waiting takes
// a tenth of a processor at most.
const lookEvery = time.Second

// awaitInPlace looks until the named certificates, or all, are in place. The
// config and the names are read once: what is wrong there does not mend
// itself. How things are when the time is over is shown, with a code that
// says that they are not in place.
func (a *app) awaitInPlace(ctx context.Context, names []string, text string) error {
	longest, err := config.ParseDuration(text)
	if err != nil || longest <= 0 {
		return usage(fmt.Sprintf("--wait: %q is no duration", text), "give one such as 90s or 5m")
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if names, err = known(cfg, names); err != nil {
		return err
	}
	end := time.Now().Add(longest)
	for {
		began := time.Now()
		w, err := world(ctx, cfg)
		if err != nil {
			return err
		}
		o := status.Of(time.Now(), w)
		if len(names) > 0 {
			o = o.Only(names)
		}
		inPlace, left := o.InPlace(), time.Until(end)
		if inPlace || left <= 0 {
			a.addDaemonProblems(ctx, cfg, &o)
			code := exitOK
			if !inPlace {
				code = o.ExitCode(true)
			}
			return a.show(o, func() string { return a.describe(o) }, code)
		}
		if err := sleep(ctx, min(left, max(lookEvery, 9*time.Since(began)))); err != nil {
			return err
		}
	}
}
