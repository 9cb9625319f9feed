package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Wait is a span from which a time to wait is drawn.
type Wait struct{ Least, Most time.Duration }

func standardWait() Wait { return Wait{Least: 5 * time.Minute, Most: time.Hour} }

// String is the reverse of ParseWait.
func (w Wait) String() string { return FormatDuration(w.Least) + "-" + FormatDuration(w.Most) }

// ParseWait reads MIN-MAX, such as 5m-1h.
func ParseWait(text string) (Wait, error) {
	from, to, ok := strings.Cut(text, "-")
	least, err1 := ParseDuration(from)
	most, err2 := ParseDuration(to)
	if !ok || errors.Join(err1, err2) != nil || least < 0 || most < least {
		return Wait{}, fmt.Errorf("%q is no span of time", shorten(text))
	}
	return Wait{Least: least, Most: most}, nil
}

func waitRandom() shape[Wait] {
	return scalar(text, "a span of time", "5m-1h", func(r *reader, n *node) (Wait, string, string) {
		w, err := ParseWait(n.text)
		if err != nil {
			return w, fmt.Sprintf("%s: %v", r.is(), err), "write it as MIN-MAX, such as 5m-1h"
		}
		return w, "", ""
	}, func(w Wait) *node { return showText(w.String()) })
}

func waitKey() key[Config] {
	return fieldOr("wait_random", waitRandom(), func(c *Config) *Wait { return &c.WaitRandom }, standardWait(), about{
		doc: "How long `apply --wait-random config` waits: a time between these two is drawn.",
	})
}

func warningExitKey() key[Config] {
	return fieldOr("warning_exit_code", truth(), func(c *Config) *bool { return &c.WarningExitCode }, false, about{
		doc: "Whether `apply`, `renew` and their like exit with 4 also where nothing failed and a warning is shown, as of a key that is due for a rollover. The option `--warning-exit-code` of `apply` comes first.",
	})
}
