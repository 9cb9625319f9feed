package engine

import (
	"context"
	"path/filepath"
	"slices"
	"sync"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/dns"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
)

// zoneFileMode lets the name server's user read the answers, which are public.
const zoneFileMode = 0o644

// newZoneFile makes what hands answers to a program that makes zones.
func newZoneFile(c config.DNS, n network.Network, disk durable.Disk) (*dns.ZoneFile, error) {
	return dns.NewZoneFile(dns.ZoneFileConfig{
		Path: filepath.Join(c.Directory, c.FileName), Command: command.Command{Args: c.Command.Args, Timeout: c.Timeout},
		Zones: c.Zones, Attr: durable.Attr{Mode: zoneFileMode, UID: -1, GID: -1}, Disk: disk, Resolver: resolverOf(c, n),
	})
}

// reloadZones has zones made anew that hold records of installed files. It
// comes before the installation is stored: after a crash it is done once more.
// A failure is a warning only, since the certificate is in place.
func (w *worker) reloadZones(ctx context.Context) {
	if cert := w.parts.cfg.Certificate(w.want.Name); cert != nil {
		w.reloadThese(ctx, cert.ReloadZones)
	}
}

// reloadThese is reloadZones of zones that are known.
func (w *worker) reloadThese(ctx context.Context, zones []string) {
	if len(zones) == 0 {
		return
	}
	w.stage("having zones made anew")
	var reloads sync.WaitGroup
	for _, zone := range zones {
		writer := w.parts.writers[w.parts.cfg.ZoneFileOf(zone)]
		if writer == nil || writer.zones == nil {
			continue // refused when the config was read, or it cannot be used, which its challenges tell
		}
		reloads.Go(func() {
			if err := writer.zones.Reload(ctx, zone); err != nil {
				w.engine.Log.Warn("a zone could not be made anew", "certificate", w.want.Name, "zone", zone, "error", err)
			}
		})
	}
	reloads.Wait()
}

// reloadZones is that of the certificates whose files came to their places, or
// of all of them where a file of the keys did; each zone is made once.
func (w *keyWorker) reloadZones(ctx context.Context, members []*worker, came func(*worker) bool) {
	var zones []string
	for _, m := range members {
		if cert := w.parts.cfg.Certificate(m.want.Name); cert != nil && came(m) {
			zones = append(zones, cert.ReloadZones...)
		}
	}
	if len(zones) > 0 {
		slices.Sort(zones)
		members[0].reloadThese(ctx, slices.Compact(zones))
	}
}
