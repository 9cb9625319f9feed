package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/status"
)

// version is set by the linker when a release is built; see the Makefile.
var version = ""

// thisBuild says what this program was made from: it reads what the toolchain noted in the binary.
func thisBuild() status.Build {
	b := status.Build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return b
}

// userAgent names the program to CAs (RFC 8555 section 6.1).
func userAgent() string {
	return "certkeep/" + thisBuild().Version + " (+https://github.com/certkeep/certkeep)"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if a.json {
				return a.ui.printJSON(b)
			}
			a.ui.print(fmt.Sprintf("certkeep %s (%s, %s)", b.Version, b.Go, b.Platform))
			return nil
		},
	}
}
